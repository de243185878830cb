"""Training runs that are killed, and what they leave behind."""

import csv
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from lstsr.training.checkpoint import load_checkpoint
from lstsr.training.loop import curve_path

ABSENT = ["affine", "pandas", "pydantic", "pyproj", "rasterio", "shapely", "skimage", "snakemake"]

KILLED_AT_BATCH = """
import json, os, signal, sys
from pathlib import Path

data, output, row, batch, *absent = sys.argv[1:]
sys.modules.update(dict.fromkeys(absent))  # importing one of them now fails
from lstsr.rows import Row
from lstsr.training import loop

class Killed(loop.Batches):
    def __getitem__(self, k):
        if k == int(batch):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(k)

loop.Batches = Killed
loop.train(
    Path(data), Row.from_dict(json.loads(row)), Path(output), accelerator="cpu", threads=1
)
"""


def train_until_killed(data: Path, row_json: str, output: Path, batch: int) -> None:
    """Train without any of the packages in ABSENT, and kill as this batch is asked for."""
    command = [sys.executable, "-c", KILLED_AT_BATCH, str(data), str(output), row_json, str(batch)]
    run = subprocess.run([*command, *ABSENT], capture_output=True, text=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr


def read_curve(output: Path) -> list[dict[str, float]]:
    with curve_path(output).open() as file:
        return [
            {name: float(value) for name, value in line.items()} for line in csv.DictReader(file)
        ]


def assert_same_run(output: Path, other: Path) -> None:
    """Two runs drew one curve and gave one network."""
    curve, expected = read_curve(output), read_curve(other)
    for name in ("step", "train_loss", "learning_rate", "validation_ubrmse_k"):
        np.testing.assert_allclose(
            [point[name] for point in curve], [point[name] for point in expected], atol=1e-6, rtol=0
        )
    torch.testing.assert_close(
        load_checkpoint(output)[0].state_dict(),
        load_checkpoint(other)[0].state_dict(),
        atol=1e-6,
        rtol=0,
    )
