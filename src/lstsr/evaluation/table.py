"""The table: one row per experiment, with paired gains over bilinear and local-linear."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lstsr.errors import LstsrError
from lstsr.evaluation.score_files import (
    CELL_METRICS,
    IDENTITY,
    IMAGE_METRICS,
    METRICS,
    PIXEL_METRICS,
    SENSORS,
    SURFACE_METRICS,
    SURFACES,
    TARGET_GRID,
    TIMES,
    gains_db,
    interval_note,
    origin_title,
    read_scores,
)
from lstsr.files import whole
from lstsr.metrics import REFLECTANCE_RANGE, paired_bootstrap

BLOCK = ["dataset", "split", "track", "scale"]
EXPERIMENT = [*IDENTITY]
AGAINST = {"gain": "bilinear", "gain_over_local_linear": "local-linear"}
AVERAGED = [name for name in METRICS if name != "n_pixels"]
COLUMNS = [
    *IDENTITY,
    "n_train",
    "n_scenes",
    "n_pixels",
    *(name for name in PIXEL_METRICS if name != "n_pixels"),
    "gain_db",
    "gain_db_low",
    "gain_db_high",
    "scenes_won",
    "gain_over_local_linear_db",
    "gain_over_local_linear_db_low",
    "gain_over_local_linear_db_high",
    *CELL_METRICS,
    "parameters",
    "macs_per_pixel",
    "steps",
    "version",
    *SENSORS,
]
SHOWN = {
    "model": "{}",
    "variant": "{}",
    "seed": "{}",
    "rmse_k": "{:.3f}",
    "ubrmse_k": "{:.3f}",
    "bias_k": "{:+.3f}",
    "psnr_db": "{:.2f}",
    "ssim": "{:.3f}",
    "mse": "{:.2f}",
    "spectrum_bias_db": "{:+.1f}",
    "parameters": "{:,}",
    "steps": "{}",
}
DIGITS = 6
ABOUT = (
    "LST metrics in kelvin, mean over scenes; PSNR, SSIM and MSE after mapping 240..340 K to "
    "0..255; spectrum bias: power over the target's at wavelengths that the input lacks, dB; gain: "
    "ubRMSE against bilinear, dB."
)
IMAGE_AVERAGED = [name for name in IMAGE_METRICS if name != "n_pixels"]
IMAGE_COLUMNS = [
    *IDENTITY,
    "n_train",
    "n_scenes",
    *IMAGE_METRICS,
    "gain_db",
    "gain_db_low",
    "gain_db_high",
    "scenes_won",
    "parameters",
    "macs_per_pixel",
    "steps",
    "version",
    *SENSORS,
]
IMAGE_SHOWN = {
    "model": "{}",
    "variant": "{}",
    "seed": "{}",
    "rmse": "{:.5f}",
    "mae": "{:.5f}",
    "bias": "{:+.5f}",
    "psnr_db": "{:.2f}",
    "ssim": "{:.4f}",
    "sam_deg": "{:.3f}",
    "parameters": "{:,}",
    "steps": "{}",
}
IMAGE_ABOUT = (
    "RMSE, MAE and bias in reflectance, over all bands; PSNR and SSIM of each band, data range "
    f"{REFLECTANCE_RANGE:g} (reflectance 0..1), averaged; SAM: mean angle between spectra, "
    "degrees; all are means over scenes. Gain: RMSE against bilinear, dB."
)


def write_tables(scores: Sequence[Path], output: Path, resamples: int) -> None:
    """Write ``table.csv`` (``output``) and, beside it, ``table.md``, ``scenes.csv``,
    ``scenes_target_grid.csv``, ``surfaces.csv`` (land and water apart, where a scene's water is
    known) and ``timings.csv`` from the scores of all rows; of optical images without those on the
    target's own grid and by surface, which only LST has. A split with folds also gets
    ``folds.csv``. Raises LstsrError where rows of a block were not scored on the same scenes and
    pixels.
    """  # noqa: D205
    scenes = pd.concat([read_scores(path) for path in scores], ignore_index=True)
    table = tabulate(scenes, resamples)
    folder = output.parent
    metrics = METRICS if of_lst(scenes) else IMAGE_METRICS
    _save(scenes[[*IDENTITY, "scene", *metrics]], folder / "scenes.csv")
    if of_lst(scenes):
        _save(_on_target_grid(scenes), folder / "scenes_target_grid.csv")
        _save(surfaces(scenes), folder / "surfaces.csv")
    if has_folds(scenes):
        _save(by_fold(scenes, resamples), folder / "folds.csv")
    _save(_timings(scenes), folder / "timings.csv")
    with whole(folder / "table.md") as partial:
        partial.write_text(markdown(table), "utf-8")
    _save(table, output)


def of_lst(scores: pd.DataFrame) -> bool:
    """Whether these are scores of LST, not of optical images."""
    return "rmse_k" in scores


def has_folds(scores: pd.DataFrame) -> bool:
    """Whether these are scores of a split with folds."""
    return "fold" in scores and bool(scores["fold"].notna().all())


def about(table: pd.DataFrame) -> str:
    """Meaning of the columns, units, data range, and which gains have intervals."""
    notes = dict.fromkeys(interval_note(count) for count in table["n_scenes"])
    return " ".join((ABOUT if of_lst(table) else IMAGE_ABOUT, *notes))


def _on_target_grid(scenes: pd.DataFrame) -> pd.DataFrame:
    """The scores on the target's own grid, of those that have some."""
    native = scenes.dropna(subset=[f"{TARGET_GRID}ubrmse_k"])
    metrics = [TARGET_GRID + name for name in PIXEL_METRICS]
    return native[[*IDENTITY, "scene", *metrics]].rename(
        columns=lambda name: name.removeprefix(TARGET_GRID)
    )


def tabulate(scenes: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """One row per experiment: metrics averaged over scenes, paired mean gains with intervals.

    Folds are pooled: ``n_train`` is the fewest training scenes of a fold, ``folds`` their number.
    The ends of an interval are NaN for fewer than `INTERVAL_SCENES` scenes.
    """
    for _, block in scenes.groupby(BLOCK, sort=False):
        _check_block(block)
    lst = of_lst(scenes)
    rows = []
    for _, one in scenes.groupby(EXPERIMENT, sort=False):
        first = one.iloc[0]
        row = {name: first[name] for name in [*IDENTITY, "version", *SENSORS]}
        row |= {"n_train": one["n_train"].min()}
        row |= {name: first[name] for name in ("parameters", "macs_per_pixel", "steps")}
        row |= {"n_scenes": len(one), "n_pixels": int(one["n_pixels"].sum())}
        row |= {name: one[name].mean() for name in (AVERAGED if lst else IMAGE_AVERAGED)}
        for name, model in _against(scenes).items():
            gains = _gains(scenes, one, model)
            mean, low, high = paired_bootstrap(gains, resamples)
            row |= {f"{name}_db": mean, f"{name}_db_low": low, f"{name}_db_high": high}
            if model == "bilinear":
                row["scenes_won"] = int((gains > 0).sum())
        rows.append(row)
    table = pd.DataFrame(rows)[COLUMNS if lst else IMAGE_COLUMNS]
    if has_folds(scenes):
        table.insert(table.columns.get_loc("n_train"), "folds", scenes["fold"].nunique())
    return table


def by_fold(scenes: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """One row per experiment and fold: training scenes, scored scenes and gains."""
    tables = []
    for fold, one in scenes.groupby("fold"):
        table = tabulate(one, resamples)
        gains = [name for name in table if name.startswith("gain") or name == "scenes_won"]
        table = table[[*EXPERIMENT, "n_train", "n_scenes", *gains]]
        table.insert(len(EXPERIMENT), "fold", int(fold))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _against(scenes: pd.DataFrame) -> dict[str, str]:
    """The baselines: an optical image has no reference, so no local-linear."""
    return AGAINST if of_lst(scenes) else {"gain": AGAINST["gain"]}


def _check_block(block: pd.DataFrame) -> None:
    """Raise LstsrError unless all rows share scenes and pixels, and both baselines are there."""
    where = "{} {} {} x{}".format(*block[BLOCK].iloc[0])
    compared = None
    for experiment, one in block.groupby(EXPERIMENT, sort=False):
        name = "{} {} s{}".format(*experiment[-3:])
        pixels = one.set_index("scene")["n_pixels"].sort_index()
        if compared is None:
            first, compared = name, pixels
        elif not pixels.equals(compared):
            differ = compared.index.symmetric_difference(pixels.index).tolist()
            differ = differ or pixels.index[pixels != compared].tolist()
            raise LstsrError(
                f"{where}: {name} and {first} were not scored on the same pixels "
                f"(scene {differ[0]}); evaluate both again on one dataset"
            )
    for model in _against(block).values():
        if not _is_base(block, model).any():
            raise LstsrError(f"{where}: no scores of {model}, which gains are measured against")


def _is_base(scenes: pd.DataFrame, model: str) -> pd.Series:
    return (scenes["model"] == model) & (scenes["variant"] == "base")


def _gains(scenes: pd.DataFrame, one: pd.DataFrame, model: str) -> pd.Series:
    """Per scene, what a row gains over ``model`` within its block, dB."""
    same = (scenes[BLOCK] == one[BLOCK].iloc[0]).all(axis=1) & _is_base(scenes, model)
    return gains_db(one, scenes[same])


def surfaces(scenes: pd.DataFrame) -> pd.DataFrame:
    """One row an experiment and surface: errors averaged over the scenes that show some of it."""
    parts = []
    for surface in SURFACES:
        names = {f"{surface}_{name}": name for name in ("n_pixels", *SURFACE_METRICS)}
        there = scenes[scenes[f"{surface}_n_pixels"] > 0]
        one = there[[*EXPERIMENT, *names]].rename(columns=names)
        how = {"n_scenes": ("n_pixels", "size"), "n_pixels": ("n_pixels", "sum")}
        how |= {name: (name, "mean") for name in SURFACE_METRICS}
        grouped = one.groupby(EXPERIMENT, sort=False).agg(**how).reset_index()
        grouped.insert(len(EXPERIMENT), "surface", surface)
        parts.append(grouped)
    return pd.concat(parts, ignore_index=True)


def _timings(scenes: pd.DataFrame) -> pd.DataFrame:
    return scenes.groupby(EXPERIMENT, sort=False)[[*TIMES]].mean().reset_index()


def markdown(table: pd.DataFrame) -> str:
    """The table for readers: one section per block, gains with their interval if they have one."""
    parts = []
    columns = SHOWN if of_lst(table) else IMAGE_SHOWN
    for (dataset, split, track, scale), block in table.groupby(BLOCK, sort=False):
        first = block.iloc[0]
        by, training = "place only", f"{first.n_train} training scenes"
        if "folds" in block:
            by = f"{first.folds} regional folds"
            training = f"at least {first.n_train} training scenes in each fold"
        parts.append(
            f"### {origin_title(dataset, first.origin)}, track {track} x{scale} "
            f"({first.input_m:g} m to {first.target_m:g} m)\n\n"
            f"Input: {first.input}. Reference: {first.reference}. "
            f"Split {split}, by {by}: {first.n_scenes} scenes, {first.n_pixels:,} pixels, "
            f"grid {first.grid}; {training}. {about(block)}\n\n"
        )
        heads = [*columns, "gain_db", "scenes_won"]
        lines = [heads, ["---"] * len(heads)]
        for _, row in block.iterrows():
            shown = [form.format(row[name]) for name, form in columns.items()]
            lines.append([*shown, _gain(row), f"{row.scenes_won}/{row.n_scenes}"])
        parts += ["| " + " | ".join(line) + " |\n" for line in lines] + ["\n"]
    return "".join(parts)


def _gain(row: pd.Series) -> str:
    """The gain over bilinear, dB, and its interval if it has one."""
    if pd.isna(row.gain_db_low):
        return f"{row.gain_db:+.2f}"
    return f"{row.gain_db:+.2f} ({row.gain_db_low:+.2f} .. {row.gain_db_high:+.2f})"


def _save(table: pd.DataFrame, path: Path) -> None:
    with whole(path) as partial:
        table.round(DIGITS).to_csv(partial, index=False)
