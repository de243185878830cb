rule dataset:
    input:
        splits=rules.split.output,
        acquire=PLAN.shard_files("acquire"),
        align=PLAN.shard_files("align"),
    output:
        dataset=f"{WORK}/dataset.safetensors",
        statistics=f"{RESULTS}/statistics.json",
        shifts=f"{RESULTS}/shifts.csv",
        excluded=report(
            f"{RESULTS}/excluded.csv", caption="../report/excluded.rst", category="Scenes"
        ),
    log:
        f"{LOGS}/dataset.log",
    benchmark:
        f"{BENCHMARKS}/dataset.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        config=resolved,
        settings=PLAN.settings("dataset"),
        folder=ALIGNED,
        code=PLAN.code("dataset"),
    shell:
        "lstsr dataset --config {params.config:q} --folder {params.folder:q}"
        " --splits {input.splits:q} --acquired {input.acquire:q} --aligned {input.align:q}"
        " --output {output.dataset:q} --statistics {output.statistics:q}"
        " --shifts {output.shifts:q} --excluded {output.excluded:q} > {log:q} 2>&1"
