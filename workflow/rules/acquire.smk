rule download:
    output:
        f"{WORK}/downloads/{{shard}}.csv",
    log:
        f"{LOGS}/download/{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/download/{{shard}}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
        download=1,
    params:
        config=resolved,
        settings=PLAN.settings("download"),
        files=lambda wildcards: PLAN.downloads_digest(wildcards.shard),
        folder=PLAN.folder,
        code=PLAN.code("download"),
    shell:
        "lstsr download --config {params.config:q} --shard {wildcards.shard}"
        " --folder {params.folder:q} --output {output:q} > {log:q} 2>&1"


rule acquire:
    input:
        lambda wildcards: PLAN.files(wildcards.shard),
    output:
        f"{WORK}/acquire/{{shard}}.csv",
    log:
        f"{LOGS}/acquire/{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/acquire/{{shard}}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        config=resolved,
        settings=PLAN.settings("acquire"),
        scenes=lambda wildcards: PLAN.scenes_digest(wildcards.shard),
        folder=PLAN.folder,
        code=PLAN.code("acquire"),
    shell:
        "lstsr acquire --config {params.config:q} --shard {wildcards.shard}"
        " --folder {params.folder:q} --output {output:q} > {log:q} 2>&1"


rule split:
    input:
        PLAN.shard_files("acquire"),
    output:
        report(f"{RESULTS}/splits.csv", caption="../report/splits.rst", category="Scenes"),
    log:
        f"{LOGS}/split.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config=resolved,
        settings=PLAN.settings("split"),
        code=PLAN.code("split"),
    shell:
        "lstsr split --config {params.config:q} --output {output:q} {input:q} > {log:q} 2>&1"
