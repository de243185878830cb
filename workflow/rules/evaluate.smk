rule evaluate:
    input:
        predictions=f"{RESULTS}/predictions/{{row}}/index.csv",
        data=DATASET,
    output:
        f"{WORK}/scores/{{row}}.csv",
    log:
        f"{LOGS}/evaluate/{{row}}.log",
    conda:
        "../../envs/lstsr.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        row=row_json,
        folder=f"{WORK}/aligned",
        code=fingerprint("lstsr.evaluation.score"),
    shell:
        "lstsr evaluate --row {params.row:q} --data {input.data:q} --folder {params.folder:q}"
        " --predictions {input.predictions:q} --output {output:q} > {log:q} 2>&1"


rule table:
    input:
        expand(f"{WORK}/scores/{{row}}.csv", row=PLAN.rows),
    output:
        [f"{RESULTS}/{name}" for name in PLAN.tables[1:]],
        table=f"{RESULTS}/{PLAN.tables[0]}",
    log:
        f"{LOGS}/table.log",
    conda:
        "../../envs/lstsr.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        bootstrap=CONFIG.evaluate.bootstrap,
        code=fingerprint("lstsr.evaluation.table"),
    shell:
        "lstsr table --bootstrap {params.bootstrap} --output {output.table:q} {input:q}"
        " > {log:q} 2>&1"
