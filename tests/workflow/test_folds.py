"""The DAG of a split with folds."""

from pathlib import Path

import pytest

from tests.workflow.conftest import build

pytestmark = pytest.mark.slow


def test_each_fold_has_its_rows_and_the_run_one_dataset_and_one_table(
    root: Path, tmp_path: Path
) -> None:
    project = build(tmp_path, root)
    project.configure(lambda config: config.update(split={"folds": 3, "buffer_km": 1}))
    jobs = project.planned("all")
    assert jobs["train"] == 2 * 3
    assert jobs["predict"] == jobs["evaluate"] == (5 + 2) * 3
    assert all(jobs[rule] == 1 for rule in ("split", "dataset", "table", "figures", "folds"))
    project.configure(lambda config: config["split"].update(test=0.2))
    done = project.snakemake("--dry-run", "all")
    assert done.returncode != 0
    said = "lstsr: config key split.folds = 3: folds replace test. Remove one of them"
    assert said in done.stdout + done.stderr
