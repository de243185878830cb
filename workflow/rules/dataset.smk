rule dataset:
    input:
        splits=f"{RESULTS}/splits.csv",
        acquire=PLAN.shard_files("acquire"),
        align=PLAN.shard_files("align"),
    output:
        dataset=DATASET,
        statistics=f"{RESULTS}/statistics.json",
        shifts=f"{RESULTS}/shifts.csv",
        excluded=f"{RESULTS}/excluded.csv",
    log:
        f"{LOGS}/dataset.log",
    benchmark:
        f"{BENCHMARKS}/dataset.tsv"
    conda:
        "../../envs/lstsr.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=settings(
            *("dataset", "origin", "attribution", "split"),
            *("sensors", "align", "packing", "blocks"),
        ),
        folder=f"{WORK}/aligned",
        code=fingerprint("lstsr.dataset.pack", "lstsr.dataset.exclusions"),
    shell:
        "lstsr dataset --settings {params.settings:q} --folder {params.folder:q}"
        " --splits {input.splits:q} --acquired {input.acquire:q} --aligned {input.align:q}"
        " --output {output.dataset:q} --statistics {output.statistics:q}"
        " --shifts {output.shifts:q} --excluded {output.excluded:q} > {log:q} 2>&1"
