"""Dependence of networks' gains on the distance to training and on the content of scenes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lstsr.dataset.loader import Dataset
from lstsr.evaluation.columns import AGAINST, origin_title, read_scores
from lstsr.evaluation.pictures import save_figure
from lstsr.evaluation.table import gains_db, save_table
from lstsr.globe import distance_km, outline_of
from lstsr.registry import CLASSICAL
from lstsr.tracks import key_of

WORST = 5
NETWORK = ["track", "scale", "model", "variant"]
GAINS = [f"{name}_db" for name in AGAINST]


def write_generalisation(
    data: Path, splits: Path, scores: Sequence[Path], figure: Path, output: Path
) -> None:
    """Write the table ``output``, worst scenes first, and the ``figure`` of a split with folds.

    ``splits`` is splits.csv, ``scores`` are the scores of all rows. The table has one line per
    network, variant and scene: gains over the baselines, dB, averaged over seeds, the distance from
    its footprint to the nearest training scene, edge to edge, and its `properties`.
    """
    scenes = pd.concat([read_scores(path) for path in scores], ignore_index=True)
    outlines = {
        row.scene: outline_of(row.outline)
        for row in pd.read_csv(splits, dtype={"scene": str}).itertuples()
    }
    gains = network_gains(scenes)
    datasets = {fold: Dataset(data, fold=fold) for fold in map(int, gains["fold"].unique())}
    contents = []
    scored = gains[["fold", "scene", "track", "scale"]].drop_duplicates()
    for fold, scene, track, scale in scored.itertuples(index=False):
        training = datasets[fold].scenes("train")
        nearest_km = min(distance_km(outlines[scene], outlines[other]) for other in training)
        content = {"scene": scene, "track": track, "scale": scale, "nearest_train_km": nearest_km}
        contents.append(content | properties(datasets[fold], scene, key_of(track, scale)))
    table = gains.merge(pd.DataFrame(contents), on=["scene", "track", "scale"], validate="m:1")
    save_table(table, output)
    meta = datasets[0].meta
    title = origin_title(meta.dataset, meta.origin)
    save_figure(draw(table, title, meta.target_unit), figure)


def network_gains(scenes: pd.DataFrame) -> pd.DataFrame:
    """Gains of each network over the baselines in each scene, dB, averaged over seeds.

    Rank 1 is the scene with the smallest gain of a network (`measure`).
    """
    parts = []
    for _, block in scenes.groupby(["track", "scale"], sort=False):
        plain = dict(list(block[block["variant"] == "base"].groupby("model")))
        bases = {f"{name}_db": plain[model] for name, model in AGAINST.items() if model in plain}
        networks = block[~block["model"].isin(CLASSICAL)]
        for _, row in networks.groupby(["model", "variant", "seed"], sort=False):
            gains = {name: row["scene"].map(gains_db(row, base)) for name, base in bases.items()}
            parts.append(row.assign(**gains))
    seeds = pd.concat(parts).groupby([*NETWORK, "scene", "fold"], sort=False)
    table = seeds[list(bases)].mean().reset_index().astype({"fold": int})
    rank = table.groupby(NETWORK)[measure(table)].rank(method="first").astype(int)
    table.insert(len(NETWORK), "rank", rank)
    ordered = [rows.sort_values("rank") for _, rows in table.groupby(NETWORK, sort=False)]
    return pd.concat(ordered, ignore_index=True)


def measure(table: pd.DataFrame) -> str:
    """The column of gains to judge by: over local-linear, or over bilinear for optical images.

    Gains over bilinear include the gain of local-linear, which also depends on the scene.
    """
    return [name for name in GAINS if name in table][-1]


def properties(dataset: Dataset, name: str, key: str) -> dict[str, float]:
    """Content of a scene over its scored pixels, as far as the dataset has the bands.

    ``target_std`` is the standard deviation of the target in its unit, averaged over bands;
    ``reference_std`` is the standard deviation of NDVI, or of the first band if there is no NDVI.
    """
    scene, bands = dataset.scene(name, key), dataset.meta.reference_bands
    content = {"target_std": float(scene.target[..., scene.scored].std(axis=-1).mean())}
    shown = scene.scored & scene.reference_valid
    if not bands or not shown.any():
        return content
    values = {band: scene.reference[index][shown] for index, band in enumerate(bands)}
    content["reference_std"] = float(values.get("ndvi", values[bands[0]]).std())
    if "ndvi" in values:
        content["ndvi_mean"] = float(values["ndvi"].mean())
    if "elevation" in values:
        content["elevation_std_m"] = float(values["elevation"].std())
    return content


def draw(table: pd.DataFrame, title: str, target_unit: str) -> Figure:
    """Gain against each property with Spearman's rank correlation, one row of panels per block.

    The five worst scenes of each network have a ring.
    """
    labels = {
        "nearest_train_km": "distance to training, km",
        "target_std": f"target deviation, {target_unit}",
        "reference_std": "reference deviation",
        "ndvi_mean": "mean NDVI",
        "elevation_std_m": "elevation deviation, m",
    }
    shown = [name for name in labels if name in table]
    blocks = table.groupby(["track", "scale"], sort=False)
    size = (2.8 * len(shown), 0.6 + 3 * len(blocks))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(blocks), len(shown), squeeze=False, sharey="row")
    for row, ((track, scale), block) in zip(axes, blocks, strict=True):
        baseline = dict(zip(GAINS, AGAINST.values(), strict=True))[measure(table)]
        row[0].set_ylabel(f"{track} x{scale}\ngain over {baseline}, dB")
        for axis, name in zip(row, shown, strict=True):
            _panel(axis, block, name)
            axis.set_xlabel(labels[name])
    n_scenes = table["scene"].nunique()
    worst = f"rings: {WORST} worst scenes of each network"
    parts = [title, f"{n_scenes} scenes in {table['fold'].nunique()} regional folds", worst]
    figure.suptitle(", ".join(parts), fontsize=9)
    return figure


def _panel(axis: Axes, block: pd.DataFrame, name: str) -> None:
    networks = block.groupby(["model", "variant"], sort=False)
    colours = cycle(colormaps["tab10"](range(10)))
    for ((model, variant), rows), colour in zip(networks, colours, strict=False):
        gain = measure(rows)
        correlation = rows[gain].corr(rows[name], method="spearman")
        label = model if variant == "base" else f"{model} {variant}"
        style = {"color": colour, "markersize": 4, "alpha": 0.7}
        axis.plot(rows[name], rows[gain], "o", label=f"{label}: {correlation:+.2f}", **style)
        worst = rows[rows["rank"] <= WORST]
        axis.plot(worst[name], worst[gain], "o", mfc="none", color=colour, markersize=8)
    axis.axhline(0, color="grey", linewidth=0.6)
    axis.legend(title="rank correlation", title_fontsize=7, fontsize=7)
