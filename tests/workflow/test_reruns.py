"""Only what a change touches runs again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from lstsr.sensors.raster import geotiff

if TYPE_CHECKING:
    from tests.workflow.conftest import Project

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]

ROW = {"train": 1, "predict": 1, "evaluate": 1, "table": 1, "figures": 1, "report": 1}
ROWS = 7
TRAINED = 2


def test_a_finished_run_has_nothing_to_do(project: Project) -> None:
    assert project.planned("all") == {}


def test_editing_a_network_reruns_its_row_alone(project: Project) -> None:
    project.edit("src/lstsr/models/rrdb.py", "0.2", "0.21")
    assert project.planned("all") == ROW


def test_editing_the_figures_reruns_only_them(project: Project) -> None:
    project.edit("src/lstsr/evaluation/figures.py", "dpi=130", "dpi=131")
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
    for file in ("models/dctnet.py", "geo/resample.py", "scenes.py"):
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
