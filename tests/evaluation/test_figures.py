"""The figures of a tiny run: they are made, and panels that are compared share their colours."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from lstsr.config import Block, DatasetConfig
from lstsr.dataset.pack import pack
from lstsr.dataset.triplet import align
from lstsr.evaluation import figures
from lstsr.evaluation.figures import Sources, draw
from lstsr.evaluation.score import score_row
from lstsr.files import write_csv
from lstsr.predict.scenes import predict_split
from tests.triplets import Sample, config_of, make, names

MODELS = ("bilinear", "local-linear")


@pytest.fixture(scope="module")
def run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder: aligned scenes and their dataset file, three scenes in the test."""
    config, folder = config_of(), tmp_path_factory.mktemp("run")
    sample = Sample(scenes=5, coarse_size=24)
    for index, name in enumerate(names(sample)):
        # the last one is larger: users' scenes have many sizes
        scene = make(name, folder, replace(sample, coarse_size=24 + index // 4 * 6))
        assert not align(scene, config.sensors, config.align, folder / "aligned").reason
    pack(
        folder / "dataset.safetensors",
        folder / "aligned",
        dict(zip(names(sample), ("train", "validation", "test", "test", "test"), strict=True)),
        "sample",
        [Block(track="observed", scale=4), Block(track="degraded-block", scale=4)],
        DatasetConfig(),
        {"align": config.align.model_dump()},
    )
    return folder


def row_of(model: str, track: str = "observed") -> dict[str, Any]:
    identity = {"dataset": "sample", "track": track, "scale": 4, "variant": "base", "seed": 0}
    identity |= {"guide": "own", "normalisation": "input"}
    identity |= {"harmonised": False, "channels": ["ndvi"]}
    return identity | {"model": model, "options": {}, "train": None}


@pytest.fixture(scope="module")
def sources(run: Path) -> Sources:
    data = run / "dataset.safetensors"
    scores, predictions = [], []
    for model in MODELS:
        predictions.append(run / model / "index.csv")
        scores.append(run / f"{model}.csv")
        predict_split(data, row_of(model), "test", None, predictions[-1], 1)
        score_row(data, row_of(model), predictions[-1], run / "aligned", scores[-1])
    curve = run / "dctnet-base-x4-observed-s0.curve.csv"
    points = [{"step": step, "validation_ubrmse_k": 1 + 1 / (1 + step)} for step in range(9)]
    write_csv(curve, ("step", "validation_ubrmse_k"), points)
    outline = "{0},43 {1},43 {1},44 {0},44"
    split = ("train", "validation", "test", "dropped")
    write_csv(
        run / "splits.csv",
        ("scene", "split", "lon", "lat", "outline"),
        [
            {"scene": f"00{lon}", "split": name, "lon": lon + 0.5, "lat": 43.5}
            | {"outline": outline.format(lon, lon + 0.9)}
            for lon, name in enumerate(split)
        ],
    )
    shifts = ("scene", "reference_row", "reference_column", "input_row", "input_column")
    rows = [("a", 0.8, 1.0, -0.2, 0.1), ("b", 0.9, 1.2, 0.1, -0.1), ("lost", *[None] * 4)]
    write_csv(run / "shifts.csv", shifts, [dict(zip(shifts, row, strict=True)) for row in rows])
    return Sources(data, run / "splits.csv", run / "shifts.csv", scores, predictions, [curve])


def test_every_figure_is_made(sources: Sources, tmp_path: Path) -> None:
    draw(sources, tmp_path, 2)
    made = {path.name: path for path in tmp_path.iterdir()}
    kinds = [f"{kind}-observed-x4.png" for kind in ("scenes", "density", "spectra")]
    assert sorted(made) == sorted([*kinds, "curves.png", "split.png", "shifts.png"])
    for path in made.values():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_panels_of_a_scene_share_their_colours(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr(figures, "_save", lambda figure, path: drawn.update({path.name: figure}))
    draw(sources, tmp_path, 3)
    limits: dict[str, list[Any]] = {"LST": [], "error": []}
    for axis in drawn["scenes-observed-x4.png"].axes:
        title = axis.get_title()
        if title in ("input", "target", *MODELS):
            limits["LST"].append(axis.images[0].get_clim())
        elif title.startswith("error"):
            limits["error"].append(axis.images[0].get_clim())
    assert len(limits["LST"]) == 3 * 4 and len(limits["error"]) == 3 * 2
    for panels, count in ((limits["LST"], 4), (limits["error"], 2)):
        scenes = [set(panels[start : start + count]) for start in range(0, len(panels), count)]
        assert all(len(scene) == 1 for scene in scenes)
        assert len(set.union(*scenes)) == 3, "each scene has limits of its own"
    assert all(low == -high for low, high in limits["error"])
    *panels, bar = drawn["density-observed-x4.png"].axes
    assert len(panels) == len(MODELS) and bar.get_ylabel() == "pixels"
    assert len({panel.collections[0].get_clim() for panel in panels}) == 1


def test_scenes_shown_are_spread_over_the_difficulty_and_never_twice() -> None:
    for total in range(1, 9):
        scores = pd.DataFrame({"scene": [f"{n}" for n in range(total)], "ubrmse_k": range(total)})
        for count in range(1, 10):
            chosen = [int(name) for name in figures._typical(scores, count)]
            assert chosen == sorted(set(chosen)) and len(chosen) == min(count, total)
            assert abs(sum(chosen) / len(chosen) - (total - 1) / 2) <= 0.5
