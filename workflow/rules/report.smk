rule figures:
    input:
        scores=expand(rules.evaluate.output, row=PLAN.rows),
        predictions=expand(rules.predict.output, row=PLAN.rows),
        curves=expand(rules.train.output.curve, row=PLAN.trained),
        data=rules.dataset.output.dataset,
        splits=rules.split.output,
        shifts=rules.dataset.output.shifts,
    output:
        report(
            [f"{RESULTS}/figures/{name}.png" for name in PLAN.figures],
            caption="../report/figures.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/figures.log",
    benchmark:
        f"{BENCHMARKS}/figures.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        config=resolved,
        settings=PLAN.settings("figures"),
        series=PLAN.series,
        folder=lambda wildcards, output: Path(output[0]).parent,
        code=PLAN.code("figures"),
    shell:
        "lstsr figures --config {params.config:q} --data {input.data:q} --splits {input.splits:q}"
        " --shifts {input.shifts:q} --scores {input.scores:q} --predictions {input.predictions:q}"
        " --curves {input.curves:q} --folder {params.folder:q} > {log:q} 2>&1"


rule folds:
    input:
        scores=expand(rules.evaluate.output, row=PLAN.rows),
        data=rules.dataset.output.dataset,
        splits=rules.split.output,
    output:
        figure=report(
            f"{RESULTS}/figures/folds.png",
            caption="../report/folds.rst",
            category="Figures",
        ),
        table=f"{RESULTS}/folds_scenes.csv",
    log:
        f"{LOGS}/folds.log",
    benchmark:
        f"{BENCHMARKS}/folds.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=PLAN.code("folds"),
    shell:
        "lstsr folds --data {input.data:q} --splits {input.splits:q} --scores {input.scores:q}"
        " --figure {output.figure:q} --output {output.table:q} > {log:q} 2>&1"


rule report:
    input:
        table=rules.table.output.table,
        excluded=rules.dataset.output.excluded,
        figures=[rules.figures.output, rules.folds.output.figure if CONFIG.split.folds else []],
    output:
        f"{RESULTS}/report.html",
    log:
        f"{LOGS}/report.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=PLAN.code("report"),
    shell:
        "lstsr report --table {input.table:q} --excluded {input.excluded:q}"
        " --output {output:q} {input.figures:q} > {log:q} 2>&1"
