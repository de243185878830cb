rule align:
    input:
        index=f"{WORK}/acquire/{{shard}}.csv",
        # earlier scenes of the same place can be in any shard
        history=PLAN.history,
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
        code=fingerprint("lstsr.dataset.align", *PLAN.reader_modules),
    shell:
        "lstsr align {input.index:q} --settings {params.settings:q} --folder {params.folder:q}"
        " --output {output:q} --history {input.history:q} > {log:q} 2>&1"
