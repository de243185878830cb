"""A copy of the repository with a small local data set, on which the whole DAG has run once."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.triplets import SENSORS, Sample, write_manifest

CONFIG = "small.yaml"
SCENES = Sample(scenes=10, coarse_size=16, scale=4, seed=7)
COPIED = ("src", "workflow", "envs", "Snakefile", "config.yaml")
JOBS = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Project:
    """A repository that can be edited and run."""

    folder: Path

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run snakemake on the small config with two cores."""
        options = ("--cores", "2", "--configfile", CONFIG)
        targets = [word for word in arguments if not word.startswith("-")]
        flags = [word for word in arguments if word.startswith("-")]
        return self.run("snakemake", *options, *flags, "--", *targets)

    def run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{Path(sys.executable).parent}"
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(self.folder / "src"),
                "PATH": path + os.pathsep + os.environ["PATH"],
            },
            capture_output=True,
            text=True,
        )

    def planned(self, *arguments: str) -> dict[str, int]:
        """Rule to number of jobs that would run."""
        done = self.snakemake("--dry-run", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        _, _, stats = (done.stdout + done.stderr).partition("Job stats:")
        jobs = {rule: int(count) for rule, count in JOBS.findall(stats)}
        return {rule: count for rule, count in jobs.items() if rule not in ("total", "all")}

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new, 1))

    def configure(self, change: Callable[[dict], None], file: str = CONFIG) -> None:
        path = self.folder / file
        config = yaml.safe_load(path.read_text())
        change(config)
        path.write_text(yaml.safe_dump(config))


def build(folder: Path, root: Path) -> Project:
    """Copy the repository to ``folder`` and add data, manifest and config of a small local run."""
    for name in COPIED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    command = folder / "bin" / "lstsr"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lstsr.cli "$@"\n')
    command.chmod(0o755)
    write_manifest(folder / "data", SCENES)
    config = {
        "dataset": "small",
        "results": "results/small",
        "data": "data",
        "shard_size": 4,
        "threads": 1,
        "acquire": {"provider": "local"},
        "sensors": SENSORS,
        "split": {"test": 0.25, "validation": 0.2},
        # so small a scene has too little texture to be registered
        "align": {"registration": {"reference": False, "input": False}},
        "blocks": [{"track": "observed", "scale": 4}],
        "train": {"steps": 2, "batch": 1, "patch": 32, "validate_every": 1, "save_every": 1},
        "models": [
            {"model": "esrnet", "options": {"features": 4, "growth": 4, "blocks": 1}},
            {"model": "dctnet", "options": {"features": 4}},
        ],
    }
    (folder / CONFIG).write_text(yaml.safe_dump(config))
    return Project(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Project:
    """The project after a whole run, one for all test processes; tests copy it to change it."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "finished"
    with (base / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return Project(folder)
        made = build(base / "unfinished", root)
        done = made.snakemake("all")
        assert done.returncode == 0, done.stdout + done.stderr
        made.folder.rename(folder)
    return Project(folder)


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project, with its provenance, to be changed."""
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)  # copies modification times as well
    command = folder / "bin" / "lstsr"
    assert command.exists()
    return Project(folder)
