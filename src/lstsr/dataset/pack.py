"""Packing of aligned triplets into the dataset file, with every track's input and statistics."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from lstsr import __version__
from lstsr.dataset.align import read_triplet
from lstsr.dataset.assembly import centre_of
from lstsr.dataset.harmonise import Harmonisation, fit_harmonisation
from lstsr.dataset.history import known
from lstsr.dataset.layers import mostly
from lstsr.dataset.loader import HEADER, coarse_array, fine_array
from lstsr.dataset.tracks import CoarseInput, coarse_inputs, widened_triplet, widening
from lstsr.errors import LstsrError, SceneError
from lstsr.files import whole
from lstsr.geo.fill import fill
from lstsr.image import Triplet
from lstsr.split import SPLITS

if TYPE_CHECKING:
    from lstsr.config import Block, DatasetConfig

logger = logging.getLogger(__name__)
Tensors = dict[str, np.ndarray]
_bits = partial(np.packbits, axis=-1)  # eight pixels per byte along the rows of a mask


def pack(
    path: Path,
    folder: Path,
    splits: Mapping[str, str | tuple[str, ...]],
    dataset: str,
    blocks: list[Block],
    settings: DatasetConfig,
    config: dict[str, Any],
    wanted: Collection[str] = SPLITS,
) -> dict[str, Any]:
    """Write the scenes of ``splits``, aligned in ``folder``, to the file ``path``.

    ``splits`` holds the split of each scene, or its split in each fold. Each fold has its own
    statistics and harmonisation, from its own training scenes. If the fine pixels of a block are
    wider than the aligned ones, target and reference are averaged. The input of an observed block
    is also harmonised, if scenes have covariates.

    Returns the statistics: means and deviations of the reference over training scenes, number of
    scenes by split, wild cells (`wild_k`) by block, the harmonisation, and the scenes that are
    excluded because they have no pixel to score, with reasons (``unscored``). Raises LstsrError if
    a split of ``wanted`` has no scene left, scenes have pixels of very different size, or layer
    history is empty in all training scenes.
    """
    folds = _by_fold(splits)
    _check_splits(folds, wanted)
    harmonisations = {
        fold: fit_harmonisation(
            (read_triplet(folder, name) for name, split in chosen.items() if split == "train"),
            settings,
        )
        for fold, chosen in folds.items()
    }
    sums: dict[str, np.ndarray] = {}
    tensors: Tensors = {}
    scenes: list[dict[str, Any]] = []
    spacings_m: dict[str, float] = {}
    unscored: dict[str, str] = {}
    wild: Counter[str] = Counter()
    for name, split in splits.items():
        aligned = read_triplet(folder, name)
        try:
            arrays, inputs = _scene_arrays(aligned, blocks, settings, harmonisations)
        except SceneError as error:
            logger.warning("scene %s excluded: %s", name, error)
            unscored[name] = str(error)
            continue
        tensors |= arrays
        wild.update({block.key: inputs[block.key].wild for block in blocks})
        spacings_m[name] = aligned.target.grid.gsd_m
        sums[name] = _reference_sums(aligned)
        scenes.append(
            {
                "scene": name,
                "split" if isinstance(split, str) else "splits": split,
                "centre_k": {key: centre_of(one.values, one.valid) for key, one in inputs.items()},
                "offset_k": {key: one.offset_k for key, one in inputs.items()},
                "crs": aligned.target.grid.crs,
                "transform": list(aligned.target.grid.transform)[:6],
                "time": aligned.input.time,
            }
        )
    folds = _by_fold({name: split for name, split in splits.items() if name not in unscored})
    _check_splits(folds, wanted)
    first = read_triplet(folder, scenes[0]["scene"])
    lst = first.target.unit == "kelvin"
    fitted = [
        {
            **_reference_statistics([sums[name] for name in chosen if chosen[name] == "train"]),
            "n_scenes": dict(sorted(Counter(chosen.values()).items())),
            "harmonisation": bias.to_dict() if (bias := harmonisations[fold]) else None,
        }
        for fold, chosen in folds.items()
    ]
    statistics = {
        **(fitted[0] if None in folds else {"folds": fitted}),
        "scale_k": settings.scale_k if lst else settings.scale_reflectance,
        "wild_cells": dict(wild),
        "unscored": unscored,
    }
    fine_m = _common_spacing_m(spacings_m)
    wideners = {key: widening(key, first.scale) for key in scenes[0]["centre_k"]}
    meta = {
        "dataset": dataset,
        "origin": config["origin"],
        "version": __version__,
        "widening": wideners,
        "target_m": {key: round(fine_m * factor, 2) for key, factor in wideners.items()},
        "target_bands": list(first.target.bands),
        "target_unit": first.target.unit,
        "reference_bands": list(first.reference.bands),
        **statistics,
        "scenes": scenes,
        "config": config,
    }
    _save(path, tensors, meta)
    return statistics


def _by_fold(splits: Mapping[str, str | tuple[str, ...]]) -> dict[int | None, dict[str, str]]:
    """The split of each scene by fold. Without folds, the only key is None."""
    folds: dict[int | None, dict[str, str]] = {}
    for name, split in splits.items():
        of_scene = {None: split} if isinstance(split, str) else dict(enumerate(split))
        for fold, chosen in of_scene.items():
            folds.setdefault(fold, {})[name] = chosen
    return folds


def _check_splits(folds: Mapping[int | None, Mapping[str, str]], wanted: Collection[str]) -> None:
    for fold, splits in folds.items():
        for split in wanted:
            if split not in splits.values():
                where = "" if fold is None else f" in fold {fold}"
                raise LstsrError(
                    f"no scene of {split} is left{where}. Look up the reasons in excluded.csv"
                )


def _common_spacing_m(spacings_m: dict[str, float]) -> float:
    """The median spacing of the scenes. Raises LstsrError if one is very different.

    A degree of longitude changes with latitude, so spacings can differ slightly.
    """
    median_m = float(np.median(list(spacings_m.values())))
    for name, own_m in spacings_m.items():
        if not 1 / 1.8 < own_m / median_m < 1.8:  # otherwise it is another product
            raise LstsrError(
                f"scene {name}: its fine pixels are {own_m:.4g} m wide, but {median_m:.4g} m in "
                "other scenes. Set align.grid to bring all scenes to one grid, or remove the scene"
            )
    return median_m


def _reference_sums(triplet: Triplet) -> np.ndarray:
    """Number, sum and sum of squares of the known pixels of each reference band, (3, band)."""
    values = triplet.reference.values[:, triplet.reference.valid].astype(np.float64)
    counted = known(triplet.reference.bands, values)
    values[~counted] = 0
    return np.stack([counted.sum(axis=1), values.sum(axis=1), (values**2).sum(axis=1)])


def _reference_statistics(training: list[np.ndarray]) -> dict[str, list[float]]:
    """Mean and standard deviation of each band, from the sums of training scenes.

    Raises LstsrError if a band has no value.
    """
    count, total, squares = np.sum(training, axis=0)
    if not count.all():
        raise LstsrError(
            "align.layers: no training scene has an earlier target for layer history. Add "
            "earlier dates, raise align.history_max_age_days, or remove the layer"
        )
    mean = total / count
    std = np.sqrt(squares / count - np.square(mean))
    return {"reference_mean": mean.tolist(), "reference_std": std.tolist()}


def _scene_arrays(
    aligned: Triplet,
    blocks: list[Block],
    settings: DatasetConfig,
    harmonisations: Mapping[int | None, Harmonisation | None],
) -> tuple[Tensors, dict[str, CoarseInput]]:
    """The arrays of a scene and its inputs by track key. Raises SceneError if none is scored."""
    arrays: Tensors = {}
    inputs: dict[str, CoarseInput] = {}
    for block in blocks:
        wider = widening(block.key, aligned.scale)
        triplet = widened_triplet(aligned, wider)
        reference, target = triplet.reference, triplet.target
        image = target.values[0] if target.unit == "kelvin" else target.values
        fine: Tensors = {"target": fill(image, target.valid)}
        if reference.bands:
            fine["reference"] = fill(reference.values, reference.valid)
            fine["reference_valid"] = _bits(reference.valid)
        if triplet.water is not None:
            fine["water"] = _bits(mostly(triplet.water))
        arrays |= {fine_array(aligned.scene, wider, name): array for name, array in fine.items()}
        inputs |= coarse_inputs(triplet, block, settings, harmonisations)
    for key, coarse in inputs.items():
        arrays[coarse_array(aligned.scene, key, "input")] = coarse.values
        arrays[coarse_array(aligned.scene, key, "input_valid")] = _bits(coarse.valid)
        arrays[coarse_array(aligned.scene, key, "scored")] = _bits(coarse.scored)
    return arrays, inputs


def _save(path: Path, tensors: Tensors, meta: dict[str, Any]) -> None:
    contiguous = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    # the digest makes the headers of different datasets differ
    content = hashlib.sha256()
    for name in sorted(contiguous):
        content.update(name.encode() + contiguous[name].tobytes())
    header = json.dumps(meta | {"content_sha256": content.hexdigest()})
    with whole(path) as partial:
        save_file(contiguous, partial, metadata={HEADER: header})


def add_rows(path: Path, output: Path, rows: dict[str, Any]) -> None:
    """Copy a dataset file to ``output`` with a header that names the rows to train from it.

    ``rows`` maps a row's name to its JSON object.
    """
    with safe_open(path, "np") as file:
        meta = json.loads(file.metadata()[HEADER])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    _save(output, tensors, meta | {"rows": rows})
