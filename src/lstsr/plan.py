"""The plan of a run, known before anything runs: its scenes, shards, rows and figures."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lstsr.config import AcquireConfig, Config, Row, SensorsConfig
from lstsr.errors import LstsrError
from lstsr.manifest import Scene, read_manifest, shard_count, shard_of
from lstsr.registry import CLASSICAL, READERS
from lstsr.split import check_regions

if TYPE_CHECKING:
    from lstsr.acquire.download import Remote

MODULES = {
    "local": "lstsr.acquire.index",
    "generate": "lstsr.simulate.sample",
    "download": "lstsr.acquire.download",
}
FOLDERS = {"local": "data", "generate": "generated", "download": "downloads"}
"""Where in the work folder the files of each provider lie."""
SERIES = {
    "patch_size": ("patch", "batch"),
    "budgets": ("steps", "validate_every", "save_every"),
}
"""Figures of rows that differ only in the seed and in these keys of ``train``; the first counts."""


class Plan:
    """What the workflow asks of a config. Raises LstsrError for a faulty manifest or split."""

    def __init__(self, config: Config) -> None:
        """Read the manifest, or list the scenes that will be generated, and check the split."""
        self._config = config
        _check_results(config)
        if config.acquire.provider == "download":
            self._scenes = [one.scene for one in self._remotes]
        else:
            data, folder = Path(config.data), Path(self.folder)
            self._scenes = scenes(config.acquire, config.sensors, data, folder)
        check_regions(self._scenes, config.split)
        self.rows: dict[str, Row] = {row.name: row for row in config.rows()}

    @property
    def folder(self) -> str:
        """Where the provider leaves its files."""
        return f"{self._config.results}/work/{FOLDERS[self._config.acquire.provider]}"

    @property
    def acquire_module(self) -> str:
        """The module of the provider."""
        return MODULES[self._config.acquire.provider]

    @property
    def reader_modules(self) -> list[str]:
        """The modules that read the images."""
        sensors = self._config.sensors
        return sorted({READERS[getattr(sensors, role).product] for role in sensors.roles})

    @property
    def shards(self) -> dict[str, list[Scene]]:
        """Name to scenes, of every shard that has some."""
        count = shard_count(len(self._scenes), self._config.shard_size)
        found: dict[str, list[Scene]] = {}
        for scene in self._scenes:
            found.setdefault(f"{shard_of(scene.scene, count)}-of-{count}", []).append(scene)
        return dict(sorted(found.items()))

    @property
    def figures(self) -> list[str]:
        """Names of the figures."""
        lst = self._config.task == "lst"
        kinds = ("scenes", "density", "spectra") if lst else ("before-after",)
        per_block = [f"{kind}-{block.key}" for block in self._config.blocks for kind in kinds]
        curves = ["curves"] if self.trained else []
        return [*per_block, *curves, *self.series, "split", *(["shifts"] if lst else [])]

    @property
    def series(self) -> dict[str, list[dict[str, int]]]:
        """The series of each figure in `SERIES` that has some.

        A series gives the value of the figure's first key by name of the row. It has two values or
        more.
        """
        found = {figure: self._series(*keys) for figure, keys in SERIES.items()}
        return {figure: series for figure, series in found.items() if series}

    def _series(self, key: str, *others: str) -> list[dict[str, int]]:
        """The series of rows that differ only in ``key``, ``others`` and the seed."""
        found: dict[str, dict[str, int]] = {}
        for row in self.rows.values():
            if row.train:
                alike = row.model_copy(update={"fold": None})
                same = alike.model_dump_json(
                    exclude={"variant": True, "seed": True, "train": {key, *others}}
                )
                found.setdefault(same, {})[row.experiment] = getattr(row.train, key)
        return [series for series in found.values() if len(set(series.values())) > 1]

    @property
    def tables(self) -> list[str]:
        """Names of the tables, `table.csv` first."""
        of_lst = ["scenes_target_grid.csv", "surfaces.csv"] if self._config.task == "lst" else []
        of_folds = ["folds.csv"] if self._config.split.folds else []
        return ["table.csv", "table.md", "scenes.csv", *of_lst, *of_folds, "timings.csv"]

    def files(self, shard: str) -> list[str]:
        """The user's files of a shard, or the index of those downloaded; none if generated."""
        if self._config.acquire.provider == "generate":
            return []
        if self._config.acquire.provider == "download":
            return [f"{self.folder}/{shard}.csv"]
        return [str(file) for scene in self.shards[shard] for file in scene.files]

    def scenes_digest(self, shard: str) -> str:
        """Digest of a shard's manifest rows."""
        return hashlib.sha256(repr(self.shards[shard]).encode()).hexdigest()[:16]

    def downloads_digest(self, shard: str) -> str:
        """Digest of what is to be downloaded for a shard."""
        names = {scene.scene for scene in self.shards[shard]}
        wanted = [one for one in self._remotes if one.scene.scene in names]
        return hashlib.sha256(repr(wanted).encode()).hexdigest()[:16]

    @cached_property
    def _remotes(self) -> list[Remote]:
        """The manifest of addresses, read once for all rules and jobs."""
        from lstsr.acquire.download import read_remote

        manifest = Path(self._config.data) / self._config.acquire.manifest
        return read_remote(manifest, Path(self.folder))

    @property
    def history(self) -> list[str]:
        """The index files of all acquired scenes if layer history reads them; none otherwise."""
        return self.shard_files("acquire") if "history" in self._config.align.layers else []

    def shard_files(self, stage: str) -> list[str]:
        """The index files of a stage."""
        return [f"{self._config.results}/work/{stage}/{shard}.csv" for shard in self.shards]

    @property
    def trained(self) -> list[str]:
        """Names of the rows that are trained."""
        return [name for name, row in self.rows.items() if row.train]

    def initial(self, row: str) -> list[str]:
        """The file with the weights that the training of a row starts from, if any."""
        train = self.rows[row].train
        return [train.initial] if train and train.initial else []

    def checkpoints(self, row: str) -> list[str]:
        """The checkpoints that a row is predicted from, its own or others'; none if classical."""
        if self.rows[row].model in CLASSICAL:
            return []
        members = self.rows[row].members
        return [f"{self._config.results}/models/{member}.safetensors" for member in members]


def _check_results(config: Config) -> None:
    """Raise LstsrError if the run's tables would replace the user's files."""
    if config.acquire.provider == "generate":
        return
    manifest = (Path(config.data) / config.acquire.manifest).resolve()
    results = Path(config.results).resolve()
    if manifest.parent == results or results / "work" in manifest.parents:
        raise LstsrError(
            f"config key results = '{config.results}': the run would write into the folder of "
            f"your own files, such as {manifest.name}. Name another folder"
        )


def scenes(acquire: AcquireConfig, sensors: SensorsConfig, data: Path, folder: Path) -> list[Scene]:
    """Every scene of a run: by the manifest in ``data``, or as generated; made files in ``folder``.

    Raises LstsrError for a faulty manifest.
    """
    if acquire.provider == "local":
        return read_manifest(data / acquire.manifest, sensors.roles)
    if acquire.provider == "download":
        from lstsr.acquire.download import read_remote

        return [one.scene for one in read_remote(data / acquire.manifest, folder)]
    from lstsr.simulate.places import image_files, names, scene_files

    if not sensors.alone:
        return [scene_files(name, folder, acquire.generate) for name in names(acquire.generate)]
    return [
        image_files(name, folder, acquire.generate, sensors.target.product)
        for name in names(acquire.generate)
    ]
