"""The figures of a tiny run: they are made, and panels that are compared share their colours."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from lstsr.config import Block, DatasetConfig
from lstsr.dataset.align import align
from lstsr.dataset.loader import Dataset
from lstsr.dataset.pack import pack
from lstsr.errors import LstsrError
from lstsr.evaluation import figures
from lstsr.evaluation.figures import Sources, draw
from lstsr.evaluation.score import score_row
from lstsr.files import write_csv
from lstsr.predict.scenes import predict_split
from lstsr.rows import Row
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
        {"origin": "simulated", "align": config.align.model_dump()},
    )
    return folder


def row_of(model: str, track: str = "observed") -> Row:
    identity = {"dataset": "sample", "track": track, "scale": 4, "variant": "base", "seed": 0}
    identity |= {"guide": "own", "normalisation": "input"}
    identity |= {"harmonised": False, "channels": ["ndvi"]}
    return Row.from_dict(identity | {"model": model, "options": {}, "train": None})


@pytest.fixture(scope="module")
def sources(run: Path) -> Sources:
    data = run / "dataset.safetensors"
    scores, predictions = [], []
    for model in MODELS:
        predictions.append(run / model / "index.csv")
        scores.append(run / f"{model}.csv")
        predict_split(data, row_of(model), "test", [], predictions[-1], 1)
        score_row(data, row_of(model), predictions[-1], run / "aligned", scores[-1])
    curve = run / f"{MODELS[1]}.curve.csv"
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
    return Sources(data, run / "splits.csv", run / "shifts.csv", scores, predictions, [curve], {})


def test_every_figure_is_made(sources: Sources, tmp_path: Path) -> None:
    draw(sources, tmp_path, 2, 100)
    made = {path.name: path for path in tmp_path.iterdir()}
    kinds = [f"{kind}-observed-x4.png" for kind in ("scenes", "density", "spectra")]
    assert sorted(made) == sorted([*kinds, "curves.png", "split.png", "shifts.png"])
    for path in made.values():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_panels_of_a_scene_share_their_colours(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr(
        figures, "save_figure", lambda figure, path: drawn.update({path.name: figure})
    )
    draw(sources, tmp_path, 3, 100)
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
    dataset = "sample (simulated data)"
    titles = {name: figure.get_suptitle() for name, figure in drawn.items()}
    pixels = titles.pop("density-observed-x4.png").removeprefix(
        "sample (simulated data), track observed-x4, 3 test scenes"
    )
    assert re.fullmatch(r", \d+,\d+ pixels", pixels)
    assert titles == {
        "scenes-observed-x4.png": f"{dataset}, track observed-x4, 3 of 3 test scenes",
        "spectra-observed-x4.png": f"{dataset}, track observed-x4, 3 test scenes",
        "curves.png": f"{dataset}, 1 validation scenes",
        "split.png": f"{dataset}, 4 scenes of all splits",
        "shifts.png": f"{dataset}, 3 scenes of all splits",
    }


def test_curves_have_a_panel_a_block_and_one_colour_a_row(sources: Sources, tmp_path: Path) -> None:
    (lines,) = figures._blocks(sources).values()
    curves = [tmp_path / f"{model}.curve.csv" for model in MODELS]
    for count, curve in zip((1, 9), curves, strict=True):
        points = [{"step": step, "validation_ubrmse_k": 2} for step in range(count)]
        write_csv(curve, ("step", "validation_ubrmse_k"), points)
    # in the second block only the second row was trained, in the third none
    blocks = {
        "observed-x4": lines,
        "observed-x8": [replace(lines[0], name="untrained"), lines[1]],
        "degraded-block-x4": [replace(lines[0], name="untrained")],
    }
    figure = figures._curves_figure(Dataset(sources.data), blocks, curves)
    assert [axis.get_title() for axis in figure.axes] == ["observed-x4", "observed-x8"]
    first, second = (axis.lines for axis in figure.axes)
    assert [len(first), len(second)] == [2, 1]
    assert tuple(second[0].get_color()) == tuple(first[1].get_color())
    assert tuple(first[0].get_color()) != tuple(first[1].get_color())
    assert second[0].get_xdata().tolist() == list(range(9))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(MODELS)


def test_spectra_are_of_base_rows_and_shade_what_the_input_lacks(sources: Sources) -> None:
    dataset = Dataset(sources.data)
    (lines,) = figures._blocks(sources).values()
    variant = replace(lines[0], scores=lines[0].scores.assign(variant="wide"))
    figure = figures._spectra_figure(dataset, "observed-x4", [*lines, variant])
    above, below = figure.axes
    assert [line.get_label() for line in above.lines] == ["target", *MODELS]
    (band,) = above.patches
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((0.5, 2.0))
    # 24 cells of 1 km are the longest wave, two pixels of 250 m the shortest
    wavelength_km = np.asarray(below.lines[-1].get_xdata())
    assert (wavelength_km[0], wavelength_km[-1]) == pytest.approx((24, 0.5))
    lacks = {line.get_label(): line for line in above.lines}
    bilinear_db = 10 * np.log10(
        np.divide(lacks["bilinear"].get_ydata(), lacks["target"].get_ydata())
    )
    assert bilinear_db[wavelength_km < 2].max() < -3 < bilinear_db[0]


def row_scores(model: str, variant: str, seed: int, ubrmse_k: dict[str, float]) -> figures.Line:
    name = f"{model}-{variant}-x8-observed-s{seed}"
    scores = pd.DataFrame({"scene": list(ubrmse_k), "ubrmse_k": list(ubrmse_k.values())})
    identity = {"split": "test", "model": model, "variant": variant, "seed": seed}
    return figures.Line(name, scores.assign(**identity), {})


def test_gain_against_patch_size_averages_seeds_and_never_variants(sources: Sources) -> None:
    lines = [
        row_scores("bilinear", "base", 0, dict.fromkeys("abcde", 1.0)),
        row_scores("dctnet", "base", 0, dict.fromkeys("abcde", 0.1)),
        row_scores("dctnet", "base", 1, dict.fromkeys("edcba", 1.0)),
        row_scores("dctnet", "patch-32", 0, dict.fromkeys("abcd", 1.0) | {"e": 0.1}),
        row_scores("dctnet", "elsewhere", 0, dict.fromkeys("abcde", 9.0)),
    ]
    patches = {lines[1].name: 96, lines[2].name: 96, lines[3].name: 32}
    figure = figures._patch_size_figure(
        Dataset(sources.data), {"observed-x8": lines}, [patches], 2000
    )
    (axis,) = figure.axes
    (drawn,) = axis.containers
    points, _, (bars,) = drawn.lines
    assert points.get_xdata().tolist() == [32, 96]
    # of five scenes a draw takes the one that gains never (33 %) to three times (99.3 %)
    np.testing.assert_allclose(points.get_ydata(), [4, 10])
    ends = [bar[:, 1] for bar in bars.get_segments()]
    np.testing.assert_allclose(ends, [[0, 12], [10, 10]], atol=1e-9)
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["32", "96"]
    assert drawn.get_label() == "dctnet observed-x8, 5 test scenes"
    assert figure.get_suptitle().endswith("Intervals: 95 %, paired bootstrap over scenes.")


def test_gain_against_the_measured_cpu_seconds_of_training(sources: Sources) -> None:
    def trained(model: str, variant: str, seed: int, error_k: float, cpu_s: float) -> figures.Line:
        line = row_scores(model, variant, seed, dict.fromkeys("abcde", error_k))
        return replace(line, scores=line.scores.assign(train_cpu_s=cpu_s))

    lines = [
        trained("bilinear", "base", 0, 1.0, 0.0),
        trained("dctnet", "1800s", 0, 0.1, 1700.0),
        trained("dctnet", "300s", 0, 1.0, 290.0),
        trained("dctnet", "300s", 1, 0.1, 310.0),
        trained("unet", "300s", 0, 0.1, 400.0),
        trained("unet", "1800s", 0, 0.01, math.nan),
    ]
    steps = {line.name: 7 for line in lines if line.model == "dctnet"}
    dataset, blocks = Dataset(sources.data), {"observed-x8": lines}
    figure = figures._budgets_figure(dataset, blocks, [steps, {lines[4].name: 7}], 100)
    (axis,) = figure.axes
    first, second = (drawn.lines[0] for drawn in axis.containers)
    np.testing.assert_allclose(first.get_xydata(), [[300, 10], [1700, 20]])
    np.testing.assert_allclose(second.get_xydata(), [[400, 20]])
    labels = [drawn.get_label() for drawn in axis.containers]
    assert labels == [f"{model} observed-x8, 5 test scenes" for model in ("dctnet", "unet")]
    assert axis.get_xlabel().startswith("CPU seconds of training")
    with pytest.raises(LstsrError, match=r"unet-1800s.*has no CPU seconds.*Train the row again"):
        figures._budgets_figure(dataset, blocks, [{lines[5].name: 7}], 100)


def test_few_scenes_give_a_gain_without_an_interval(sources: Sources) -> None:
    lines = [
        row_scores("bilinear", "base", 0, dict.fromkeys("abcd", 1.0)),
        row_scores("dctnet", "base", 0, dict.fromkeys("abc", 0.1) | {"d": 1.0}),
    ]
    figure = figures._patch_size_figure(
        Dataset(sources.data), {"observed-x8": lines}, [{lines[1].name: 96}], 100
    )
    (drawn,) = figure.axes[0].containers
    points, _, (bars,) = drawn.lines
    np.testing.assert_allclose(points.get_ydata(), [15])
    assert not any(np.isfinite(bar).any() for bar in bars.get_segments())
    assert figure.get_suptitle().endswith("No interval: 4 scenes are fewer than five.")


def test_maps_show_pixels_without_data_in_the_colour_of_the_legend(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr(
        figures, "save_figure", lambda figure, path: drawn.update({path.name: figure})
    )
    draw(sources, tmp_path, 3, 100)
    figure = drawn["scenes-observed-x4.png"]
    (legend,) = figure.legends
    (entry,) = legend.get_patches()
    assert entry.get_label().startswith("no data")
    missing: dict[str, int] = {}
    for axis in figure.axes:
        for image in axis.images:
            colours = image.to_rgba(image.get_array())
            is_marked = (colours == entry.get_facecolor()).all(axis=-1)
            np.testing.assert_array_equal(
                is_marked, ~np.isfinite(np.ma.filled(image.get_array(), np.nan))
            )
            kind = axis.get_title().partition(",")[0]
            missing[kind] = missing.get(kind, 0) + int(is_marked.sum())
    assert set(missing) == {"input", "reference", *MODELS, "error", "target"}
    assert all(missing.values())
    assert missing["bilinear"] == missing["input"] * 16


def test_a_figure_of_series_is_drawn_where_asked(sources: Sources, tmp_path: Path) -> None:
    named = replace(sources, curves=(), series={"patch_size": [{"local-linear": 64}]})
    draw(named, tmp_path, 1, 100)
    made = {path.name for path in tmp_path.iterdir()}
    assert "patch_size.png" in made and not {"curves.png", "budgets.png"} & made


def test_scenes_shown_are_spread_over_the_difficulty_and_never_twice() -> None:
    for total in range(1, 9):
        scores = pd.DataFrame({"scene": [f"{n}" for n in range(total)], "ubrmse_k": range(total)})
        for count in range(1, 10):
            chosen = [int(name) for name in figures._typical(scores, count)]
            assert chosen == sorted(set(chosen)) and len(chosen) == min(count, total)
            assert abs(sum(chosen) / len(chosen) - (total - 1) / 2) <= 0.5
