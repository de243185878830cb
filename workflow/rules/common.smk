# The validated config and the names that the rules share.
import json
import re
import sys
from pathlib import Path

from lstsr.config import check_keys, save_resolved, validate
from lstsr.errors import LstsrError
from lstsr.fingerprint import fingerprint
from lstsr.plan import Plan
from lstsr.registry import MODELS, STEPS

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
DATASET = f"{WORK}/dataset.safetensors"
FIGURES = [f"{RESULTS}/figures/{name}.png" for name in PLAN.figures]
FOLDS = [f"{RESULTS}/figures/folds.png"] if CONFIG.split.folds else []
TRAINED = PLAN.trained


def settings(*sections):
    """What a stage reads of the config, as JSON: a change of it reruns the stage."""
    return json.dumps({name: CONFIG.model_dump(mode="json")[name] for name in sections})


def row_json(wildcards):
    return PLAN.rows[wildcards.row].model_dump_json()


def row_code(stage):
    """Digest of a stage and of the row's one model."""
    return lambda wildcards: fingerprint(stage, MODELS[PLAN.rows[wildcards.row].model])


def training_code(wildcards):
    """Digest of training, of the row's one model and of its kind of steps."""
    row = PLAN.rows[wildcards.row]
    return fingerprint(
        "lstsr.training.loop",
        MODELS[row.model],
        STEPS[row.train.adversarial is not None],
    )


wildcard_constraints:
    shard=r"\d+-of-\d+",
    row="|".join(map(re.escape, PLAN.rows)),
