"""The DAG of a row with ensembles."""

from pathlib import Path

import pytest

from tests.workflow.conftest import build

pytestmark = pytest.mark.slow


def test_a_seed_ensemble_is_predicted_from_the_checkpoints_of_all_seeds(
    root: Path, tmp_path: Path
) -> None:
    project = build(tmp_path, root)
    both = {"model": "dctnet", "seed_ensemble": True, "self_ensemble": True}
    project.configure(lambda config: config.update(models=[both], seeds=[0, 1]))
    done = project.snakemake("--dry-run", "--printshellcmds", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    blocks = (done.stdout + done.stderr).split("\n\n")
    members = [f"results/small/models/dctnet-base-x4-observed-s{seed}.safetensors" for seed in "01"]
    for variant in ("seed-ensemble", "seed-ensemble-self-ensemble"):
        index = f"results/small/predictions/dctnet-{variant}-x4-observed-s0/index.csv"
        (job,) = (block for block in blocks if f"output: {index}\n" in block)
        assert f"input: results/small/work/dataset.safetensors, {', '.join(members)}\n" in job
        assert f" --checkpoint {' '.join(members)} " in job
        assert f" --row dctnet-{variant}-x4-observed-s0 " in job
        assert "{" not in job.partition("shell")[2], "no JSON on the command line"
