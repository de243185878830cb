rule predict:
    input:
        data=rules.dataset.output.dataset,
        checkpoints=lambda wildcards: PLAN.checkpoints(wildcards.row),
    output:
        f"{RESULTS}/predictions/{{row}}/index.csv",
    log:
        f"{LOGS}/predict/{{row}}.log",
    benchmark:
        f"{BENCHMARKS}/predict/{{row}}.tsv"
    threads: CONFIG.threads
    resources:
        mem_mb=6000,
        runtime=60,
        gpu=CONFIG.gpus,
    params:
        config=resolved,
        row=row_settings,
        split=CONFIG.evaluate.split,
        code=row_code("predict"),
        missing=lambda wildcards: PLAN.missing(f"{RESULTS}/predictions/{wildcards.row}/index.csv"),
    shell:
        "lstsr predict-split --config {params.config:q} --row {wildcards.row} --data {input.data:q}"
        " --split {params.split} --checkpoint {input.checkpoints:q} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"
