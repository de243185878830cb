"""The table: one row per experiment, with paired gains over bilinear and local-linear."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lstsr.errors import LstsrError
from lstsr.evaluation import columns
from lstsr.evaluation.columns import has_folds, of_lst, origin_title, read_scores
from lstsr.files import whole
from lstsr.metrics import INTERVAL_SCENES, REFLECTANCE_RANGE, gain_db, paired_bootstrap

GROUP, EXPERIMENT = list(columns.BLOCK), list(columns.IDENTITY)
ROW = {"model": "{}", "variant": "{}", "seed": "{}"}
SHOWN = {
    **ROW,
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
"""Columns of the Markdown table of LST and their formats."""
IMAGE_SHOWN = {
    **ROW,
    "rmse": "{:.5f}",
    "mae": "{:.5f}",
    "bias": "{:+.5f}",
    "psnr_db": "{:.2f}",
    "ssim": "{:.4f}",
    "sam_deg": "{:.3f}",
    "parameters": "{:,}",
    "steps": "{}",
}
"""The same for optical images."""
ABOUT = (
    "LST metrics in kelvin, mean over scenes; PSNR, SSIM and MSE after mapping 240..340 K to "
    "0..255; spectrum bias: power over the target's at wavelengths that the input lacks, dB; gain: "
    "ubRMSE against bilinear, dB."
)
IMAGE_ABOUT = (
    "RMSE, MAE and bias in reflectance, over all bands; PSNR and SSIM of each band, data range "
    f"{REFLECTANCE_RANGE:g} (reflectance 0..1), averaged; SAM: mean angle between spectra, "
    "degrees; all are means over scenes. Gain: RMSE against bilinear, dB."
)


def write_tables(scores: Sequence[Path], output: Path, resamples: int) -> None:
    """Write ``table.csv`` (``output``) from the scores of all rows, and further tables beside it.

    These are ``table.md``, ``scenes.csv``, ``timings.csv`` and, for a split with folds,
    ``folds.csv``. LST also gets ``scenes_target_grid.csv`` and ``surfaces.csv``, with land and
    water apart in scenes whose water is known. ``resamples`` is the number of draws of the
    bootstrap. Raises LstsrError if rows of a block were not scored on the same scenes and pixels.
    """
    scenes = pd.concat([read_scores(path) for path in scores], ignore_index=True)
    table = tabulate(scenes, resamples)
    folder, lst = output.parent, of_lst(scenes)
    metrics = columns.METRICS if lst else columns.IMAGE_METRICS
    save_table(scenes[[*EXPERIMENT, "scene", *metrics]], folder / "scenes.csv")
    if lst:
        save_table(_on_target_grid(scenes), folder / "scenes_target_grid.csv")
        save_table(surfaces(scenes), folder / "surfaces.csv")
    if has_folds(scenes):
        save_table(by_fold(scenes, resamples), folder / "folds.csv")
    timings = scenes.groupby(EXPERIMENT, sort=False)[[*columns.TIMES]].mean().reset_index()
    save_table(timings, folder / "timings.csv")
    with whole(folder / "table.md") as partial:
        partial.write_text(markdown(table), "utf-8")
    save_table(table, output)


def save_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, rounded to 6 decimal places."""
    with whole(path) as partial:
        table.round(6).to_csv(partial, index=False)


def gains_db(scores: pd.DataFrame, baseline: pd.DataFrame) -> pd.Series:
    """Gain of the row ``scores`` over the row ``baseline``, which has all its scenes, dB.

    It compares ubRMSE, or RMSE of optical images. The index is the scenes of ``scores``.
    """
    error = "ubrmse_k" if "ubrmse_k" in scores else "rmse"
    own, base = (rows.set_index("scene")[error] for rows in (scores, baseline))
    return base.loc[own.index].combine(own, gain_db)


def interval_note(n_scenes: int) -> str:
    """One sentence on the bootstrap interval of a gain over ``n_scenes`` scenes."""
    if n_scenes >= INTERVAL_SCENES:
        return "Intervals: 95 %, paired bootstrap over scenes."
    scenes = "1 scene is" if n_scenes == 1 else f"{n_scenes} scenes are"
    return f"No interval: {scenes} fewer than five."


def about(table: pd.DataFrame) -> str:
    """Meaning of the columns, units, data range, and a note on intervals."""
    notes = dict.fromkeys(interval_note(count) for count in table["n_scenes"])
    return " ".join((ABOUT if of_lst(table) else IMAGE_ABOUT, *notes))


def _on_target_grid(scenes: pd.DataFrame) -> pd.DataFrame:
    """The scores on the target's own grid, if there are any."""
    native = scenes.dropna(subset=[f"{columns.TARGET_GRID}ubrmse_k"])
    metrics = [columns.TARGET_GRID + name for name in columns.PIXEL_METRICS]
    return native[[*EXPERIMENT, "scene", *metrics]].rename(
        columns=lambda name: name.removeprefix(columns.TARGET_GRID)
    )


def tabulate(scenes: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """One row per experiment: metrics averaged over scenes, paired mean gains with intervals.

    Folds are pooled: ``n_train`` is the fewest training scenes of a fold, ``folds`` the number of
    folds. The ends of an interval are NaN for fewer than `INTERVAL_SCENES` scenes.
    """
    for _, block in scenes.groupby(GROUP, sort=False):
        _check_block(block)
    lst = of_lst(scenes)
    metrics = columns.METRICS if lst else columns.IMAGE_METRICS
    wanted = columns.TABLE_COLUMNS if lst else columns.IMAGE_TABLE_COLUMNS
    constant = [*EXPERIMENT, *columns.SIZE, "version", *columns.SENSORS]
    rows = []
    for _, group in scenes.groupby(EXPERIMENT, sort=False):
        row = group.iloc[0][constant].to_dict()
        row |= {"n_train": group["n_train"].min(), "n_scenes": len(group)}
        row |= {name: group[name].mean() for name in metrics}
        row |= {"n_pixels": int(group["n_pixels"].sum())}
        block = scenes[(scenes[GROUP] == group[GROUP].iloc[0]).all(axis=1)]
        for name, model in _against(scenes).items():
            gains = gains_db(group, block[_is_base(block, model)])
            mean, low, high = paired_bootstrap(gains, resamples)
            row |= {f"{name}_db": mean, f"{name}_db_low": low, f"{name}_db_high": high}
            if model == "bilinear":
                row["scenes_won"] = int((gains > 0).sum())
        rows.append(row)
    table = pd.DataFrame(rows)[[*wanted]]
    if has_folds(scenes):
        table.insert(table.columns.get_loc("n_train"), "folds", scenes["fold"].nunique())
    return table


def by_fold(scenes: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """One row per experiment and fold: training scenes, scored scenes and gains."""
    tables = []
    for fold, group in scenes.groupby("fold"):
        table = tabulate(group, resamples)
        gains = [name for name in table if name.startswith("gain") or name == "scenes_won"]
        table = table[[*EXPERIMENT, "n_train", "n_scenes", *gains]]
        table.insert(len(EXPERIMENT), "fold", int(fold))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _against(scenes: pd.DataFrame) -> dict[str, str]:
    """The baselines; optical images have no reference, so local-linear does not exist."""
    return columns.AGAINST if of_lst(scenes) else {"gain": columns.AGAINST["gain"]}


def _check_block(block: pd.DataFrame) -> None:
    """Raise LstsrError unless all rows share scenes and pixels, and all baselines exist."""
    where = "{} {} {} x{}".format(*block[GROUP].iloc[0])
    first, compared = "", None
    for experiment, group in block.groupby(EXPERIMENT, sort=False):
        name = "{} {} s{}".format(*experiment[-3:])
        pixels = group.set_index("scene")["n_pixels"].sort_index()
        if compared is None:
            first, compared = name, pixels
        elif not pixels.equals(compared):
            differ = compared.index.symmetric_difference(pixels.index).tolist()
            differ = differ or pixels.index[pixels != compared].tolist()
            raise LstsrError(
                f"{where}: {name} and {first} were not scored on the same pixels "
                f"(scene {differ[0]}). Evaluate both again on one dataset"
            )
    for model in _against(block).values():
        if not _is_base(block, model).any():
            raise LstsrError(
                f"{where}: no scores of {model}, the baseline of the gains. Add its row"
            )


def _is_base(scenes: pd.DataFrame, model: str) -> pd.Series:
    return (scenes["model"] == model) & (scenes["variant"] == "base")


def surfaces(scenes: pd.DataFrame) -> pd.DataFrame:
    """One row per experiment and surface: errors averaged over the scenes that contain it."""
    parts = []
    for surface in columns.SURFACES:
        names = {f"{surface}_{name}": name for name in ("n_pixels", *columns.SURFACE_METRICS)}
        shown = scenes[scenes[f"{surface}_n_pixels"] > 0]
        scores = shown[[*EXPERIMENT, *names]].rename(columns=names)
        how = {"n_scenes": ("n_pixels", "size"), "n_pixels": ("n_pixels", "sum")}
        how |= {name: (name, "mean") for name in columns.SURFACE_METRICS}
        grouped = scores.groupby(EXPERIMENT, sort=False).agg(**how).reset_index()
        grouped.insert(len(EXPERIMENT), "surface", surface)
        parts.append(grouped)
    return pd.concat(parts, ignore_index=True)


def markdown(table: pd.DataFrame) -> str:
    """The table in Markdown: one section per block, gains with their interval if they have one."""
    parts = []
    formats = SHOWN if of_lst(table) else IMAGE_SHOWN
    for (dataset, split, track, scale), block in table.groupby(GROUP, sort=False):
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
        heads = [*formats, "gain_db", "scenes_won"]
        lines = [heads, ["---"] * len(heads)]
        for _, row in block.iterrows():
            shown = [form.format(row[name]) for name, form in formats.items()]
            gain = f"{row.gain_db:+.2f}"
            if not pd.isna(row.gain_db_low):
                gain += f" ({row.gain_db_low:+.2f} .. {row.gain_db_high:+.2f})"
            lines.append([*shown, gain, f"{row.scenes_won}/{row.n_scenes}"])
        parts += ["| " + " | ".join(line) + " |\n" for line in lines] + ["\n"]
    return "".join(parts)
