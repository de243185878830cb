"""Reading the dataset file: whole scenes or windows of them, numpy only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from lstsr.errors import LstsrError
from lstsr.tracks import Guide, scale_of

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SceneMeta:
    """What the header says of one scene.

    By track key, in kelvin, ``centre_k`` is the mean of its valid input and ``offset_k`` the median
    of target minus input over its cells. ``crs`` and ``transform`` (the six numbers of `Grid`)
    place its aligned fine grid, ``time`` is when the input was taken.
    """

    scene: str
    split: str
    centre_k: dict[str, float]
    offset_k: dict[str, float]
    crs: str
    transform: tuple[float, ...]
    time: str


@dataclass(frozen=True)
class DatasetMeta:
    """The header of a dataset file. Bands, means and deviations are per channel.

    ``target_bands`` are the bands of input and target in ``target_unit``: lst in kelvin, or the
    bands of an optical image in reflectance. All values with a name in ``_k`` have this unit.
    By track key, ``target_m`` is the spacing of the fine pixels, and ``widening`` is the number of
    aligned pixels along the side of one fine pixel.
    ``origin`` is ``simulated`` or ``observed``: the origin of the dataset's images.
    ``rows`` are the experiments that an exported file names, as JSON objects; ``harmonisation``
    is the model of the input's bias, if one was fitted.
    Splits, means, deviations and ``harmonisation`` are those of one fold, if the split has folds.
    """

    dataset: str
    origin: str
    version: str
    target_m: dict[str, float]
    widening: dict[str, int]
    target_bands: tuple[str, ...]
    target_unit: str
    reference_bands: tuple[str, ...]
    reference_mean: tuple[float, ...]
    reference_std: tuple[float, ...]
    scale_k: float
    scenes: tuple[SceneMeta, ...]
    config: dict[str, Any]
    rows: dict[str, dict[str, Any]]
    harmonisation: dict[str, Any] | None


@dataclass(frozen=True)
class SceneInputs:
    """What a network sees of a scene or a window of it: raw units, filled and finite everywhere.

    ``input`` (h, w) in kelvin, or (B, h, w) of an optical image; ``reference`` (C, H, W); the
    masks ``input_valid`` (h, w) and ``reference_valid`` (H, W) are bool. ``centre_k`` is of the
    whole scene, also in a window.
    """

    input: Floats
    input_valid: Mask
    reference: Floats
    reference_valid: Mask
    centre_k: float

    @property
    def scale(self) -> int:
        """Fine pixels along one side of a coarse cell."""
        return self.reference.shape[-1] // self.input.shape[-1]


@dataclass(frozen=True)
class SceneArrays(SceneInputs):
    """The same with the truth: ``target`` (H, W) or (B, H, W) like the input, finite everywhere.

    ``scored`` (H, W), bool, marks the pixels that enter loss and scores; ``offset_k`` is the whole
    scene's median of target minus input, which no network can know.
    """

    target: Floats
    scored: Mask
    offset_k: float


class Dataset:
    """A dataset file, opened for lazy reading.

    ``key`` names track and scale, e.g. ``observed-x4`` (`key_of`). Every method raises LstsrError
    on a scene or key that the file does not hold.
    """

    def __init__(
        self,
        path: Path,
        channels: Sequence[str] | None = None,
        guide: Guide = "own",
        fold: int | None = 0,
    ) -> None:
        """Open ``path``, of whose reference only ``channels`` are shown (default: all, in order).

        For ablations the ``guide`` may be off, which shows the mean of each channel everywhere;
        turned, which shows the scene's own turned by 180 degrees: as real, but of no use; or
        shuffled, which shows that of another place of the same split, mirrored at its edges where
        it is too small. ``fold`` chooses the splits and statistics of a file with folds; None is
        for a file without. Raises LstsrError where the file is missing, not made by the dataset
        stage, or lacks a channel or the fold.
        """
        self.path = Path(path)
        try:
            self._file = safe_open(self.path, framework="np")
        except (OSError, SafetensorError) as error:
            raise LstsrError(
                f"{path}: cannot be read as a dataset ({error}); run the dataset stage"
            ) from error
        self._names = frozenset(self._file.keys())
        self._guide = guide
        held = _read_meta(self.path, self._file.metadata(), fold)
        shown = held.reference_bands if channels is None else channels
        for name in shown:
            if name not in held.reference_bands:
                raise LstsrError(
                    f"{path}: holds no channel {name}; there are {', '.join(held.reference_bands)}"
                )
        self._channels = [held.reference_bands.index(name) for name in shown]
        self.meta = replace(
            held,
            reference_bands=tuple(shown),
            reference_mean=tuple(held.reference_mean[index] for index in self._channels),
            reference_std=tuple(held.reference_std[index] for index in self._channels),
        )
        self._scenes = {scene.scene: scene for scene in self.meta.scenes}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the file's header: names, shapes, statistics and configuration."""
        with self.path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            return hashlib.sha256(file.read(length)).hexdigest()

    def scenes(self, split: str) -> list[str]:
        """Names of the scenes of one split, in the file's order."""
        return [scene.scene for scene in self.meta.scenes if scene.split == split]

    def place(self, name: str) -> SceneMeta:
        """Where and when a scene is."""
        if name not in self._scenes:
            raise LstsrError(f"{self.path}: holds no scene {name}; scenes: {_some(self._scenes)}")
        return self._scenes[name]

    def transform(self, name: str, key: str) -> tuple[float, ...]:
        """The six numbers that map (column, row) of the scene's fine pixels to (x, y)."""
        a, b, c, d, e, f = self.place(name).transform
        wider = self.meta.widening[key]
        return a * wider, b * wider, c, d * wider, e * wider, f

    def row(self, name: str) -> dict[str, Any]:
        """A row that the file was exported with, as a JSON object."""
        if name not in self.meta.rows:
            raise LstsrError(f"{self.path}: holds no row {name}; rows: {_some(self.meta.rows)}")
        return self.meta.rows[name]

    def shape(self, name: str, key: str) -> tuple[int, int]:
        """(rows, columns) of the scene in coarse cells."""
        rows, columns = self._slice(name, key, "input").get_shape()[-2:]
        return rows, columns

    def scored(self, name: str, key: str) -> Mask:
        """(H, W): the fine pixels that enter loss and scores, without reading anything else."""
        rows, columns = self.shape(name, key)
        scale = scale_of(key)
        return self._mask(name, key, "scored", 0, 0, rows * scale, columns * scale)

    def water(self, name: str, key: str) -> Mask | None:
        """(H, W): the fine pixels that are mostly water; None where no one knows."""
        rows, columns = (length * scale_of(key) for length in self.shape(name, key))
        there = (name, f"fine{self.meta.widening[key]}", "water")
        if "/".join(there) not in self._names:
            return None
        return self._mask(*there, 0, 0, rows, columns)

    def scene(self, name: str, key: str) -> SceneArrays:
        """The whole scene."""
        return self.window(name, key, 0, 0, *self.shape(name, key))

    def window(
        self, name: str, key: str, row: int, column: int, height: int, width: int
    ) -> SceneArrays:
        """A window given in coarse cells; reads only that window of the file."""
        rows, columns = self.shape(name, key)
        if min(row, column) < 0 or row + height > rows or column + width > columns:
            raise LstsrError(
                f"{self.path}: the window of {height} x {width} coarse cells at ({row}, {column}) "
                f"leaves scene {name} of {rows} x {columns}"
            )
        coarse = (row, column, height, width)
        top, left, fine_height, fine_width = fine = tuple(c * scale_of(key) for c in coarse)
        there = (name, f"fine{self.meta.widening[key]}")
        rows_fine, columns_fine = slice(top, top + fine_height), slice(left, left + fine_width)
        reference, reference_valid = self._shown_reference(name, key, fine)
        return SceneArrays(
            input=self._slice(name, key, "input")[..., row : row + height, column : column + width],
            input_valid=self._mask(name, key, "input_valid", *coarse),
            reference=reference,
            reference_valid=reference_valid,
            target=self._slice(*there, "target")[..., rows_fine, columns_fine],
            scored=self._mask(name, key, "scored", *fine),
            centre_k=self._scenes[name].centre_k[key],
            offset_k=self._scenes[name].offset_k[key],
        )

    def _shown_reference(self, name: str, key: str, fine: tuple[int, ...]) -> tuple[Floats, Mask]:
        """Reference and mask of a fine window (row, column, height, width), as ``guide`` says.

        Wherever a guide comes from, the mask is that of the scene's own: what a row is shown must
        not decide where it gives way to its fallback.
        """
        top, left, height, width = fine
        if not self._channels:
            return np.empty((0, height, width), np.float32), np.ones((height, width), bool)
        if self._guide == "off":
            mean = np.array(self.meta.reference_mean, np.float32)[:, None, None]
            everywhere = np.ones((height, width), bool)
            return mean * everywhere, everywhere
        valid = self._mask(name, f"fine{self.meta.widening[key]}", "reference_valid", *fine)
        if self._guide == "turned":
            rows, columns = (length * scale_of(key) for length in self.shape(name, key))
            turned = rows - top - height, columns - left - width, height, width
            return self._held_reference(name, key, turned)[:, ::-1, ::-1], valid
        if self._guide == "shuffled":
            return self._shuffled_reference(name, key, fine), valid
        return self._held_reference(name, key, fine), valid

    def _held_reference(self, name: str, key: str, fine: tuple[int, ...]) -> Floats:
        """The shown channels of a fine window of a scene's reference."""
        top, left, height, width = fine
        held = self._slice(name, f"fine{self.meta.widening[key]}", "reference")
        rows, columns = slice(top, top + height), slice(left, left + width)
        # each channel by itself: a file holds more than a row is shown
        return np.concatenate([held[k : k + 1, rows, columns] for k in self._channels])

    def _shuffled_reference(self, name: str, key: str, fine: tuple[int, ...]) -> Floats:
        """The same window of a scene elsewhere, mirrored at the edges where that one is smaller."""
        other = self._elsewhere(name, key)
        rows, columns = (
            _mirrored(start, length, cells * scale_of(key))
            for start, length, cells in zip(fine[:2], fine[2:], self.shape(other, key), strict=True)
        )
        top, left = int(rows.min()), int(columns.min())
        around = top, left, int(rows.max()) - top + 1, int(columns.max()) - left + 1
        reference = self._held_reference(other, key, around)
        return reference[:, (rows - top)[:, None], columns - left]

    def _elsewhere(self, name: str, key: str) -> str:
        """Another scene of the split, from half its list away on the first that is apart."""
        here = self.place(name)
        names = self.scenes(here.split)
        first = names.index(name) + len(names) // 2
        for step in range(len(names)):
            other = names[(first + step) % len(names)]
            if self.place(other).crs != here.crs or self._apart(name, other, key):
                return other
        raise LstsrError(
            f"{self.path}: all scenes of {here.split} are of one place, guide shuffled needs two"
        )

    def _apart(self, one: str, other: str, key: str) -> bool:
        """Whether the images of two scenes share no ground."""
        (left, right), (bottom, top) = self._span(one, key)
        (left_, right_), (bottom_, top_) = self._span(other, key)
        return right <= left_ or right_ <= left or top <= bottom_ or top_ <= bottom

    def _span(self, name: str, key: str) -> tuple[list[float], list[float]]:
        """From where to where an image reaches in x and in y, metres or degrees of its grid."""
        a, _, c, _, e, f = self.transform(name, key)
        height, width = (cells * scale_of(key) for cells in self.shape(name, key))
        return sorted((c, c + a * width)), sorted((f, f + e * height))

    def _slice(self, *parts: str) -> Any:
        """The lazy tensor ``scene/.../name``."""
        name = "/".join(parts)
        if name not in self._names:
            raise LstsrError(
                f"{self.path}: holds no {name}; scenes: {_some(self._scenes)}; "
                f"keys: {_some(self._scenes.get(parts[0], self.meta.scenes[0]).centre_k)}"
            )
        return self._file.get_slice(name)

    def _mask(self, *where: Any) -> Mask:
        """A window of a mask that is packed eight pixels to a byte along its rows."""
        *parts, row, column, height, width = where
        first, last = column // 8, -(-(column + width) // 8)
        packed = self._slice(*parts)[row : row + height, first:last]
        start = column - 8 * first
        return np.unpackbits(packed, axis=-1)[:, start : start + width].astype(bool)


def _mirrored(start: int, length: int, held: int) -> NDArray[np.intp]:
    """The pixels start .. start + length of a line of ``held`` ones, mirrored at its ends."""
    steps = np.arange(start, start + length) % (2 * held)
    return np.minimum(steps, 2 * held - 1 - steps)


def _read_meta(path: Path, header: dict[str, str] | None, fold: int | None) -> DatasetMeta:
    """The typed header of a dataset file, with the splits and statistics of a fold."""
    try:
        values = _of_fold(path, json.loads((header or {})["lstsr"]), fold)
        return DatasetMeta(
            dataset=values["dataset"],
            origin=values["origin"],
            version=values["version"],
            target_m=values["target_m"],
            widening=values["widening"],
            target_bands=tuple(values["target_bands"]),
            target_unit=values["target_unit"],
            reference_bands=tuple(values["reference_bands"]),
            reference_mean=tuple(values["reference_mean"]),
            reference_std=tuple(values["reference_std"]),
            scale_k=float(values["scale_k"]),
            scenes=tuple(
                SceneMeta(
                    scene["scene"],
                    scene["split"],
                    scene["centre_k"],
                    scene["offset_k"],
                    scene["crs"],
                    tuple(scene["transform"]),
                    scene["time"],
                )
                for scene in values["scenes"]
            ),
            config=values["config"],
            rows=values.get("rows", {}),
            harmonisation=values["harmonisation"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LstsrError(
            f"{path}: the header lacks or garbles {error}; rebuild it with the dataset stage"
        ) from error


def _of_fold(path: Path, values: dict[str, Any], fold: int | None) -> dict[str, Any]:
    """The header of a file as if it had only one fold. Raises LstsrError if it lacks the fold."""
    folds = values.get("folds", [])
    if fold is None and folds:
        raise LstsrError(f"{path}: the split has {len(folds)} folds, but the row names none")
    if fold and fold >= len(folds):
        raise LstsrError(f"{path}: holds no fold {fold}; run the dataset stage with split.folds")
    if not folds:
        return values
    scenes = [scene | {"split": scene["splits"][fold]} for scene in values["scenes"]]
    return values | folds[fold] | {"scenes": scenes}


def _some(names: Any) -> str:
    """A few names for an error message."""
    listed = list(names)
    return ", ".join(listed[:6]) + (" ..." if len(listed) > 6 else "")
