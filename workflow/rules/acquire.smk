rule download:
    output:
        f"{WORK}/downloads/{{shard}}.csv",
    log:
        f"{LOGS}/download/{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/download/{{shard}}.tsv"
    conda:
        "../../envs/lstsr.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
        download=1,
    params:
        settings=settings("acquire", "data"),
        files=lambda wildcards: PLAN.downloads_digest(wildcards.shard),
        folder=PLAN.folder,
        code=fingerprint("lstsr.acquire.download"),
    shell:
        "lstsr download --settings {params.settings:q} --shard {wildcards.shard}"
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
    conda:
        "../../envs/lstsr.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        settings=settings("acquire", "data", "sensors"),
        scenes=lambda wildcards: PLAN.scenes_digest(wildcards.shard),
        folder=PLAN.folder,
        code=fingerprint("lstsr.acquire.index", PLAN.acquire_module, *PLAN.reader_modules),
    shell:
        "lstsr acquire --settings {params.settings:q} --shard {wildcards.shard}"
        " --folder {params.folder:q} --output {output:q} > {log:q} 2>&1"


rule split:
    input:
        PLAN.shard_files("acquire"),
    output:
        f"{RESULTS}/splits.csv",
    log:
        f"{LOGS}/split.log",
    conda:
        "../../envs/lstsr.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=settings("split"),
        code=fingerprint("lstsr.split", "lstsr.folds"),
    shell:
        "lstsr split --settings {params.settings:q} --output {output:q} {input:q} > {log:q} 2>&1"
