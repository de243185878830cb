"""The figures of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Polygon

from lstsr.dataset.loader import Dataset, SceneArrays, scale_of
from lstsr.evaluation.pictures import Pictures, pictures_figure
from lstsr.evaluation.score import predicted_image, prediction_values, read_scores
from lstsr.files import whole
from lstsr.image import Floats
from lstsr.metrics import rapsd

matplotlib.use("Agg")
SPLIT_COLOURS = {
    "train": "#4c78a8",
    "validation": "#f2a93b",
    "test": "#d1495b",
    "dropped": "#b0b0b0",
}
LINE_COLOURS = matplotlib.colormaps["tab20"](range(20))
LST_MAP, ERROR_MAP = "inferno", "RdBu_r"
# Colour scales leave out this share of pixels at either end.
CLIPPED = 1.0
DENSITY_BINS = 120


@dataclass(frozen=True)
class Sources:
    """The files that figures are drawn from; scores and predictions in the same order."""

    data: Path
    splits: Path
    shifts: Path
    scores: Sequence[Path]
    predictions: Sequence[Path]
    curves: Sequence[Path]


@dataclass(frozen=True)
class Line:
    """One row of a block: its label, its scores by scene and where its predictions are."""

    label: str
    scores: pd.DataFrame
    predictions: Path


def draw(sources: Sources, folder: Path, scenes: int) -> None:
    """Write every figure of a run into ``folder``."""
    dataset = Dataset(sources.data)
    lst = dataset.meta.target_unit == "kelvin"
    for key, lines in _blocks(sources).items():
        names = _typical(lines[0].scores, scenes)
        if not lst:
            _save(_images_figure(dataset, key, lines, names), folder / f"before-after-{key}.png")
            continue
        _save(_scenes_figure(dataset, key, lines, names), folder / f"scenes-{key}.png")
        _save(_density_figure(dataset, key, lines), folder / f"density-{key}.png")
        _save(_spectra_figure(dataset, key, lines), folder / f"spectra-{key}.png")
    if sources.curves:
        _save(_curves_figure(sources.curves, dataset.meta.target_unit), folder / "curves.png")
    _save(_split_figure(sources.splits), folder / "split.png")
    if lst:
        _save(_shifts_figure(sources.shifts), folder / "shifts.png")


def _blocks(sources: Sources) -> dict[str, list[Line]]:
    blocks: dict[str, list[Line]] = {}
    for path, predictions in zip(sources.scores, sources.predictions, strict=True):
        scores = read_scores(path)
        first = scores.iloc[0]
        label = first.model if first.variant == "base" else f"{first.model} {first.variant}"
        label += f" s{first.seed}" if first.seed else ""
        line = Line(label, scores, predictions)
        blocks.setdefault(f"{first.track}-x{first.scale}", []).append(line)
    return blocks


def _typical(scores: pd.DataFrame, count: int) -> list[str]:
    """Scenes spread evenly over the order of difficulty, not picked by any model's success."""
    by = "ubrmse_k" if "ubrmse_k" in scores else "rmse"
    ordered = scores.sort_values(by)["scene"].tolist()
    count = min(count, len(ordered))
    return [ordered[(2 * part + 1) * len(ordered) // (2 * count)] for part in range(count)]


def _images_figure(dataset: Dataset, key: str, lines: list[Line], names: list[str]) -> Figure:
    """Per scene a row of pictures: input, every model, target."""
    rows = []
    for name in names:
        scene = dataset.scene(name, key)
        images = {
            f"{line.label}, {psnr_db:.2f} dB": predicted_image(line.predictions, name)
            for line in lines
            if not {"bilinear", "bicubic-backprojected"} & {*line.scores["model"]}
            for psnr_db in line.scores.loc[line.scores["scene"] == name, "psnr_db"]
        }
        rows.append(Pictures(f"scene {name}", scene, images))
    return pictures_figure(f"{dataset.meta.dataset} {key}", dataset.meta.target_bands, rows)


def _scenes_figure(dataset: Dataset, key: str, lines: list[Line], names: list[str]) -> Figure:
    """Per scene a row of maps (input, reference, models, target) and a row of error maps."""
    columns = len(lines) + 3
    figure = Figure(figsize=(1.9 * columns, 3.9 * len(names)), layout="constrained")
    axes = figure.subplots(2 * len(names), columns, squeeze=False)
    for index, name in enumerate(names):
        scene = dataset.scene(name, key)
        top, bottom = axes[2 * index], axes[2 * index + 1]
        fields = [prediction_values(line.predictions, name) for line in lines]
        low, high = np.percentile(scene.target[scene.scored], [CLIPPED, 100 - CLIPPED])
        errors = [_error(field, scene) for field in fields]
        spread = np.nanpercentile(np.abs(errors[0]), 100 - 2 * CLIPPED)
        _map(top[0], np.where(scene.input_valid, scene.input, np.nan), "input", low, high, LST_MAP)
        reference = np.where(scene.reference_valid, scene.reference[0], np.nan)
        title = f"reference, {dataset.meta.reference_bands[0]}"
        _map(top[1], reference, title, None, None, "gray")
        panels = zip(lines, fields, errors, top[2:-1], bottom[2:-1], strict=True)
        for line, field, error, above, below in panels:
            image = _map(above, field, line.label, low, high, LST_MAP)
            score = line.scores[line.scores["scene"] == name].iloc[0]
            title = f"error, ubRMSE {score.ubrmse_k:.2f} K"
            error_image = _map(below, error, title, -spread, spread, ERROR_MAP)
        target = np.where(scene.scored, scene.target, np.nan)
        _map(top[-1], target, "target", low, high, LST_MAP)
        for axis in (*bottom[:2], bottom[-1]):
            axis.axis("off")
        bottom[0].text(0.5, 0.5, f"scene {name}\n{key}", ha="center", va="center", fontsize=9)
        figure.colorbar(image, ax=top[-1], label="LST, K", extend="both")
        label = "model - target\nless bias, K"
        figure.colorbar(error_image, ax=bottom[-1], label=label, extend="both")
    return figure


def _error(field: Floats, scene: SceneArrays) -> Floats:
    """Prediction minus target where scored, its mean removed."""
    error = np.where(scene.scored, field - scene.target, np.nan)
    return error - np.nanmean(error)


def _map(
    axis: Axes, values: Floats, title: str, low: float | None, high: float | None, colours: str
) -> AxesImage:
    axis.set_title(title, fontsize=8)
    axis.axis("off")
    return axis.imshow(values, vmin=low, vmax=high, cmap=colours, interpolation="nearest")


def _density_figure(dataset: Dataset, key: str, lines: list[Line]) -> Figure:
    """Predicted against true anomaly of each scene, all test pixels."""
    figure = Figure(figsize=(1.2 + 2.2 * len(lines), 3.1), layout="constrained")
    axes = figure.subplots(1, len(lines), squeeze=False, sharex=True, sharey=True)[0]
    truth, predicted = _anomalies(dataset, key, lines)
    limit = np.percentile(np.abs(truth), 99.8)
    edges = np.linspace(-limit, limit, DENSITY_BINS + 1)
    densities = [np.histogram2d(values, truth, [edges, edges])[0] for values in predicted]
    panels = zip(axes, lines, predicted, densities, strict=True)
    for axis, line, values, counts in panels:
        mesh = axis.pcolormesh(edges, edges, counts, norm=LogNorm(1, np.nanmax(densities)))
        axis.plot([-limit, limit], [-limit, limit], color="white", linewidth=0.8)
        slope = np.polyfit(truth, values, 1)[0]
        axis.set_title(f"{line.label}\nslope {slope:.2f}", fontsize=8)
        axis.set_aspect("equal")
    figure.colorbar(mesh, ax=list(axes), label="pixels")
    figure.supxlabel("target less scene mean, K", fontsize=9)
    axes[0].set_ylabel("model less scene mean, K", fontsize=9)
    figure.suptitle(f"{dataset.meta.dataset} {key}", fontsize=9)
    return figure


def _anomalies(
    dataset: Dataset, key: str, lines: list[Line]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Target, and each model's prediction, less their scene means, over all scored pixels."""
    truth: list[np.ndarray] = []
    predicted: list[list[np.ndarray]] = [[] for _ in lines]
    for name in lines[0].scores["scene"]:
        scene = dataset.scene(name, key)
        target = scene.target[scene.scored]
        truth.append(target - target.mean())
        for values, line in zip(predicted, lines, strict=True):
            field = prediction_values(line.predictions, name)[scene.scored]
            values.append(field - field.mean())
    return np.concatenate(truth), [np.concatenate(values) for values in predicted]


def _spectra_figure(dataset: Dataset, key: str, lines: list[Line]) -> Figure:
    """Radially averaged power spectra, geometric mean over scenes, under the same mask."""
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.set_prop_cycle(color=LINE_COLOURS)
    names = lines[0].scores["scene"].tolist()
    scenes = [dataset.scene(name, key) for name in names]
    pixel_km = dataset.meta.target_m[key] / 1000

    def mean_spectrum(fields: list[Floats]) -> tuple[np.ndarray, np.ndarray]:
        pairs = zip(fields, scenes, strict=True)
        spectra = [rapsd(field, scene.scored) for field, scene in pairs]
        # scenes of several sizes have rings of several widths
        common = min((frequency for frequency, _ in spectra), key=len)
        levels = [np.interp(common, frequency, np.log(power)) for frequency, power in spectra]
        return common, np.exp(np.mean(levels, axis=0))

    frequency, power = mean_spectrum([scene.target for scene in scenes])
    axis.loglog(frequency / pixel_km, power, color="black", linewidth=2, label="target")
    for line in lines:
        _, power = mean_spectrum([prediction_values(line.predictions, name) for name in names])
        axis.loglog(frequency / pixel_km, power, linewidth=1, label=line.label)
    scale = scale_of(key)
    axis.axvline(0.5 / (pixel_km * scale), color="grey", linestyle=":", label="input's Nyquist")
    axis.set_xlabel("cycles per km")
    axis.set_ylabel("power, K$^2$")
    axis.set_title(f"{dataset.meta.dataset} {key}, {len(names)} scenes", fontsize=9)
    axis.legend(fontsize=7)
    return figure


def _curves_figure(curves: Sequence[Path], unit: str) -> Figure:
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.set_prop_cycle(color=LINE_COLOURS)
    for path in curves:
        curve = pd.read_csv(path)
        label = path.name.removesuffix(".curve.csv")
        axis.plot(curve["step"], curve["validation_ubrmse_k"], label=label, linewidth=1)
    axis.set_xlabel("optimiser step")
    axis.set_ylabel(f"validation ubRMSE, {unit}")
    axis.legend(fontsize=6)
    return figure


def _split_figure(splits: Path) -> Figure:
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axis = figure.subplots()
    table = pd.read_csv(splits, dtype={"scene": str})
    for name, colour in SPLIT_COLOURS.items():
        chosen = table[table["split"] == name]
        for rim in chosen["outline"]:
            points = [tuple(map(float, point.split(","))) for point in rim.split()]
            axis.add_patch(Polygon(points, facecolor=colour, alpha=0.35, edgecolor=colour))
        if len(chosen):
            axis.plot([], [], "s", color=colour, label=f"{name} ({len(chosen)})")
    axis.autoscale_view()
    axis.set_xlabel("longitude, degrees")
    axis.set_ylabel("latitude, degrees")
    axis.set_aspect(1 / np.cos(np.radians(table["lat"].mean())))
    _legend_above(axis, len(SPLIT_COLOURS))
    return figure


def _shifts_figure(shifts: Path) -> Figure:
    """How far reference and input content must move to match the target."""
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
    return figure


def _legend_above(axis: Axes, columns: int) -> None:
    """Where it hides nothing."""
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, fontsize=8)


def _save(figure: Figure, path: Path) -> None:
    with whole(path) as partial:
        figure.savefig(partial, dpi=130)
