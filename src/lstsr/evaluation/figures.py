"""The figures of a run, one function each."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Polygon
from matplotlib.ticker import LogLocator, NullLocator

from lstsr.dataset.loader import Dataset
from lstsr.errors import LstsrError
from lstsr.evaluation.columns import has_folds, origin_title, read_scores
from lstsr.evaluation.pictures import (
    CLIPPED,
    Pictures,
    no_data_legend,
    pictures_figure,
    save_figure,
    with_no_data,
)
from lstsr.evaluation.table import gains_db, interval_note
from lstsr.globe import outline_of
from lstsr.image import Floats, Mask
from lstsr.metrics import paired_bootstrap, rapsd
from lstsr.sensors import geotiff
from lstsr.tracks import scale_of

matplotlib.use("Agg")
SPLIT_COLOURS = {
    "train": "#4c78a8",
    "validation": "#f2a93b",
    "test": "#d1495b",
    "dropped": "#b0b0b0",
}
LINE_COLOURS = matplotlib.colormaps["tab20"](range(20))


@dataclass(frozen=True)
class Sources:
    """The files that figures show; scores and predictions are in the same order.

    ``series`` lists, by figure, rows that differ only in the seed and in one setting of training:
    the value of this setting by the name of the row.
    """

    data: Path
    splits: Path
    shifts: Path
    scores: Sequence[Path]
    predictions: Sequence[Path]
    curves: Sequence[Path]
    series: Mapping[str, Sequence[Mapping[str, int]]]


@dataclass(frozen=True)
class Line:
    """A row of the table with its folds pooled; ``predictions`` are index files by scene."""

    name: str
    scores: pd.DataFrame
    predictions: Mapping[str, Path]

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.scores["model"].iloc[0])

    @property
    def variant(self) -> str:
        """The variant's name."""
        return str(self.scores["variant"].iloc[0])

    @property
    def label(self) -> str:
        """Name in a legend."""
        seed = self.scores["seed"].iloc[0]
        variant = "" if self.variant == "base" else f" {self.variant}"
        return f"{self.model}{variant}" + (f" s{seed}" if seed else "")

    def image(self, scene: str) -> Floats:
        """The prediction of a scene, all bands (B, H, W)."""
        return geotiff.read_written(self.predictions[scene].parent / f"{scene}.tif").values


Blocks = Mapping[str, Sequence[Line]]
"""The rows of each track and scale."""
Series = Mapping[str, float]
"""A setting of training, or a position on the x axis, by row."""


def draw(sources: Sources, folder: Path, scenes: int, resamples: int) -> None:
    """Write every figure of a run into ``folder``.

    ``scenes`` is the number of mapped scenes per block, ``resamples`` the draws of the bootstrap.
    """
    for name, figure in _figures(sources, scenes, resamples):
        save_figure(figure, folder / f"{name}.png")


def _figures(sources: Sources, scenes: int, resamples: int) -> Iterator[tuple[str, Figure]]:
    """The figures and their names, one at a time."""
    dataset, blocks = Dataset(sources.data), _blocks(sources)
    lst = dataset.meta.target_unit == "kelvin"
    for key, lines in blocks.items():
        names = _typical(lines[0].scores, scenes)
        if lst:
            yield f"scenes-{key}", _scenes_figure(dataset, key, _base(lines), names)
            yield f"density-{key}", _density_figure(dataset, key, _base(lines))
            yield f"spectra-{key}", _spectra_figure(dataset, key, lines)
        else:
            yield f"before-after-{key}", _images_figure(dataset, key, lines, names)
    if sources.curves:
        yield "curves", _curves_figure(dataset, blocks, sources.curves)
    series_figures = {"patch_size": _patch_size_figure, "budgets": _budgets_figure}
    for name, series in sources.series.items():
        yield name, series_figures[name](dataset, blocks, series, resamples)
    yield "split", _split_figure(dataset, sources.splits)
    if lst:
        yield "shifts", _shifts_figure(dataset, sources.shifts)


def _blocks(sources: Sources) -> dict[str, list[Line]]:
    blocks: dict[str, dict[str, Line]] = {}
    for path, predictions in zip(sources.scores, sources.predictions, strict=True):
        scores = read_scores(path)
        first, name = scores.iloc[0], _without_fold(path.stem)
        indexes: dict[str, Path] = dict.fromkeys(scores["scene"], predictions)
        lines = blocks.setdefault(f"{first.track}-x{first.scale}", {})
        if name in lines:  # another fold of this row
            scores = pd.concat([lines[name].scores, scores], ignore_index=True)
            indexes = {**lines[name].predictions, **indexes}
        lines[name] = Line(name, scores, indexes)
    return {key: list(lines.values()) for key, lines in blocks.items()}


def _without_fold(row: str) -> str:
    return re.sub(r"-f\d+$", "", row)


def _title(dataset: Dataset, *parts: str) -> str:
    return ", ".join((origin_title(dataset.meta.dataset, dataset.meta.origin), *parts))


def _titled(figure: Figure, dataset: Dataset, *parts: str) -> Figure:
    figure.suptitle(_title(dataset, *parts), fontsize=9)
    return figure


def _scored_scenes(lines: Sequence[Line]) -> str:
    """Number and split of the scored scenes."""
    scores = lines[0].scores
    return f"{len(scores)} {scores['split'].iloc[0]} scenes"


def _typical(scores: pd.DataFrame, count: int) -> list[str]:
    """Scenes at even steps in the order of their errors, from easy to difficult."""
    by = "ubrmse_k" if "ubrmse_k" in scores else "rmse"
    ordered = scores.sort_values(by)["scene"].tolist()
    count = min(count, len(ordered))
    return [ordered[(2 * part + 1) * len(ordered) // (2 * count)] for part in range(count)]


def _images_figure(dataset: Dataset, key: str, lines: list[Line], names: list[str]) -> Figure:
    """One row of pictures per scene: input, every model, target."""
    rows = []
    for name in names:
        scene = dataset.scene(name, key)
        images = {
            f"{line.label}, {psnr_db:.2f} dB": line.image(name)
            for line in lines
            if not {"bilinear", "bicubic-backprojected"} & {*line.scores["model"]}
            for psnr_db in line.scores.loc[line.scores["scene"] == name, "psnr_db"]
        }
        rows.append(Pictures(f"scene {name}", scene, images))
    return pictures_figure(_title(dataset, f"track {key}"), dataset.meta.target_bands, rows)


def _scenes_figure(dataset: Dataset, key: str, lines: list[Line], names: list[str]) -> Figure:
    """Per scene one row of maps (input, reference, models, target) and one of error maps.

    All maps show no-data pixels in one colour.
    """
    columns = len(lines) + 3
    figure = Figure(figsize=(1.9 * columns, 3.9 * len(names)), layout="constrained")
    axes = figure.subplots(2 * len(names), columns, squeeze=False)
    for index, name in enumerate(names):
        scene = dataset.scene(name, key)
        top, bottom = axes[2 * index], axes[2 * index + 1]
        target = np.where(scene.scored, scene.target, np.nan)
        low, high = np.percentile(scene.target[scene.scored], [CLIPPED, 100 - CLIPPED])
        _map(top[0], np.where(scene.input_valid, scene.input, np.nan), "input", low, high)
        reference = np.where(scene.reference_valid, scene.reference[0], np.nan)
        title = f"reference, {dataset.meta.reference_bands[0]}"
        _map(top[1], reference, title, None, None, "gray")
        fields = [line.image(name)[0] for line in lines]
        errors = [field - target - np.nanmean(field - target) for field in fields]
        spread = np.nanpercentile(np.abs(errors[0]), 100 - 2 * CLIPPED)
        panels = zip(lines, fields, errors, top[2:-1], bottom[2:-1], strict=True)
        for line, field, error, above, below in panels:
            image = _map(above, field, line.label, low, high)
            score = line.scores[line.scores["scene"] == name].iloc[0]
            title = f"error, ubRMSE {score.ubrmse_k:.2f} K"
            error_image = _map(below, error, title, -spread, spread, "RdBu_r")
        _map(top[-1], target, "target", low, high)
        for axis in (*bottom[:2], bottom[-1]):
            axis.axis("off")
        bottom[0].text(0.5, 0.5, f"scene {name}\n{key}", ha="center", va="center", fontsize=9)
        figure.colorbar(image, ax=top[-1], label="LST, K", extend="both")
        label = "model - target\nwithout bias, K"
        figure.colorbar(error_image, ax=bottom[-1], label=label, extend="both")
    no_data_legend(figure)
    return _titled(figure, dataset, f"track {key}", f"{len(names)} of {_scored_scenes(lines)}")


def _map(
    axis: Axes,
    values: Floats,
    title: str,
    low: float | None,
    high: float | None,
    colours: str = "inferno",
) -> AxesImage:
    axis.set_title(title, fontsize=8)
    axis.axis("off")
    shown = with_no_data(colours)
    return axis.imshow(values, vmin=low, vmax=high, cmap=shown, interpolation="nearest")


def _density_figure(dataset: Dataset, key: str, lines: list[Line]) -> Figure:
    """Predicted against true LST without the scene means, all scored pixels."""
    figure = Figure(figsize=(1.2 + 2.2 * len(lines), 3.1), layout="constrained")
    axes = figure.subplots(1, len(lines), squeeze=False, sharex=True, sharey=True)[0]
    parts = []
    for name in lines[0].scores["scene"]:
        scene = dataset.scene(name, key)
        fields = (scene.target, *(line.image(name)[0] for line in lines))
        scored = (field[scene.scored] for field in fields)
        parts.append([values - values.mean() for values in scored])
    truth, *predicted = map(np.concatenate, zip(*parts, strict=True))
    limit = np.percentile(np.abs(truth), 99.8)
    edges = np.linspace(-limit, limit, 121)
    densities = [np.histogram2d(values, truth, [edges, edges])[0] for values in predicted]
    for axis, line, values, counts in zip(axes, lines, predicted, densities, strict=True):
        mesh = axis.pcolormesh(edges, edges, counts, norm=LogNorm(1, np.nanmax(densities)))
        axis.plot([-limit, limit], [-limit, limit], color="white", linewidth=0.8)
        slope = np.polyfit(truth, values, 1)[0]
        axis.set_title(f"{line.label}\nslope {slope:.2f}", fontsize=8)
        axis.set_aspect("equal")
    figure.colorbar(mesh, ax=list(axes), label="pixels")
    figure.supxlabel("target minus scene mean, K", fontsize=9)
    axes[0].set_ylabel("model minus scene mean, K", fontsize=9)
    return _titled(figure, dataset, f"track {key}", _scored_scenes(lines), f"{len(truth):,} pixels")


def _spectra_figure(dataset: Dataset, key: str, lines: list[Line]) -> Figure:
    """Power spectra of target and base variants, and the ratio of each variant to the target."""
    figure = Figure(figsize=(6.4, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    scenes = {name: dataset.scene(name, key) for name in lines[0].scores["scene"]}
    pixel_km, scale = dataset.meta.target_m[key] / 1000, scale_of(key)

    wavelength, target = _spectrum([(scene.target, scene.scored) for scene in scenes.values()])
    above.loglog(wavelength * pixel_km, target, color="black", linewidth=2, label="target")
    below.axhline(0, color="black", linewidth=2)
    for line, colour in zip(_base(lines), cycle(LINE_COLOURS), strict=False):
        predicted = [(line.image(name)[0], scene.scored) for name, scene in scenes.items()]
        _, power = _spectrum(predicted)
        above.plot(wavelength * pixel_km, power, color=colour, linewidth=1, label=line.label)
        difference_db = 10 * np.log10(power / target)
        below.plot(wavelength * pixel_km, difference_db, color=colour, linewidth=1)
    for axis in (above, below):
        band = axis.axvspan(2 * pixel_km, 2 * scale * pixel_km, color="grey", alpha=0.12)
    band.set_label("wavelengths that the input lacks")
    below.set_xlabel("wavelength, km")
    below.invert_xaxis()
    below.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    below.xaxis.set_major_formatter("{x:g}")
    below.xaxis.set_minor_locator(NullLocator())
    above.set_ylabel("power, K$^2$")
    below.set_ylabel("ratio to the target, dB")
    above.legend(fontsize=7)
    below.legend(handles=[band], fontsize=7, loc="lower left")
    return _titled(figure, dataset, f"track {key}", _scored_scenes(lines))


def _base(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line.variant == "base"]


def _spectrum(images: Sequence[tuple[Floats, Mask]]) -> tuple[np.ndarray, np.ndarray]:
    """Wavelength in pixels, and the geometric mean of the power of masked images, K^2."""
    spectra = [rapsd(values_k, scored) for values_k, scored in images]
    # scenes of different sizes have rings of different widths
    common = min((frequency for frequency, _ in spectra), key=len)
    levels = [np.interp(common, frequency, np.log(power)) for frequency, power in spectra]
    return 1 / common, np.exp(np.mean(levels, axis=0))


def _patch_size_figure(
    dataset: Dataset, blocks: Blocks, series: Sequence[Series], resamples: int
) -> Figure:
    """Gain against the side of the training patches."""
    # beside each other, so that no interval hides another
    beside = 1.02 ** (np.arange(len(series)) - (len(series) - 1) / 2)
    positions = [
        {name: side * factor for name, side in patches.items()}
        for patches, factor in zip(series, beside, strict=True)
    ]
    figure = _series_figure(dataset, blocks, positions, resamples, "patch and batch")
    sides = sorted({side for patches in series for side in patches.values()})
    (axis,) = figure.axes
    axis.set_xticks(sides, list(map(str, sides)))
    axis.set_xlabel("side of a training patch, fine pixels")
    return figure


def _budgets_figure(
    dataset: Dataset, blocks: Blocks, series: Sequence[Series], resamples: int
) -> Figure:
    """Gain against the measured CPU time of training. Raises LstsrError if a row has none."""
    positions: list[dict[str, float]] = []
    for steps in series:
        rows = [line for lines in blocks.values() for line in _named(lines, steps)]
        cpu_s = {row.name: float(row.scores["train_cpu_s"].mean(skipna=False)) for row in rows}
        if without := [name for name, seconds in cpu_s.items() if not seconds > 0]:
            raise LstsrError(
                f"{without[0]}: its checkpoint has no CPU seconds of training. Train the row again"
            )
        positions.append(cpu_s)
    figure = _series_figure(dataset, blocks, positions, resamples, "the number of steps")
    (axis,) = figure.axes
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_xlabel("CPU seconds of training (all threads, without validation), mean over seeds")
    return figure


def _series_figure(
    dataset: Dataset, blocks: Blocks, series: Sequence[Series], resamples: int, setting: str
) -> Figure:
    """Gain over bilinear with intervals, one line per series.

    A series maps rows to positions on the logarithmic x axis.
    """
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axis = figure.subplots()
    drawn: list[Line] = []
    for positions in series:
        key, lines = next((key, rows) for key, rows in blocks.items() if _named(rows, positions))
        bilinear = next(line for line in lines if line.label == "bilinear")
        rows = _named(lines, positions)
        points = sorted(_points(rows, bilinear, positions, resamples))
        position, gain, low, high = np.array(points).T
        label, errors = f"{rows[0].model} {key}, {_scored_scenes(lines)}", (gain - low, high - gain)
        axis.errorbar(position, gain, yerr=errors, marker="o", capsize=3, label=label)
        drawn += rows
    axis.set_xscale("log")
    axis.xaxis.set_minor_locator(NullLocator())
    axis.axhline(0, color="grey", linewidth=0.6)
    axis.set_ylabel("ubRMSE gain over bilinear, dB")
    axis.legend(fontsize=7)
    notes = " ".join(dict.fromkeys(interval_note(len(line.scores)) for line in drawn))
    return _titled(figure, dataset, f"rows that differ only in {setting}.\n{notes}")


def _named(lines: Sequence[Line], names: Container[str]) -> list[Line]:
    return [line for line in lines if line.name in names]


def _points(
    lines: Sequence[Line], bilinear: Line, positions: Series, resamples: int
) -> list[tuple[float, float, float, float]]:
    """Position, gain and ends of its interval of each variant, averaged over seeds."""
    variants: dict[str, list[Line]] = {}
    for line in lines:
        variants.setdefault(line.variant, []).append(line)
    points = []
    for seeds in variants.values():
        gains = pd.concat([gains_db(line.scores, bilinear.scores) for line in seeds])
        interval = paired_bootstrap(gains.groupby(level=0).mean(), resamples)
        points.append((float(np.mean([positions[line.name] for line in seeds])), *interval))
    return points


def _curves_figure(dataset: Dataset, blocks: Blocks, curves: Sequence[Path]) -> Figure:
    """Validation during training, one panel per block and one curve per fold of a row."""
    paths: dict[str, list[Path]] = {}
    for path in curves:
        paths.setdefault(_without_fold(path.name.removesuffix(".curve.csv")), []).append(path)
    trained = {key: _named(lines, paths) for key, lines in blocks.items()}
    panels = {key: lines for key, lines in trained.items() if lines}
    labels = dict.fromkeys(line.label for lines in panels.values() for line in lines)
    colours = dict(zip(labels, cycle(LINE_COLOURS), strict=False))  # the same in all panels
    figure = Figure(figsize=(2 + 3.4 * len(panels), 4.2), layout="constrained")
    handles = {}
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (key, lines) in zip(axes, panels.items(), strict=True):
        for line in lines:
            for path in paths[line.name]:
                curve = pd.read_csv(path)
                course = curve["step"], curve["validation_ubrmse_k"]
                (handles[line.label],) = axis.plot(*course, color=colours[line.label], linewidth=1)
        axis.set_title(key, fontsize=8)
    figure.supxlabel("optimiser step", fontsize=9)
    figure.supylabel(f"validation ubRMSE, {dataset.meta.target_unit}", fontsize=9)
    figure.legend(handles.values(), handles, loc="outside right center", fontsize=7)
    shown = f"{len(dataset.scenes('validation'))} validation scenes"
    if has_folds(next(iter(panels.values()))[0].scores):
        shown = "validation scenes of each fold"
    return _titled(figure, dataset, shown)


def _split_figure(dataset: Dataset, splits: Path) -> Figure:
    """The footprints of all scenes, coloured by their split or fold."""
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axis = figure.subplots()
    table = pd.read_csv(splits, dtype={"scene": str})
    colours: dict[str, Any] = SPLIT_COLOURS
    if "fold" in table:
        table = table[table["split"] == "test"]
        table = table.assign(split="fold " + table["fold"].astype(str))
        colours = dict(zip(table["split"].unique(), cycle(LINE_COLOURS), strict=False))
    for name, colour in colours.items():
        chosen = table[table["split"] == name]
        for points in map(outline_of, chosen["outline"]):
            axis.add_patch(Polygon(points, facecolor=colour, alpha=0.35, edgecolor=colour))
        if len(chosen):
            axis.plot([], [], "s", color=colour, label=f"{name} ({len(chosen)})")
    axis.autoscale_view()
    axis.set_xlabel("longitude, degrees")
    axis.set_ylabel("latitude, degrees")
    axis.set_aspect(1 / np.cos(np.radians(table["lat"].mean())))
    _legend_above(axis, min(len(colours), 4))
    shown = "by the fold that tests them" if "fold" in table else "of all splits"
    return _titled(figure, dataset, f"{len(table)} scenes {shown}")


def _shifts_figure(dataset: Dataset, shifts: Path) -> Figure:
    """Shifts that register reference and input to the target."""
    figure = Figure(figsize=(5, 4.6), layout="constrained")
    axis = figure.subplots()
    table = pd.read_csv(shifts)
    for role, marker in (("reference", "o"), ("input", "^")):
        moved = table.dropna(subset=[f"{role}_row"])
        if len(moved):
            row, column = moved[f"{role}_row"], moved[f"{role}_column"]
            label = (
                f"{role}: {row.mean():+.2f} +- {row.std():.2f} south, "
                f"{column.mean():+.2f} +- {column.std():.2f} east"
            )
            axis.plot(column, row, marker, markersize=4, alpha=0.7, label=label)
    axis.axhline(0, color="grey", linewidth=0.6)
    axis.axvline(0, color="grey", linewidth=0.6)
    axis.set_xlabel("shift to the target, column (east), fine pixels")
    axis.set_ylabel("row (south), fine pixels")
    axis.invert_yaxis()
    axis.set_aspect("equal")
    _legend_above(axis, 1)
    return _titled(figure, dataset, f"{len(table)} scenes of all splits")


def _legend_above(axis: Axes, columns: int) -> None:
    """Draw the legend above the axes, where it hides nothing."""
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, fontsize=8)
