"""The whole workflow for images without input and reference."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from lstsr.dataset.loader import Dataset
from lstsr.sensors.geotiff import read_written
from tests.triplets import Sample, optical_config_of, write_images
from tests.workflow.conftest import CONFIG, Project, build

pytestmark = pytest.mark.slow
SMALL = {"features": 4, "growth": 4, "blocks": 1}
ADVERSARIAL = {"warm_up_steps": 1, "discriminator_features": 4}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    project: Project = build(tmp_path_factory.mktemp("optical"), root)
    shutil.rmtree(project.folder / "data")
    write_images(project.folder / "data", Sample(scenes=5, coarse_size=16, scale=4))
    config = optical_config_of(
        results="results/optical",
        threads=1,
        train={"steps": 2, "batch": 1, "patch": 32, "validate_every": 1, "save_every": 1},
        models=[
            {"model": "esrnet", "options": SMALL},
            {"model": "esrgan", "options": SMALL, "train": {"adversarial": ADVERSARIAL}},
        ],
    )
    # bands are set by the task: what is written must be what a user may write
    written = config.model_dump(mode="json", exclude_unset=True)
    (project.folder / CONFIG).write_text(yaml.safe_dump(written))
    done = project.snakemake("all")
    assert done.returncode == 0, done.stdout + done.stderr
    return project.folder / "results/optical"


def test_the_table_is_in_reflectance_and_bicubic_beats_bilinear(results: Path) -> None:
    with (results / "table.csv").open(newline="") as file:
        rows = {row["model"]: row for row in csv.DictReader(file)}
    models = {"bilinear", "bicubic", "bicubic-backprojected", "esrnet", "esrgan"}
    assert set(rows) == models
    assert not [name for name in rows["esrnet"] if name.endswith("_k") or "linear" in name]
    assert float(rows["bicubic"]["rmse"]) < float(rows["bilinear"]["rmse"]) < 0.05
    assert float(rows["bicubic"]["gain_db"]) > 0
    assert 0 < float(rows["esrnet"]["sam_deg"]) < 45
    assert "data range 1 (reflectance 0..1)" in (results / "table.md").read_text()
    assert not (results / "surfaces.csv").exists()


def test_input_is_the_block_mean_and_predictions_have_all_bands(results: Path) -> None:
    dataset = Dataset(results / "work/dataset.safetensors")
    (name, *_) = dataset.scenes("test")
    scene = dataset.scene(name, "degraded-block-x2")
    blocks = scene.target.reshape(4, 32, 2, 32, 2)
    whole = scene.scored.reshape(32, 2, 32, 2).all(axis=(1, 3))
    expected = blocks.mean(axis=(2, 4))[:, whole]
    np.testing.assert_allclose(scene.input[:, whole], expected, rtol=1e-5)
    image = read_written(results / f"predictions/esrgan-base-x2-degraded-block-s0/{name}.tif")
    assert image.bands == ("blue", "green", "red", "nir")
    assert (image.unit, image.values.shape) == ("reflectance", (4, 64, 64))
    assert (results / "figures/before-after-degraded-block-x2.png").stat().st_size > 10_000
