"""Earlier fine LST of the same place, as channels beside the reference.

Only targets of UTC days before the day of the input are used, never the target of the scene.
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
ANOMALY, AGE, COUNT = HISTORY


@dataclass(frozen=True)
class Earlier:
    """The target of an earlier day on the fine grid of a scene, and its age in days."""

    image: SensorImage
    age_days: float


def overlapping(acquired: Iterable[Acquired]) -> dict[str, list[Scene]]:
    """By scene, the other usable scenes whose footprints overlap its own."""
    usable = [entry for entry in acquired if not entry.reason]
    scenes = {entry.scene.scene: entry.scene for entry in usable}
    neighbours: dict[str, list[Scene]] = {name: [] for name in scenes}
    for name, other in conflicts([entry.place for entry in usable]):
        neighbours[name].append(scenes[other])
        neighbours[other].append(scenes[name])
    return neighbours


def earlier_targets(
    scenes: Iterable[Scene], reading: SensorConfig, grid: Grid, time: str, max_age_days: float
) -> list[Earlier]:
    """The targets of ``scenes`` from days before ``time``, each resampled once to ``grid``.

    They are at most ``max_age_days`` old, the oldest first. A target with unreadable content is
    left out with a warning. Raises SceneError if the input or a target has no time.
    """
    now = read_time(time)
    if now is None:
        raise SceneError("layer history: the input has no time (manifest column time, or --time)")
    earlier = []
    for scene in sorted(scenes, key=lambda scene: scene.scene):
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
                f"layer history: target {scene.target.name} has no time. Fill the manifest column "
                f"time of scene {scene.scene}"
            )
        age_days = _age_days(then, now, max_age_days)
        if age_days is not None:
            earlier.append(Earlier(resample(image, grid), age_days))
    return sorted(earlier, key=lambda target: -target.age_days)


def _age_days(then: datetime, now: datetime, max_age_days: float) -> float | None:
    """Days from ``then`` to ``now``; None if too many, or not from an earlier UTC day."""
    age_days = (now - then).total_seconds() / 86_400
    return age_days if then.date() < now.date() and age_days <= max_age_days else None


def history_layers(
    coarse: SensorImage, earlier: Sequence[Earlier], scale: int
) -> dict[str, NDArray[np.float64]]:
    """The layers of `HISTORY`, each (row, column), 0 if there is no history.

    They are the mean of ``earlier`` relative to the mean of the valid input (kelvin), the days
    since the newest target, and the number of targets. Their grid is the grid of the input
    ``coarse``, refined by ``scale``. First, each target's median difference from the input over
    common cells is subtracted: season and weather cancel out, and clouds leave no steps. A target
    without a common cell does not count.
    """
    shape = coarse.grid.refine(scale).shape
    total, age, count = (np.zeros(shape) for _ in HISTORY)
    for target in earlier:
        means = coarsened(target.image, scale)
        common = means.valid & coarse.valid
        if not common.any():
            continue
        level_k = np.median((means.values[0].astype(np.float64) - coarse.values[0])[common])
        valid = target.image.valid
        total[valid] += target.image.values[0, valid] - level_k
        age[valid] = target.age_days
        count[valid] += 1
    seen = count > 0
    if seen.any():
        centre_k = coarse.values[0, coarse.valid].mean(dtype=np.float64)
        total[seen] = total[seen] / count[seen] - centre_k
    return {ANOMALY: total, AGE: age, COUNT: count}


def known(bands: Sequence[str], values: NDArray) -> Mask:
    """Whether ``values`` (band, pixel) are known. History is known if its count is not 0."""
    mask = np.ones(values.shape, bool)
    for name in {ANOMALY, AGE}.intersection(bands):
        mask[bands.index(name)] = values[bands.index(COUNT)] > 0
    return mask


def described(earlier: Sequence[Earlier]) -> str:
    """The times of the earlier targets, for the tags of a product."""
    times = [target.image.time or f"{target.age_days:.2f} days old" for target in earlier]
    return ", ".join(times) or "none"
