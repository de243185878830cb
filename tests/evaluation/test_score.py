"""Scores of predictions on disk against the metrics, by hand, on both grids."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import torch

from lstsr.config import Block, DatasetConfig
from lstsr.dataset.align import align
from lstsr.dataset.loader import Dataset, SceneArrays
from lstsr.dataset.pack import pack
from lstsr.errors import LstsrError
from lstsr.evaluation.columns import (
    CELL_METRICS,
    IMAGE_SCORE_COLUMNS,
    METRICS,
    PIXEL_METRICS,
    SCORE_COLUMNS,
    SENSORS,
    TARGET_GRID,
    read_scores,
)
from lstsr.evaluation.score import _sensor, score_by_surface, score_on_target_grid, score_row
from lstsr.files import read_csv
from lstsr.metrics import score
from lstsr.predict.scenes import predict_split
from lstsr.rows import Row
from lstsr.sensors import geotiff
from tests.triplets import Sample, config_of, make, names


@pytest.fixture(scope="module")
def run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder: aligned scenes and their dataset file, one scene a split."""
    config, folder = config_of(), tmp_path_factory.mktemp("run")
    sample = Sample(scenes=3, coarse_size=24)
    for name in names(sample):
        scene = make(name, folder, sample)
        assert not align(scene, config.sensors, config.align, folder / "aligned").reason
    pack(
        folder / "dataset.safetensors",
        folder / "aligned",
        dict(zip(names(sample), ("train", "validation", "test"), strict=True)),
        "sample",
        [Block(track="observed", scale=4), Block(track="degraded-block", scale=4)],
        DatasetConfig(),
        {"origin": "simulated", "align": config.align.model_dump()},
    )
    return folder


def row_of(model: str, track: str = "observed") -> Row:
    identity = {"dataset": "sample", "track": track, "scale": 4, "variant": "base", "seed": 0}
    identity |= {"guide": "own", "normalisation": "input"}
    identity |= {"harmonised": False, "channels": ["ndvi"]}
    return Row.from_dict(identity | {"model": model, "options": {}, "train": None})


def scored(run: Path, row: Row, folder: Path) -> Path:
    predict_split(run / "dataset.safetensors", row, "test", [], folder / "index.csv", 1)
    output = folder / "scores.csv"
    score_row(run / "dataset.safetensors", row, folder / "index.csv", run / "aligned", output)
    return output


def test_scores_equal_the_metrics(run: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    table = read_scores(scored(run, row_of("local-linear"), tmp_path))
    assert list(table.columns) == list(SCORE_COLUMNS)
    one = table.iloc[0]
    dataset = Dataset(run / "dataset.safetensors")
    scene = dataset.scene(one.scene, "observed-x4")
    (values,) = geotiff.read_written(tmp_path / f"{one.scene}.tif").values
    error = (values - scene.target)[scene.scored].astype(float)
    assert one.n_pixels == scene.scored.sum()
    assert one.rmse_k == pytest.approx(np.sqrt((error**2).mean()))
    assert one.bias_k == pytest.approx(error.mean())
    assert one.ubrmse_k == pytest.approx(error.std())
    assert one.mse == pytest.approx((error**2).mean() * 2.55**2)
    expected = score(values, scene.target, scene.scored, scene.input, scene.input_valid, scale=4)
    assert {name: one[name] for name in METRICS} == pytest.approx(expected)
    assert (one.dataset, one.split, one.grid, one.n_train) == ("sample", "test", "input/4", 1)
    assert one.origin == "simulated"
    assert table.columns[:2].tolist() == ["dataset", "origin"]
    assert (one.input_m, one.target_m, one.parameters) == (1000, 250, 0)
    # the target's own grid: sharper, so errors are larger, on nearly as many pixels
    assert 1 < one[f"{TARGET_GRID}ubrmse_k"] / one.ubrmse_k < 1.5
    assert 0.8 < one[f"{TARGET_GRID}n_pixels"] / one.n_pixels <= 1.0
    assert not any(TARGET_GRID + name in table for name in CELL_METRICS)


@pytest.mark.parametrize("track", ["observed", "degraded-block"])
def test_no_data_outside_the_scored_pixels_leaves_every_score_as_it_was(
    run: Path, tmp_path: Path, track: str
) -> None:
    """The same row before predictions were masked, and with all but the scored pixels masked."""
    data, row = run / "dataset.safetensors", row_of("bicubic", track)
    before = read_scores(scored(run, row, tmp_path / "masked"))
    dataset, index = Dataset(data), tmp_path / "masked" / "index.csv"
    for kind in ("filled", "scored"):
        for entry in read_csv(index):
            scene = dataset.scene(entry["scene"], f"{track}-x4")
            image = geotiff.read_written(index.parent / entry["file"])
            assert not image.valid.all()
            values = np.nan_to_num(image.values, nan=400.0)
            valid = np.ones_like(image.valid) if kind == "filled" else scene.scored
            written = replace(image, values=values, valid=valid)
            geotiff.write(tmp_path / kind / entry["file"], written)
        shutil.copy(index, tmp_path / kind)
        output = tmp_path / kind / "scores.csv"
        score_row(data, row, tmp_path / kind / "index.csv", run / "aligned", output)
        pd.testing.assert_frame_equal(read_scores(output), before)


def test_a_degraded_row_is_not_scored_on_the_target_grid(run: Path, tmp_path: Path) -> None:
    (record,) = read_csv(scored(run, row_of("bilinear", "degraded-block"), tmp_path))
    assert all(record[TARGET_GRID + name] == "" for name in PIXEL_METRICS)
    assert all(record[name] for name in METRICS)


def test_the_prediction_is_moved_back_to_the_target(run: Path, tmp_path: Path) -> None:
    """The moved target as a prediction: wrong only by two interpolations, if the sign is right."""
    dataset = Dataset(run / "dataset.safetensors")
    (name,) = dataset.scenes("test")
    folder = run / "aligned" / name
    scene = dataset.scene(name, "observed-x4")
    moved = geotiff.read_written(folder / "target.tif")
    native = folder / "target_native.tif"
    with rasterio.open(native) as file:
        shift = np.array([float(file.tags()[f"moved_{axis}"]) for axis in ("row", "column")])
    assert np.hypot(*shift) > 0.4
    right = score_on_target_grid(moved, scene, native)["ubrmse_k"]
    wrong = tmp_path / "wrong.tif"
    row, column = -shift
    tags = {"moved_row": repr(float(row)), "moved_column": repr(float(column))}
    geotiff.write(wrong, geotiff.read_written(native), tags)
    still = tmp_path / "still.tif"
    geotiff.write(still, geotiff.read_written(native), {"moved_row": "0.0", "moved_column": "0.0"})
    assert right < 0.7 * score_on_target_grid(moved, scene, still)["ubrmse_k"]
    assert right < 0.5 * score_on_target_grid(moved, scene, wrong)["ubrmse_k"]
    # a whole number of pixels takes no interpolation at all
    image = geotiff.read_written(native)
    exact = replace(scene, scored=image.valid)
    whole = tmp_path / "whole.tif"
    geotiff.write(whole, image, {"moved_row": "2.0", "moved_column": "-3.0"})
    content = replace(image, grid=image.grid.moved(2, -3))
    assert score_on_target_grid(content, exact, whole)["rmse_k"] < 1e-3


def test_a_scene_that_cannot_be_scored_is_named(run: Path, tmp_path: Path) -> None:
    data, row = run / "dataset.safetensors", row_of("bilinear")
    predict_split(data, row, "test", [], tmp_path / "index.csv", 1)
    (name,) = Dataset(data).scenes("test")
    native = geotiff.read_written(run / "aligned" / name / "target_native.tif")
    elsewhere = replace(native, grid=native.grid.moved(0, 1000))
    tags = {"moved_row": "0.0", "moved_column": "0.0"}
    geotiff.write(tmp_path / "aligned" / name / "target_native.tif", elsewhere, tags)
    with pytest.raises(LstsrError, match=f"scene {name}: no pixel is scored"):
        score_row(data, row, tmp_path / "index.csv", tmp_path / "aligned", tmp_path / "scores.csv")
    assert not (tmp_path / "scores.csv").exists()


def test_land_and_water_are_scored_apart() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(300, 3, (8, 8)).astype(np.float32)
    error = np.where(np.arange(8) < 3, 2.0, rng.normal(0, 1, (8, 8))).astype(np.float32)
    scored = rng.random((8, 8)) < 0.8
    scene = SceneArrays(
        input=np.zeros((2, 2), np.float32),
        input_valid=np.ones((2, 2), bool),
        reference=np.zeros((1, 8, 8), np.float32),
        reference_valid=scored,
        target=target,
        scored=scored,
        offset_k=0.0,
    )
    water = np.broadcast_to(np.arange(8) < 3, (8, 8))
    found = score_by_surface(target + error, scene, water)
    assert found["water_n_pixels"] == (scored & water).sum()
    assert found["water_bias_k"] == pytest.approx(2, abs=1e-4)
    assert found["water_ubrmse_k"] == pytest.approx(0, abs=1e-3)
    assert found["land_rmse_k"] == pytest.approx(
        np.sqrt((error[scored & ~water].astype(float) ** 2).mean()), rel=1e-4
    )
    dry = score_by_surface(target + error, scene, np.zeros_like(water))
    assert dry["water_n_pixels"] == 0 and "water_rmse_k" not in dry
    assert score_by_surface(target, scene, None) == {}


def test_columns_name_the_sensors_and_say_where_there_is_none() -> None:
    config = {"sensors": {"input": {"product": "gk2a", "sensor": "GK2A AMI"}, "reference": None}}
    assert _sensor(config, "input") == "GK2A AMI (gk2a)"
    assert _sensor(config, "reference") == "none"
    assert set(SENSORS) <= set(SCORE_COLUMNS) & set(IMAGE_SCORE_COLUMNS)
