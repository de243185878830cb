"""How real the simulated scenes look: their statistics against those of real scenes.

    python benchmarks/realism.py REAL.safetensors SIMULATED.safetensors [--figure FILE.png]

Both are dataset files of lstsr (the `dataset` stage of a run). For every scene, on its target grid:
spectral slope of LST between wavelengths of 0.75 and 16 km, correlation of NDVI and LST, standard
deviation of LST, and by how much local linear regression beats bilinear (ubRMSE, dB) in the
observed blocks. Prints medians and 10-90 % ranges.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from lstsr.dataset.loader import Dataset
from lstsr.metrics import gain_db, rapsd, ubrmse_k
from lstsr.registry import build
from lstsr.tracks import scale_of
from lstsr.training.network_io import predict_scene, scene_normalisation

WAVELENGTHS_KM = (0.75, 16.0)
COLOURS = {"real": "#4c78a8", "simulated": "#d1495b"}


@dataclass(frozen=True)
class Measured:
    """One scene's statistics by name."""

    scene: str
    values: dict[str, float]


def observed_keys(dataset: Dataset) -> list[str]:
    """The observed blocks, finest target first."""
    keys = [key for key in dataset.meta.target_m if key.startswith("observed")]
    return sorted(keys, key=lambda key: dataset.meta.target_m[key])


def measure(dataset: Dataset, name: str) -> Measured:
    """The statistics of one scene; slope, correlation and spread on its finest observed target."""
    keys = observed_keys(dataset)
    scene = dataset.scene(name, keys[0])
    ndvi = scene.reference[dataset.meta.reference_bands.index("ndvi")][scene.scored]
    lst_k = scene.target[scene.scored]
    values = {
        "spectral slope": slope(scene.target, scene.scored, dataset.meta.target_m[keys[0]] / 1000),
        "NDVI-LST correlation": float(np.corrcoef(ndvi, lst_k)[0, 1]),
        "LST deviation, K": float(lst_k.std()),
    }
    for key in keys:
        label = f"local-linear gain x{scale_of(key)}, dB"
        values[label] = local_linear_gain(dataset, name, key)
    return Measured(name, values)


def slope(lst_k: np.ndarray, valid: np.ndarray, pixel_km: float) -> float:
    """Of log power against log wavenumber."""
    frequency, power = rapsd(lst_k, valid)
    per_km = frequency / pixel_km
    short, long = WAVELENGTHS_KM
    inside = (per_km >= 1 / long) & (per_km <= 1 / short)
    return float(np.polyfit(np.log(per_km[inside]), np.log(power[inside]), 1)[0])


def local_linear_gain(dataset: Dataset, name: str, key: str) -> float:
    """Of ubRMSE over bilinear, dB."""
    scene = dataset.scene(name, key)
    normalisation = scene_normalisation(dataset, name, key)
    error = {}
    for model in ("bilinear", "local-linear"):
        network = build(model, scale_of(key), len(dataset.meta.reference_bands)).eval()
        predicted = predict_scene(network, scene, normalisation, torch.device("cpu"))
        error[model] = ubrmse_k(predicted, scene.target, scene.scored)
    return gain_db(error["bilinear"], error["local-linear"])


def table_of(path: Path) -> pd.DataFrame:
    """All scenes of a dataset file, a row each."""
    dataset = Dataset(path)
    found = [measure(dataset, scene.scene) for scene in dataset.meta.scenes]
    return pd.DataFrame([one.values for one in found], index=[one.scene for one in found])


def draw(tables: dict[str, pd.DataFrame], example: tuple[Path, str], figure_path: Path) -> None:
    """Distributions side by side, and one simulated scene."""
    shared = list(tables["real"].columns[:3])
    gains = sorted({name for table in tables.values() for name in table.columns[3:]})
    figure = Figure(figsize=(11, 6), layout="constrained")
    axes = figure.subplots(2, 4)
    for axis, name in zip(axes[0], [*shared, "gain"], strict=True):
        sets = (
            [(kind, table[name]) for kind, table in tables.items()]
            if name != "gain"
            else [
                (f"{kind}\n{gain.split()[2].rstrip(',')}", table[gain])
                for kind, table in tables.items()
                for gain in gains
                if gain in table
            ]
        )
        parts = axis.boxplot([values for _, values in sets], whis=(10, 90), patch_artist=True)
        for box, (kind, _) in zip(parts["boxes"], sets, strict=True):
            box.set_facecolor(COLOURS[kind.split()[0]])
        axis.set_xticks(range(1, len(sets) + 1), [kind for kind, _ in sets], fontsize=7)
        axis.set_title("local-linear over bilinear, dB" if name == "gain" else name, fontsize=9)
    _draw_example(axes[1], *example)
    figure.savefig(figure_path, dpi=130)


def _draw_example(axes: np.ndarray, path: Path, name: str) -> None:
    dataset = Dataset(path)
    scene = dataset.scene(name, observed_keys(dataset)[0])
    ndvi = scene.reference[dataset.meta.reference_bands.index("ndvi")]
    low, high = np.percentile(scene.target[scene.scored], [1, 99])
    lst = {"vmin": low, "vmax": high, "cmap": "inferno"}
    fine_valid, coarse_valid = scene.reference_valid, scene.input_valid
    panels = (
        (np.where(fine_valid, ndvi, np.nan), "NDVI (GOCI-II)", {"cmap": "gray"}),
        (np.where(coarse_valid, scene.input, np.nan), "LST, 2 km (GK2A)", lst),
        (np.where(scene.scored, scene.target, np.nan), "LST, 250 m (Landsat)", lst),
    )
    for axis, (values, title, options) in zip(axes, panels, strict=False):
        axis.imshow(values, interpolation="nearest", **options)
        axis.set_title(f"{title}, {name}", fontsize=9)
    for axis in axes:
        axis.axis("off")


def main() -> None:
    """Measure both sets and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("simulated", type=Path)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    tables = {kind: table_of(getattr(options, kind)) for kind in COLOURS}
    for kind, table in tables.items():
        print(f"{kind}: {len(table)} scenes")
        print(table.quantile([0.1, 0.5, 0.9]).T.assign(mean=table.mean()).round(3).to_string())
    low, high = tables["real"].quantile(0.1), tables["real"].quantile(0.9)
    for name in tables["real"].columns[:3]:
        inside = tables["simulated"][name].between(low[name], high[name]).mean()
        print(f"{name}: {inside:.0%} of the simulated scenes within the real 10-90 % range")
    if options.figure:
        example = tables["simulated"].index[len(tables["simulated"]) // 2]
        draw(tables, (options.simulated, example), options.figure)


if __name__ == "__main__":
    main()
