"""The script that completes the conda environment of the rules, without conda."""

import os
import subprocess
from pathlib import Path


def deployed(root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script in ``folder`` with a python that only prints what it is asked."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    return subprocess.run(
        ["bash", str(root / "envs/lstsr.post-deploy.sh")],
        cwd=folder,
        env={**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )


def test_the_environment_gets_lstsr_from_the_repository(root: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    done = deployed(root, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pip install --no-deps" in done.stdout and done.stdout.endswith("--editable .\n")


def test_elsewhere_it_says_where_to_run_snakemake(root: Path, tmp_path: Path) -> None:
    done = deployed(root, tmp_path)
    assert done.returncode == 1
    assert "run Snakemake in the repository" in done.stderr
