from snakemake.utils import min_version

min_version("9.0")

# A --configfile replaces the default run instead of merging into it.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/acquire.smk"
include: "workflow/rules/align.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        f"{RESULTS}/table.csv",
        f"{RESULTS}/report.html",
        FIGURES,
        FOLDS,


onstart:
    save_resolved(CONFIG)
