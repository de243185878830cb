rule evaluate:
    input:
        predictions=rules.predict.output,
        data=rules.dataset.output.dataset,
    output:
        f"{WORK}/scores/{{row}}.csv",
    log:
        f"{LOGS}/evaluate/{{row}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate/{{row}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        config=resolved,
        row=row_settings,
        folder=ALIGNED,
        code=PLAN.code("evaluate"),
    shell:
        "lstsr evaluate --config {params.config:q} --row {wildcards.row} --data {input.data:q}"
        " --folder {params.folder:q} --predictions {input.predictions:q} --output {output:q}"
        " > {log:q} 2>&1"


rule table:
    input:
        expand(rules.evaluate.output, row=PLAN.rows),
    output:
        [f"{RESULTS}/{name}" for name in PLAN.tables[1:]],
        table=report(
            f"{RESULTS}/{PLAN.tables[0]}", caption="../report/table.rst", category="Scores"
        ),
    log:
        f"{LOGS}/table.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        bootstrap=CONFIG.evaluate.bootstrap,
        code=PLAN.code("table"),
    shell:
        "lstsr table --bootstrap {params.bootstrap} --output {output.table:q} {input:q}"
        " > {log:q} 2>&1"
