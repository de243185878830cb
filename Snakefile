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


# Jobs of seconds run where Snakemake runs, not on a node of a cluster.
localrules:
    all,
    split,
    table,
    report,


rule all:
    default_target: True
    input:
        rules.table.output.table,
        rules.report.output,
        rules.report.input.figures,


# With `--sdm conda` every rule runs in this environment (a path from the folder of the rules).
for defined in workflow.rules:
    if defined.name != "all":
        defined.conda_env = "../../envs/lstsr.yaml"


onstart:
    save_resolved(CONFIG)
