# The validated config and the names that the rules share.
import re
import shutil
import sys
from pathlib import Path

ACTIVATE = (
    "Activate the environment of lstsr (`source .venv/bin/activate`, or `conda activate lstsr`) "
    "and run the command again"
)
try:
    from lstsr.config import check_keys, resolved_path, save_resolved, validate
    from lstsr.errors import LstsrError
    from lstsr.plan import Plan
except ModuleNotFoundError as error:
    sys.exit(f"lstsr: {sys.executable} has no module {error.name}. {ACTIVATE}")
if shutil.which("lstsr") is None:
    sys.exit(f"lstsr: the command lstsr is not on PATH, but the rules call it. {ACTIVATE}")

try:
    for file in workflow.configfiles:
        check_keys(Path(file))
    CONFIG = validate(config)
    PLAN = Plan(CONFIG)
except LstsrError as error:
    sys.exit(f"lstsr: {error}")

RESULTS = CONFIG.results
WORK = f"{RESULTS}/work"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
ALIGNED = f"{WORK}/aligned"

# Rasters are not outputs of rules, but their indexes name them.
if workflow.is_main_process:
    PLAN.note_missing()


def resolved(wildcards, output):
    """The config that a job reads.

    Snakemake does not compare functions of the output with earlier runs, so another setting does
    not rerun every job. A rule therefore also has the settings that it depends on in its params.
    """
    return resolved_path(CONFIG)


def row_settings(wildcards):
    return PLAN.row_settings(wildcards.row)


def row_code(stage):
    return lambda wildcards: PLAN.code(stage, wildcards.row)


wildcard_constraints:
    shard=r"\d+-of-\d+",
    row="|".join(map(re.escape, PLAN.rows)),
