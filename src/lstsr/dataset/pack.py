"""Dataset: aligned triplets become one file of arrays, with each track's input and statistics."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from lstsr import __version__
from lstsr.dataset.align import read_triplet
from lstsr.dataset.assembly import centre_of, harmonised, widened
from lstsr.dataset.harmonise import Harmonisation, Samples, fit
from lstsr.dataset.history import known
from lstsr.dataset.layers import mostly
from lstsr.errors import LstsrError, SceneError
from lstsr.files import whole
from lstsr.geo.aggregate import block_mean_t4, psf_mean_t4
from lstsr.geo.coarsen import coarsened
from lstsr.geo.fill import fill
from lstsr.image import Floats, Mask, SensorImage, Triplet
from lstsr.split import SPLITS
from lstsr.tracks import key_of

if TYPE_CHECKING:
    from lstsr.config import Block, DatasetConfig


logger = logging.getLogger(__name__)
# Pixels so many times wider or narrower belong to another product.
UNLIKE = 1.8


@dataclass(frozen=True)
class CoarseInput:
    """The input of one track: kelvin (h, w), its mask, and the fine pixels (H, W) to score.

    Of an optical image it is reflectance (B, h, w). ``offset_k`` is the scene's median of target
    minus input, ``wild`` the number of wild cells (`wild_k`).
    """

    values: Floats
    valid: Mask
    scored: Mask
    offset_k: float
    wild: int


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
    """Write the scenes of ``splits``, aligned in ``folder``, as the file ``path``.

    ``splits`` gives by scene its split, or its split in each fold. Each fold has its own statistics
    and harmonisation, from its own training scenes.

    If the fine pixels of a block are wider than the aligned ones, target and reference are
    averaged. The input of an observed block is also harmonised, if scenes have covariates.

    Returns the statistics: reference values over valid pixels of training scenes, number of scenes
    by split, wild cells (`wild_k`) left out by block, and the harmonisation. Raises LstsrError if a
    split of ``wanted`` has no scene left, a scene has no pixel to score, scenes have pixels of very
    different size, or no training scene has the history that is among the layers.
    """
    folds = _by_fold(splits)
    _check_splits(folds, wanted)
    tensors: dict[str, np.ndarray] = {}
    scenes: list[dict[str, Any]] = []
    training = {fold: ReferenceStatistics() for fold in folds}
    harmonisations = {
        fold: fit_harmonisation(
            (read_triplet(folder, name) for name, split in chosen.items() if split == "train"),
            settings,
        )
        for fold, chosen in folds.items()
    }
    wideners: dict[str, int] = {}
    wild: dict[str, int] = {}
    spacings_m: dict[str, float] = {}
    unscored: dict[str, str] = {}
    for name, split in splits.items():
        aligned = read_triplet(folder, name)
        try:
            inputs = _inputs_of(aligned, blocks, settings, harmonisations)
        except SceneError as error:
            logger.warning("scene %s excluded: %s", name, error)
            unscored[name] = str(error)
            continue
        spacings_m[name] = aligned.target.grid.gsd_m
        for fold, chosen in folds.items():
            if chosen[name] == "train":
                training[fold].add(aligned)
        centres, offsets = {}, {}
        for block in blocks:
            wider = widening(block, aligned.scale)
            tensors |= _fine_tensors(widened_triplet(aligned, wider), wider)
            wild[block.key] = wild.get(block.key, 0) + inputs[block.key][block.key].wild
            for key, coarse in inputs[block.key].items():
                tensors |= _coarse_tensors(f"{name}/{key}", coarse)
                centres[key] = centre_of(coarse.values, coarse.valid)
                offsets[key] = coarse.offset_k
                wideners[key] = wider
        found = {"centre_k": centres, "offset_k": offsets}
        named = {"scene": name, "split" if isinstance(split, str) else "splits": split}
        scenes.append(named | found | _place(aligned))
    folds = _by_fold({name: split for name, split in splits.items() if name not in unscored})
    _check_splits(folds, wanted)
    first = read_triplet(folder, scenes[0]["scene"])
    lst = first.target.unit == "kelvin"
    fitted = [
        {
            "reference_mean": training[fold].mean,
            "reference_std": training[fold].std,
            "n_scenes": dict(sorted(Counter(chosen.values()).items())),
            "harmonisation": bias.to_dict() if (bias := harmonisations[fold]) else None,
        }
        for fold, chosen in folds.items()
    ]
    statistics = {
        **(fitted[0] if None in folds else {"folds": fitted}),
        "scale_k": settings.scale_k if lst else settings.scale_reflectance,
        "wild_cells": wild,
        "unscored": unscored,
    }
    fine_m = _common_spacing_m(spacings_m)
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
    """Fold to the split of each scene; without folds the one key is None."""
    folds: dict[int | None, dict[str, str]] = {}
    for name, split in splits.items():
        one = {None: split} if isinstance(split, str) else dict(enumerate(split))
        for fold, chosen in one.items():
            folds.setdefault(fold, {})[name] = chosen
    return folds


def _check_splits(folds: Mapping[int | None, Mapping[str, str]], wanted: Collection[str]) -> None:
    """Raise LstsrError if a split of ``wanted`` has no scene."""
    for fold, splits in folds.items():
        for split in wanted:
            if split not in splits.values():
                where = "" if fold is None else f" in fold {fold}"
                raise LstsrError(f"no scene of {split} is left{where}; excluded.csv says why")


def _inputs_of(
    aligned: Triplet,
    blocks: list[Block],
    settings: DatasetConfig,
    harmonisations: Mapping[int | None, Harmonisation | None],
) -> dict[str, dict[str, CoarseInput]]:
    """By block, the inputs of a scene; SceneError where one has no pixel to score."""
    found = {}
    for block in blocks:
        triplet = widened_triplet(aligned, widening(block, aligned.scale))
        found[block.key] = coarse_inputs(triplet, block, settings, harmonisations)
        for key, coarse in found[block.key].items():
            if not coarse.scored.any():
                raise SceneError(
                    f"no pixel to score in {key}: nowhere are input, reference and target valid "
                    "together" + (", apart from water" if settings.water == "masked" else "")
                )
    return found


def _common_spacing_m(spacings_m: dict[str, float]) -> float:
    """The median spacing of the scenes. Raises LstsrError if one is very different.

    A degree of longitude changes with latitude, so spacings can differ slightly.
    """
    median_m = float(np.median(list(spacings_m.values())))
    for name, own_m in spacings_m.items():
        if not 1 / UNLIKE < own_m / median_m < UNLIKE:
            raise LstsrError(
                f"scene {name}: its fine pixels are {own_m:.4g} m wide, but {median_m:.4g} m in "
                "other scenes. Set align.grid to bring all scenes to one grid, or remove the scene"
            )
    return median_m


class ReferenceStatistics:
    """Mean and standard deviation of each reference band, accumulated scene by scene."""

    def __init__(self) -> None:
        self._count: np.ndarray | float = 0.0
        self._sum: np.ndarray | float = 0.0
        self._squares: np.ndarray | float = 0.0

    def add(self, triplet: Triplet) -> None:
        """Count the valid pixels of a training scene, of history those where it is known."""
        values = triplet.reference.values[:, triplet.reference.valid].astype(np.float64)
        there = known(triplet.reference.bands, values)
        values[~there] = 0
        self._count = self._count + there.sum(axis=1)
        self._sum = self._sum + values.sum(axis=1)
        self._squares = self._squares + (values**2).sum(axis=1)

    @property
    def mean(self) -> list[float]:
        """One value a band. Raises LstsrError if a band has no value."""
        if not np.all(self._count):
            raise LstsrError(
                "align.layers: no training scene has an earlier target for layer history. Add "
                "earlier dates, raise align.history_max_age_days, or remove the layer"
            )
        return [float(value) for value in np.atleast_1d(self._sum / self._count)]

    @property
    def std(self) -> list[float]:
        """One value a band."""
        variance = self._squares / self._count - np.square(self._sum / self._count)
        return [float(value) for value in np.atleast_1d(np.sqrt(variance))]


def widening(block: Block, aligned_scale: int) -> int:
    """How many aligned fine pixels make one of a block's along a side.

    An observed input keeps its own spacing, so a smaller scale means wider fine pixels; a degraded
    one is made from the aligned target as it is.
    """
    return aligned_scale // block.scale if block.track == "observed" else 1


def widened_triplet(triplet: Triplet, factor: int) -> Triplet:
    """``triplet`` with its fine images averaged over ``factor`` x ``factor`` valid pixels."""
    if factor == 1:
        return triplet
    reference, target = (widened(one, factor) for one in (triplet.reference, triplet.target))
    water = triplet.water and widened(triplet.water, factor)
    return replace(triplet, reference=reference, target=target, water=water)


def fit_harmonisation(training: Iterable[Triplet], settings: DatasetConfig) -> Harmonisation | None:
    """The input's correction by training scenes; None where they have no covariates.

    Its cells are valid, hold some target, and are not wild.
    """
    names: tuple[str, ...] = ()
    samples = []
    for triplet in training:
        if triplet.covariates is None:
            return None
        names = triplet.covariates.bands
        blocks, fraction = block_mean_t4(
            triplet.target.values[0], triplet.target.valid, triplet.scale
        )
        differences = blocks - triplet.input.values[0]
        cells = triplet.input.valid & (fraction >= settings.min_cell_valid)
        if cells.any():
            cells &= np.abs(differences - np.median(differences[cells])) <= settings.wild_k
        samples.append(Samples.of(triplet.covariates, differences, cells))
    return fit(names, samples)


def coarse_inputs(
    triplet: Triplet,
    block: Block,
    settings: DatasetConfig,
    harmonisations: Mapping[int | None, Harmonisation | None],
) -> dict[str, CoarseInput]:
    """The inputs of a block by their key: as it is and, of an observed one, harmonised by fold.

    All are scored on the same pixels.
    """
    plain = coarse_input(triplet, block.track, block.scale, settings)
    found = {block.key: plain}
    for fold, harmonisation in harmonisations.items():
        if harmonisation is None or block.track != "observed":
            continue
        assert triplet.covariates is not None
        corrected = harmonised(triplet.input, triplet.covariates, harmonisation)
        other = coarse_input(replace(triplet, input=corrected), block.track, block.scale, settings)
        key = key_of(block.track, block.scale, harmonised=True, fold=fold)
        found[key] = replace(other, scored=plain.scored)
    return found


def coarse_input(triplet: Triplet, track: str, scale: int, settings: DatasetConfig) -> CoarseInput:
    """The input of a track, observed or made from the target, and what is scored with it.

    Scored are fine pixels where target, reference and input are valid and the cell is not wild:
    its input minus the target's mean is within ``wild_k`` of the scene's median difference; as
    ``settings`` say, also those without a valid reference, or not those of water. Where
    ``scale`` does not divide the scene, what is left over in the south and east is left out.
    """
    if triplet.target.unit != "kelvin":
        return image_input(triplet.target, scale, settings)
    height, width = (length // scale * scale for length in triplet.target.grid.shape)
    target_k = triplet.target.values[0, :height, :width]
    target_valid = triplet.target.valid[:height, :width]
    blocks, fraction = block_mean_t4(target_k, target_valid, scale)
    if track == "observed":
        values, valid = triplet.input.values[0].astype(np.float64), triplet.input.valid
    elif track == "degraded-block":
        values, valid = blocks, fraction >= settings.min_cell_valid
    else:
        values, seen = psf_mean_t4(target_k, target_valid, scale, settings.psf_fwhm)
        valid = seen >= settings.min_cell_valid
    both = valid & (fraction > 0)
    offset_k = float(np.median((blocks - values)[both])) if both.any() else 0.0
    tame = ~both | (np.abs(blocks - values - offset_k) <= settings.wild_k)
    scored = (valid & tame).repeat(scale, 0).repeat(scale, 1) & target_valid
    if settings.without_reference == "masked":
        scored &= triplet.reference.valid[:height, :width]
    if settings.water == "masked":
        scored &= ~mostly_water(triplet)[:height, :width]
    return CoarseInput(
        fill(values.astype(np.float32), valid), valid, scored, offset_k, int((~tame).sum())
    )


def image_input(image: SensorImage, scale: int, settings: DatasetConfig) -> CoarseInput:
    """The input of an optical image, its block mean; all that is valid under a valid cell counts.

    What is left over in the south and east is left out.
    """
    coarse = coarsened(image, scale, settings.min_cell_valid)
    covered = coarse.valid.repeat(scale, 0).repeat(scale, 1)
    scored = covered & image.valid[: covered.shape[0], : covered.shape[1]]
    return CoarseInput(fill(coarse.values, coarse.valid), coarse.valid, scored, 0.0, 0)


def mostly_water(triplet: Triplet) -> Mask:
    """Fine pixels with more water than land; raises LstsrError where no one knows."""
    if triplet.water is None:
        raise LstsrError(
            f"scene {triplet.scene}: packing.water = masked needs the manifest column water"
        )
    return mostly(triplet.water)


def _fine_tensors(triplet: Triplet, wider: int) -> dict[str, np.ndarray]:
    reference, target = triplet.reference, triplet.target
    prefix = f"{triplet.scene}/fine{wider}"
    image = target.values[0] if target.unit == "kelvin" else target.values
    tensors: dict[str, np.ndarray] = {f"{prefix}/target": fill(image, target.valid)}
    if reference.bands:
        tensors[f"{prefix}/reference"] = fill(reference.values, reference.valid)
        tensors[f"{prefix}/reference_valid"] = np.packbits(reference.valid, axis=-1)
    if triplet.water is not None:
        tensors[f"{prefix}/water"] = np.packbits(mostly(triplet.water), axis=-1)
    return tensors


def _coarse_tensors(prefix: str, coarse: CoarseInput) -> dict[str, np.ndarray]:
    return {
        f"{prefix}/input": coarse.values,
        f"{prefix}/input_valid": np.packbits(coarse.valid, axis=-1),
        f"{prefix}/scored": np.packbits(coarse.scored, axis=-1),
    }


def _place(triplet: Triplet) -> dict[str, Any]:
    grid = triplet.target.grid
    return {
        "crs": grid.crs,
        "transform": list(grid.transform)[:6],
        "time": triplet.input.time,
    }


def _save(path: Path, tensors: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
    contiguous = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    # so that the header alone tells two datasets apart
    content = hashlib.sha256()
    for name in sorted(contiguous):
        content.update(name.encode() + contiguous[name].tobytes())
    header = json.dumps(meta | {"content_sha256": content.hexdigest()})
    with whole(path) as partial:
        save_file(contiguous, partial, metadata={"lstsr": header})


def add_rows(path: Path, output: Path, rows: dict[str, Any]) -> None:
    """Copy a dataset file to ``output``, naming in its header the rows that can be trained from it.

    ``rows`` maps a row's name to its JSON object.
    """
    with safe_open(path, "np") as file:
        meta = json.loads(file.metadata()["lstsr"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    _save(output, tensors, meta | {"rows": rows})
