rule figures:
    input:
        scores=expand(f"{WORK}/scores/{{row}}.csv", row=PLAN.rows),
        predictions=expand(f"{RESULTS}/predictions/{{row}}/index.csv", row=PLAN.rows),
        curves=expand(f"{RESULTS}/models/{{row}}.curve.csv", row=TRAINED),
        data=DATASET,
        splits=f"{RESULTS}/splits.csv",
        shifts=f"{RESULTS}/shifts.csv",
    output:
        FIGURES,
    log:
        f"{LOGS}/figures.log",
    conda:
        "../../envs/lstsr.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        scenes=CONFIG.evaluate.figure_scenes,
        bootstrap=CONFIG.evaluate.bootstrap,
        series=json.dumps(PLAN.series),
        folder=lambda wildcards, output: Path(output[0]).parent,
        code=fingerprint("lstsr.evaluation.figures"),
    shell:
        "lstsr figures --scenes {params.scenes} --bootstrap {params.bootstrap}"
        " --series {params.series:q} --data {input.data:q} --splits {input.splits:q}"
        " --shifts {input.shifts:q} --scores {input.scores:q} --predictions {input.predictions:q}"
        " --curves {input.curves:q} --folder {params.folder:q} > {log:q} 2>&1"


rule folds:
    input:
        scores=expand(f"{WORK}/scores/{{row}}.csv", row=PLAN.rows),
        data=DATASET,
        splits=f"{RESULTS}/splits.csv",
    output:
        figure=f"{RESULTS}/figures/folds.png",
        table=f"{RESULTS}/folds_scenes.csv",
    log:
        f"{LOGS}/folds.log",
    conda:
        "../../envs/lstsr.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=fingerprint("lstsr.evaluation.generalisation"),
    shell:
        "lstsr folds --data {input.data:q} --splits {input.splits:q} --scores {input.scores:q}"
        " --figure {output.figure:q} --output {output.table:q} > {log:q} 2>&1"


rule report:
    input:
        table=f"{RESULTS}/table.csv",
        excluded=f"{RESULTS}/excluded.csv",
        figures=[*FIGURES, *FOLDS],
    output:
        f"{RESULTS}/report.html",
    log:
        f"{LOGS}/report.log",
    conda:
        "../../envs/lstsr.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("lstsr.evaluation.report"),
    shell:
        "lstsr report --table {input.table:q} --excluded {input.excluded:q}"
        " --output {output:q} {input.figures:q} > {log:q} 2>&1"
