rule align:
    input:
        f"{WORK}/acquire/{{shard}}.csv",
    output:
        f"{WORK}/align/{{shard}}.csv",
    log:
        f"{LOGS}/align/{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/align/{{shard}}.tsv"
    conda:
        "../../envs/lstsr.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        settings=settings("sensors", "align"),
        folder=f"{WORK}/aligned",
        code=fingerprint("lstsr.dataset.triplet", *PLAN.reader_modules),
    shell:
        "lstsr align --settings {params.settings:q} --folder {params.folder:q}"
        " --output {output:q} {input:q} > {log:q} 2>&1"
