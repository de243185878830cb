"""Earlier fine LST of the same place, as channels beside the reference.

Only targets of UTC days before the day of the input enter. The target of the scene never does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstsr.config import HISTORY
from lstsr.errors import SceneError
from lstsr.geo.coarsen import coarsened
from lstsr.geo.resample import meets, resample
from lstsr.grid import Grid
from lstsr.image import Mask, SensorImage
from lstsr.manifest import Scene
from lstsr.sensors.reading import read_grid, read_image
from lstsr.split import conflicts
from lstsr.times import read_time

if TYPE_CHECKING:
    from lstsr.acquire.index import Acquired
    from lstsr.config import SensorConfig

logger = logging.getLogger(__name__)
DAY_S = 86_400


@dataclass(frozen=True)
class Earlier:
    """The target of an earlier day on the fine grid of a scene, and its age in days."""

    image: SensorImage
    age_days: float


@dataclass(frozen=True)
class Past:
    """Earlier LST on a fine grid, each (row, column); all are 0 where none is known.

    ``anomaly_k`` is the mean over the earlier targets, relative to the mean of the valid input.
    ``age_days`` is the age of the newest of them and ``count`` is their number.
    """

    anomaly_k: NDArray[np.float64]
    age_days: NDArray[np.float64]
    count: NDArray[np.float64]


def overlapping(acquired: Iterable[Acquired]) -> dict[str, list[Scene]]:
    """By scene, the other usable scenes whose footprints overlap its own."""
    usable = [one for one in acquired if not one.reason]
    scenes = {one.scene.scene: one.scene for one in usable}
    found: dict[str, list[Scene]] = {name: [] for name in scenes}
    for one, other in conflicts([one.place for one in usable]):
        found[one].append(scenes[other])
        found[other].append(scenes[one])
    return found


def earlier_targets(
    scenes: Iterable[Scene], reading: SensorConfig, grid: Grid, time: str, max_age_days: float
) -> list[Earlier]:
    """The targets of ``scenes`` of days before ``time``, each resampled once to ``grid``.

    They are at most ``max_age_days`` old and in the order of their times. A target whose content
    cannot be read is left out with a warning. Raises SceneError if the input or a target has no
    time.
    """
    now = read_time(time)
    if now is None:
        raise SceneError("layer history: the input has no time (manifest column time, or --time)")
    found = []
    for scene in sorted(scenes, key=lambda one: one.scene):
        stated = read_time(scene.time)
        if stated and _age_days(stated, now, max_age_days) is None:
            continue
        try:
            if not meets(read_grid(scene.target, reading), grid):
                continue
            image = read_image(scene.target, reading, "target")
        except SceneError as error:
            logger.warning("history without scene %s: %s", scene.scene, error)
            continue
        then = read_time(image.time) or stated
        if then is None:
            raise SceneError(
                f"layer history: target {scene.target.name} states no time. Fill the manifest "
                f"column time of scene {scene.scene}"
            )
        age_days = _age_days(then, now, max_age_days)
        if age_days is not None:
            found.append(Earlier(resample(image, grid), age_days))
    return sorted(found, key=lambda one: -one.age_days)


def _age_days(then: datetime, now: datetime, max_age_days: float) -> float | None:
    """Days from ``then`` to ``now``; None unless it is an earlier UTC day within reach."""
    age_days = (now - then).total_seconds() / DAY_S
    return age_days if then.date() < now.date() and age_days <= max_age_days else None


def past_of(coarse: SensorImage, earlier: Sequence[Earlier], scale: int) -> Past:
    """The mean of ``earlier`` on the fine grid, which refines that of ``coarse`` by ``scale``.

    Each target is first brought to the level of the input ``coarse``: its median difference over
    their common cells is subtracted. So season and weather drop out, and clouds leave no steps. A
    target without a common cell does not count.
    """
    shape = coarse.grid.refine(scale).shape
    total, age, count = (np.zeros(shape) for _ in HISTORY)
    for one in earlier:
        means = coarsened(one.image, scale)
        common = means.valid & coarse.valid
        if not common.any():
            continue
        level_k = np.median((means.values[0].astype(np.float64) - coarse.values[0])[common])
        valid = one.image.valid
        total[valid] += one.image.values[0, valid] - level_k
        age[valid] = one.age_days
        count[valid] += 1
    known = count > 0
    if known.any():
        centre_k = coarse.values[0, coarse.valid].mean(dtype=np.float64)
        total[known] = total[known] / count[known] - centre_k
    return Past(total, age, count)


def known(bands: Sequence[str], values: NDArray) -> Mask:
    """Where each channel of ``values`` (band, pixel) is known: history if its count is not 0."""
    found = np.ones(values.shape, bool)
    anomaly, age, count = HISTORY
    for name in {anomaly, age}.intersection(bands):
        found[bands.index(name)] = values[bands.index(count)] > 0
    return found


def described(earlier: Sequence[Earlier]) -> str:
    """The times of the earlier targets, for the tags of a product."""
    return ", ".join(one.image.time or f"{one.age_days:.2f} days old" for one in earlier) or "none"
