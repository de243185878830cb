"""The dataset file as training reads it: header, and whole scenes or windows, with numpy only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from lstsr.errors import LstsrError
from lstsr.tracks import Guide, scale_of

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Window = tuple[slice, slice]
HEADER = "lstsr"
"""Key of the header among the file's metadata."""


@dataclass(frozen=True)
class SceneMeta:
    """The header's entry of one scene.

    By track key, ``centre_k`` is the mean of the valid input and ``offset_k`` the median of target
    minus input over the cells, kelvin. ``crs`` and ``transform`` (the six numbers of `Grid`)
    describe the aligned fine grid; ``time`` is the time of the input.
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
    """The header of a dataset file.

    ``origin`` is ``simulated`` or ``observed``. Input and target have ``target_bands`` in
    ``target_unit``: lst in kelvin, or the bands of an optical image in reflectance. All values with
    a name in ``_k`` have this unit. By track key, ``target_m`` is the spacing of the fine pixels
    and ``widening`` the number of aligned pixels along the side of one fine pixel. ``rows`` are the
    experiments of an exported file, as JSON objects. ``harmonisation`` is the model of the input's
    bias, if one was fitted. With folds, it and splits, means and deviations belong to one fold.
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
    """Inputs of a network for a scene or a window: raw units, filled and finite everywhere.

    ``input`` (h, w) in kelvin, or (B, h, w) of an optical image; ``reference`` (C, H, W); bool
    masks ``input_valid`` (h, w) and ``reference_valid`` (H, W).
    """

    input: Floats
    input_valid: Mask
    reference: Floats
    reference_valid: Mask

    @property
    def scale(self) -> int:
        """Fine pixels along one side of a coarse cell."""
        return self.reference.shape[-1] // self.input.shape[-1]


@dataclass(frozen=True)
class SceneArrays(SceneInputs):
    """Inputs with the truth: ``target`` (H, W) or (B, H, W) like the input, finite everywhere.

    ``scored`` (H, W), bool, marks the pixels that enter loss and scores. ``offset_k`` is the whole
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
        """Open ``path`` and show ``channels`` of its reference (default: all, in order).

        The ``guide`` of an ablation is off: the mean of each channel everywhere; turned: the
        scene's own reference turned by 180 degrees; or shuffled: the reference of another place of
        the same split, mirrored at its edges if it is too small. ``fold`` chooses the splits and
        statistics of a file with folds; None is for a file without. Raises LstsrError if the file
        is missing, was not made by the dataset stage, or lacks a channel or the fold.
        """
        self.path = Path(path)
        try:
            self._file = safe_open(self.path, framework="np")
        except (OSError, SafetensorError) as error:
            raise LstsrError(
                f"{path}: cannot be read as a dataset ({error}). Run the dataset stage"
            ) from error
        self._names = frozenset(self._file.keys())
        self._guide = guide
        held = _read_meta(self.path, self._file.metadata(), fold)
        shown = held.reference_bands if channels is None else channels
        if absent := [name for name in shown if name not in held.reference_bands]:
            raise LstsrError(
                f"{path}: has no channel {absent[0]}, only {', '.join(held.reference_bands)}"
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

    def scene_meta(self, name: str) -> SceneMeta:
        """The header's entry of a scene."""
        return self._held("scene", name, self._scenes)

    def transform(self, name: str, key: str) -> tuple[float, ...]:
        """The six numbers that map (column, row) of the scene's fine pixels to (x, y)."""
        a, b, c, d, e, f = self.scene_meta(name).transform
        wider = self.meta.widening[key]
        return a * wider, b * wider, c, d * wider, e * wider, f

    def row(self, name: str) -> dict[str, Any]:
        """A row that the file was exported with, as a JSON object."""
        return self._held("row", name, self.meta.rows)

    def _held(self, kind: str, name: str, held: Mapping[str, Any]) -> Any:
        if name not in held:
            raise LstsrError(f"{self.path}: holds no {kind} {name}; {kind}s: {_some(held)}")
        return held[name]

    def shape(self, name: str, key: str) -> tuple[int, int]:
        """(rows, columns) of the scene in coarse cells."""
        rows, columns = self._array(coarse_array(name, key, "input")).get_shape()[-2:]
        return rows, columns

    def scored(self, name: str, key: str) -> Mask:
        """(H, W): the fine pixels that enter loss and scores. Reads nothing else."""
        return self._mask(coarse_array(name, key, "scored"), self._whole(name, key))

    def water(self, name: str, key: str) -> Mask | None:
        """(H, W): the fine pixels that are mostly water; None if unknown."""
        whole, array = self._whole(name, key), self._fine_array(name, key, "water")
        return self._mask(array, whole) if array in self._names else None

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
                f"exceeds scene {name} of {rows} x {columns}"
            )
        cells = slice(row, row + height), slice(column, column + width)
        pixels = _refined(cells, scale_of(key))
        reference, reference_valid = self._shown_reference(name, key, pixels)
        return SceneArrays(
            input=self._array(coarse_array(name, key, "input"))[..., *cells],
            input_valid=self._mask(coarse_array(name, key, "input_valid"), cells),
            reference=reference,
            reference_valid=reference_valid,
            target=self._array(self._fine_array(name, key, "target"))[..., *pixels],
            scored=self._mask(coarse_array(name, key, "scored"), pixels),
            offset_k=self._scenes[name].offset_k[key],
        )

    def _shown_reference(self, name: str, key: str, pixels: Window) -> tuple[Floats, Mask]:
        """Reference and mask of a fine window for this guide.

        The mask is the scene's own, so that all guides use the fallback at the same pixels.
        """
        everywhere = np.ones([side.stop - side.start for side in pixels], bool)
        if not self._channels:
            return np.empty((0, *everywhere.shape), np.float32), everywhere
        if self._guide == "off":
            mean = np.array(self.meta.reference_mean, np.float32)[:, None, None]
            return mean * everywhere, everywhere
        valid = self._mask(self._fine_array(name, key, "reference_valid"), pixels)
        if self._guide not in ("turned", "shuffled"):
            return self._reference(name, key, pixels), valid
        turned = self._guide == "turned"
        source = name if turned else self._elsewhere(name, key)
        rows, columns = (
            _mirrored(side, whole.stop, turned)
            for side, whole in zip(pixels, self._whole(source, key), strict=True)
        )
        top, left = int(rows.min()), int(columns.min())
        around = slice(top, int(rows.max()) + 1), slice(left, int(columns.max()) + 1)
        held = self._reference(source, key, around)
        return held[:, (rows - top)[:, None], columns - left], valid

    def _reference(self, name: str, key: str, pixels: Window) -> Floats:
        """The shown channels of a fine window of a scene's reference."""
        held = self._array(self._fine_array(name, key, "reference"))
        # channel by channel, because a file can hold more than a row sees
        return np.concatenate([held[k : k + 1, *pixels] for k in self._channels])

    def _elsewhere(self, name: str, key: str) -> str:
        """Another scene of the split: the first without overlap, from half the list on."""
        here = self.scene_meta(name)
        names = self.scenes(here.split)
        first = names.index(name) + len(names) // 2
        west, south, east, north = self._bounds(name, key)
        for other in names[first % len(names) :] + names[: first % len(names)]:
            left, bottom, right, top = self._bounds(other, key)
            apart = right <= west or east <= left or top <= south or north <= bottom
            if self.scene_meta(other).crs != here.crs or apart:
                return other
        raise LstsrError(
            f"{self.path}: all scenes of {here.split} show one place, but guide shuffled needs two"
        )

    def _bounds(self, name: str, key: str) -> tuple[float, float, float, float]:
        """Smallest x and y and largest x and y of an image, in units of its grid."""
        a, _, c, _, e, f = self.transform(name, key)
        rows, columns = self._whole(name, key)
        x, y = sorted((c, c + a * columns.stop)), sorted((f, f + e * rows.stop))
        return x[0], y[0], x[1], y[1]

    def _whole(self, name: str, key: str) -> Window:
        """The window of all fine pixels of a scene."""
        rows, columns = self.shape(name, key)
        return _refined((slice(0, rows), slice(0, columns)), scale_of(key))

    def _fine_array(self, name: str, key: str, array: str) -> str:
        return fine_array(name, self.meta.widening[key], array)

    def _array(self, name: str) -> Any:
        """An array of the file, read when it is sliced."""
        if name not in self._names:
            known = self._scenes.get(name.split("/")[0], self.meta.scenes[0]).centre_k
            raise LstsrError(
                f"{self.path}: holds no {name}; scenes: {_some(self._scenes)}; keys: {_some(known)}"
            )
        return self._file.get_slice(name)

    def _mask(self, name: str, window: Window) -> Mask:
        """A window of a mask that is packed eight pixels to a byte along its rows."""
        rows, columns = window
        first = columns.start // 8
        packed = self._array(name)[rows, first : -(-columns.stop // 8)]
        bits = np.unpackbits(packed, axis=-1)[:, columns.start - 8 * first :]
        return bits[:, : columns.stop - columns.start].astype(bool)


def _refined(cells: Window, scale: int) -> Window:
    rows, columns = (slice(side.start * scale, side.stop * scale) for side in cells)
    return rows, columns


def _mirrored(side: slice, length: int, turned: bool) -> NDArray[np.intp]:
    """The pixels of a side in a line of ``length``, mirrored at its ends or read from its end."""
    steps = (np.arange(side.start, side.stop) + turned * length) % (2 * length)
    return np.minimum(steps, 2 * length - 1 - steps)


def coarse_array(scene: str, key: str, name: str) -> str:
    """Name in the file of an array of one track: input, input_valid or scored."""
    return f"{scene}/{key}/{name}"


def fine_array(scene: str, widening: int, name: str) -> str:
    """Name in the file of an array of fine pixels: target, reference, reference_valid or water."""
    return f"{scene}/fine{widening}/{name}"


def _read_meta(path: Path, metadata: dict[str, str] | None, fold: int | None) -> DatasetMeta:
    """The typed header of a dataset file, with the splits and statistics of a fold."""
    try:
        values = {"rows": {}} | _of_fold(path, json.loads((metadata or {})[HEADER]), fold)
        values["scenes"] = [_typed(SceneMeta, scene) for scene in values["scenes"]]
        values["scale_k"] = float(values["scale_k"])
        meta: DatasetMeta = _typed(DatasetMeta, values)
        return meta
    except (KeyError, TypeError, ValueError) as error:
        raise LstsrError(
            f"{path}: missing or malformed header entry {error}. Rebuild it with the dataset stage"
        ) from error


def _typed(kind: type, values: Mapping[str, Any]) -> Any:
    """A JSON object as a dataclass. Lists become tuples. Raises KeyError if a field is missing."""
    held = {field.name: values[field.name] for field in fields(kind)}
    return kind(**{n: tuple(v) if isinstance(v, list) else v for n, v in held.items()})


def _of_fold(path: Path, values: dict[str, Any], fold: int | None) -> dict[str, Any]:
    """The header of a file as if it had only one fold. Raises LstsrError if it lacks the fold."""
    folds = values.get("folds", [])
    if fold is None and folds:
        raise LstsrError(f"{path}: the split has {len(folds)} folds, but the row names none")
    if fold and fold >= len(folds):
        raise LstsrError(f"{path}: holds no fold {fold}. Run the dataset stage with split.folds")
    if not folds:
        return values
    scenes = [scene | {"split": scene["splits"][fold]} for scene in values["scenes"]]
    return values | folds[fold] | {"scenes": scenes}


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:6]) + (" ..." if len(listed) > 6 else "")
