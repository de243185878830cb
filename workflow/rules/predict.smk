rule predict:
    input:
        data=DATASET,
        checkpoints=lambda wildcards: PLAN.checkpoints(wildcards.row),
    output:
        f"{RESULTS}/predictions/{{row}}/index.csv",
    log:
        f"{LOGS}/predict/{{row}}.log",
    benchmark:
        f"{BENCHMARKS}/predict/{{row}}.tsv"
    conda:
        "../../envs/lstsr.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=6000,
        runtime=60,
        gpu=CONFIG.gpus,
    params:
        row=row_json,
        split=CONFIG.evaluate.split,
        ensemble=lambda wildcards: ("--self-ensemble" if PLAN.rows[wildcards.row].turned else ""),
        code=row_code("lstsr.predict.scenes"),
    shell:
        "lstsr predict-split --row {params.row:q} --data {input.data:q} --split {params.split}"
        " --checkpoint {input.checkpoints:q} --threads {threads} {params.ensemble}"
        " --output {output:q}"
        " > {log:q} 2>&1"
