rule train:
    input:
        data=DATASET,
        initial=lambda wildcards: PLAN.initial(wildcards.row),
    output:
        checkpoint=f"{RESULTS}/models/{{row}}.safetensors",
        curve=f"{RESULTS}/models/{{row}}.curve.csv",
    log:
        f"{LOGS}/train/{{row}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{row}}.tsv"
    wildcard_constraints:
        row="|".join(map(re.escape, TRAINED)) or "none",
    # the longest jobs begin first; the short ones of other rows run beside the last of them
    priority: 1
    conda:
        "../../envs/lstsr.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=6000,
        runtime=240,
        gpu=CONFIG.gpus,
    params:
        row=row_json,
        code=training_code,
    shell:
        "lstsr train --data {input.data:q} --row {params.row:q} --threads {threads}"
        " --output {output.checkpoint:q} > {log:q} 2>&1"
