"""The runs on live data are planned from a manifest alone, by the command in their configs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lstsr.config import load

pytestmark = pytest.mark.slow
PLACES = {"114034": (129.0, 37.3), "116036": (126.8, 34.4), "116034": (126.6, 37.3)}
"""Path and row, and a place there: one in each part of the split."""


@pytest.mark.parametrize("name", ["korea-first", "korea-open", "korea"])
def test_the_command_of_a_config_plans_its_run_without_network(
    root: Path, tmp_path: Path, name: str
) -> None:
    path = root / f"configs/{name}.yaml"
    config = load(path)
    lines = ["scene,input,reference,target,lon,lat"]
    for place, (lon, lat) in PLACES.items():
        for day in ("20230501", "20230517"):
            scene = f"{place}-{day}-LC08"
            files = [f"https://nowhere.invalid/{scene}/{end}" for end in ("i.nc", "r.nc", "t.json")]
            lines.append(",".join([scene, *files, str(lon), str(lat)]))
    manifest = tmp_path / config.data / config.acquire.manifest
    manifest.parent.mkdir(parents=True)
    manifest.write_text("\n".join(lines) + "\n")
    (tmp_path / "configs").symlink_to(root / "configs")

    (command,) = re.findall(r"^#   (snakemake .*)$", path.read_text(), re.MULTILINE)
    more = ["--dry-run", "--snakefile", str(root / "Snakefile"), "--directory", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *more, *shlex.split(command)[1:]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", said.partition("Job stats:")[2], re.MULTILINE))
    assert jobs["download"] == jobs["acquire"] == jobs["align"]
    assert int(jobs.get("train", 0)) == sum(row.train is not None for row in config.rows())
    assert not (tmp_path / "results").exists()
