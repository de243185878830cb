"""Only what a change touches runs again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from lstsr.sensors import geotiff

if TYPE_CHECKING:
    from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow

ROW = {"train": 1, "predict": 1, "evaluate": 1, "table": 1, "figures": 1, "report": 1}
ROWS = 7
TRAINED = 2


def test_a_finished_run_has_nothing_to_do(project: Project) -> None:
    assert project.planned("all") == {}


def test_editing_a_network_reruns_its_row_alone(project: Project) -> None:
    project.edit("src/lstsr/models/rrdb.py", "0.2", "0.21")
    assert project.planned("all") == ROW


def test_editing_the_figures_reruns_only_them(project: Project) -> None:
    project.edit("src/lstsr/evaluation/figures.py", "fontsize=8", "fontsize=9")
    assert project.planned("all") == {"figures": 1, "report": 1}


def test_changing_one_file_of_a_scene_aligns_its_shard_alone(project: Project) -> None:
    path = project.folder / "data/sample-003/lst_coarse.tif"
    image = geotiff.read_written(path)
    geotiff.write(path, replace(image, values=image.values + 0.5))
    assert project.planned("all") == {
        "acquire": 1,
        "align": 1,
        "split": 1,
        "dataset": 1,
        "train": TRAINED,
        "predict": ROWS,
        "evaluate": ROWS,
        "table": 1,
        "figures": 1,
        "report": 1,
    }


def test_changing_a_training_key_of_one_model_reruns_its_row_alone(project: Project) -> None:
    def more_steps(config: dict) -> None:
        config["models"][1]["train"] = {"steps": 3}

    project.configure(more_steps)
    assert project.planned("all") == ROW


def test_editing_a_docstring_reruns_nothing(project: Project) -> None:
    for file in ("models/dctnet.py", "geo/resample.py", "plan.py", "rows.py"):
        project.edit(f"src/lstsr/{file}", '"""', '"""Edited. ')
    assert project.planned("all") == {}


def test_adding_a_model_to_the_default_config_changes_no_other_run(project: Project) -> None:
    def add(config: dict) -> None:
        config["models"].append({"model": "dctnet", "variant": "wide", "options": {"features": 48}})

    project.configure(add, "config.yaml")
    assert yaml.safe_load((project.folder / "config.yaml").read_text())["models"][-1]["variant"]
    assert project.planned("all") == {}


def test_adding_a_row_runs_that_row_alone(project: Project) -> None:
    def add(config: dict) -> None:
        config["models"].append({"model": "dctnet", "variant": "wide", "options": {"features": 5}})

    project.configure(add)
    assert project.planned("all") == ROW


def test_editing_a_description_of_the_training_config_reruns_nothing(project: Project) -> None:
    project.edit("src/lstsr/rows.py", "optimiser steps between", "steps between")
    project.edit("src/lstsr/config/models.py", "name of the network", "the network")
    assert project.planned("all") == {}


def test_editing_the_config_of_models_reruns_nothing_of_other_stages(project: Project) -> None:
    project.edit("src/lstsr/config/models.py", "lstsr takes it from", "lstsr reads it from")
    assert project.planned("all") == {}


def test_a_missing_raster_reruns_the_job_that_makes_it(project: Project) -> None:
    results = project.folder / "results/small"
    prediction = next((results / "predictions").glob("bilinear-*/*.tif"))
    prediction.unlink()
    assert project.planned("all") == {name: 1 for name in ROW if name != "train"}
    done = project.snakemake("all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert prediction.exists()
    assert project.planned("all") == {}
    (results / "work/aligned/sample-003/reference.tif").unlink()
    jobs = project.planned("results/small/work/dataset.safetensors")
    assert jobs == {"align": 1, "dataset": 1}


def test_jobs_read_the_settings_of_their_own_run(project: Project) -> None:
    """Another run in the same folder changes config.resolved.yaml, but no file of this run."""
    configs = project.folder / "results/small/work/config"
    (first,) = configs.iterdir()
    content = first.read_text()
    project.configure(lambda config: config["models"].append({"model": "dctnet", "variant": "b"}))
    done = project.snakemake("results/small/models/dctnet-b-x4-observed-s0.safetensors")
    assert done.returncode == 0, done.stdout + done.stderr
    assert first.read_text() == content
    assert len(list(configs.iterdir())) == 2
    resolved = project.folder / "results/small/config.resolved.yaml"
    assert resolved.read_text() != content
    assert project.planned("results/small/work/dataset.safetensors") == {}
