"""Faults of a run stop it before anything runs; faults of a scene cost that scene."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lstsr.dataset.loader import Dataset
from tests.workflow.conftest import CONFIG

if TYPE_CHECKING:
    from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow


def _misspelt(project: Project) -> None:
    project.configure(lambda config: config["train"].update(stepz=3))


def _impossible(project: Project) -> None:
    project.configure(lambda config: config["blocks"].append({"track": "observed", "scale": 8}))


def _named_twice(project: Project) -> None:
    manifest = project.folder / "data/scenes.csv"
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join([*lines, lines[1]]) + "\n")


def _missing_file(project: Project) -> None:
    (project.folder / "data/sample-002/ndvi_fine.tif").unlink()


def _empty_split(project: Project) -> None:
    manifest = project.folder / "data/scenes.csv"
    head, *lines = manifest.read_text().splitlines()
    placed = [f"{line},127,{36 + index / 10}" for index, line in enumerate(lines)]
    manifest.write_text("\n".join([f"{head},lon,lat", *placed]) + "\n")
    project.configure(
        lambda config: config.update(
            split={"test": {"lat_min": 36.5}, "validation": {"lon_min": 130}}
        )
    )


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        (_misspelt, ("train.stepz", "unknown", "steps")),
        (_impossible, ("observed x8", "align.scale")),
        (_named_twice, ("scenes.csv", "sample-000", "two rows")),
        (_missing_file, ("scenes.csv", "sample-002", "ndvi_fine.tif")),
        (_empty_split, ("split", "validation")),
    ],
)
def test_a_fault_of_the_run_is_one_line_before_anything_runs(
    project: Project, break_it: Callable[[Project], None], named: tuple[str, ...]
) -> None:
    break_it(project)
    before = _state(project.folder / "results")
    done = project.snakemake("all")
    assert done.returncode == 1
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("lstsr:")]
    assert len(said) == 1
    assert all(word in said[0] for word in named), said[0]
    assert "Traceback" not in done.stderr
    assert _state(project.folder / "results") == before


def test_a_fault_of_a_scene_excludes_it_by_name_and_the_run_goes_on(project: Project) -> None:
    target = project.folder / "data/sample-004/lst_fine.tif"
    target.write_bytes(target.read_bytes()[:3000])
    done = project.snakemake("results/small/work/dataset.safetensors")
    assert done.returncode == 0, done.stdout + done.stderr
    packed = Dataset(project.folder / "results/small/work/dataset.safetensors")
    assert "sample-004" not in {scene.scene for scene in packed.meta.scenes}
    assert len(packed.meta.scenes) == 9
    with (project.folder / "results/small/excluded.csv").open(newline="") as file:
        (lost,) = csv.DictReader(file)
    assert lost["scene"] == "sample-004"
    assert "lst_fine.tif" in lost["reason"]
    assert len(lost["target_sha256"]) == 64


def test_losing_too_many_scenes_stops_the_run(project: Project) -> None:
    for number in (1, 4, 6):
        target = project.folder / f"data/sample-00{number}/lst_fine.tif"
        target.write_bytes(target.read_bytes()[:3000])
    done = project.snakemake("results/small/work/dataset.safetensors")
    assert done.returncode == 1
    log = (project.folder / "results/small/logs/dataset.log").read_text()
    assert "lstsr: 3 of 10 scenes were excluded, align.max_excluded_share allows 20%" in log


SNAKEMAKE = f"""
import runpy, sys
sys.argv = ["snakemake", "--cores", "1", "--quiet", "all", "--configfile", "{CONFIG}", "-n"]
runpy.run_module("snakemake", run_name="__main__")
"""
WITHOUT_LSTSR = f"""
import sys

class Hidden:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "lstsr":
            raise ModuleNotFoundError("No module named 'lstsr'", name="lstsr")

sys.meta_path.insert(0, Hidden)
{SNAKEMAKE}
"""


@pytest.mark.parametrize("without", ["module", "command"])
def test_a_missing_lstsr_is_one_line_that_says_what_to_activate(
    project: Project, without: str
) -> None:
    """Also with --quiet all, which hides what Snakemake says itself."""
    folder = str(Path(sys.executable).parent)
    path = [part for part in os.environ["PATH"].split(os.pathsep) if part != folder]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LSTSR if without == "module" else SNAKEMAKE],
        cwd=project.folder,
        env={
            **os.environ,
            "PYTHONPATH": str(project.folder / "src"),
            "PATH": os.pathsep.join(path),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("lstsr: ")]
    assert len(said) == 1 and "Activate the environment" in said[0], done.stderr
    expected = "has no module lstsr" if without == "module" else "not on PATH"
    assert expected in said[0]
    assert "Traceback" not in done.stderr


def _state(folder: Path) -> dict[str, float]:
    return {str(path): path.stat().st_mtime for path in sorted(folder.rglob("*")) if path.is_file()}
