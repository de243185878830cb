rule align:
    input:
        index=rules.acquire.output,
        # earlier scenes of the same place can be in any shard
        history=PLAN.history,
    output:
        f"{WORK}/align/{{shard}}.csv",
    log:
        f"{LOGS}/align/{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/align/{{shard}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        config=resolved,
        settings=PLAN.settings("align"),
        folder=ALIGNED,
        code=PLAN.code("align"),
        missing=lambda wildcards: PLAN.missing(f"{WORK}/align/{wildcards.shard}.csv"),
    shell:
        "lstsr align {input.index:q} --config {params.config:q} --folder {params.folder:q}"
        " --output {output:q} --history {input.history:q} > {log:q} 2>&1"
