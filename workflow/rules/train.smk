rule train:
    input:
        data=rules.dataset.output.dataset,
        initial=lambda wildcards: PLAN.initial(wildcards.row),
    output:
        checkpoint=f"{RESULTS}/models/{{row}}.safetensors",
        curve=f"{RESULTS}/models/{{row}}.curve.csv",
    log:
        f"{LOGS}/train/{{row}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{row}}.tsv"
    wildcard_constraints:
        row="|".join(map(re.escape, PLAN.trained)) or "none",
    # the longest jobs begin first; the short ones of other rows run beside the last of them
    priority: 1
    threads: CONFIG.threads
    resources:
        mem_mb=6000,
        runtime=240,
        gpu=CONFIG.gpus,
    params:
        config=resolved,
        row=row_settings,
        code=row_code("train"),
    shell:
        "lstsr train --config {params.config:q} --row {wildcards.row} --data {input.data:q}"
        " --threads {threads} --output {output.checkpoint:q} > {log:q} 2>&1"
