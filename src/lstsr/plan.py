"""The plan of a run, known before anything runs: its scenes, shards, rows and figures."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lstsr.config import Config, Row
from lstsr.registry import CLASSICAL, READERS
from lstsr.scenes import Scene, check_regions, read_manifest, shard_count, shard_of

MODULES = {"local": "lstsr.acquire.local", "generate": "lstsr.simulate.sample"}


class Plan:
    """What the workflow asks of a config. Raises LstsrError for a faulty manifest or split."""

    def __init__(self, config: Config) -> None:
        """Read the manifest, or list the scenes that will be generated, and check the split."""
        self._config = config
        self._scenes = scenes(config, Path(config.results) / "work" / "generated")
        check_regions(self._scenes, config.split)
        self.rows: dict[str, Row] = {row.name: row for row in config.rows()}

    @property
    def acquire_module(self) -> str:
        """The module of the provider."""
        return MODULES[self._config.acquire.provider]

    @property
    def reader_modules(self) -> list[str]:
        """The modules that read the three images."""
        sensors = self._config.sensors
        images = (sensors.input, sensors.reference, sensors.target)
        return sorted({READERS[image.product] for image in images})

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
        blocks = [block.key for block in self._config.blocks]
        per_block = [f"{kind}-{key}" for key in blocks for kind in ("scenes", "density", "spectra")]
        curves = ["curves"] if any(row.train for row in self.rows.values()) else []
        patch_size = ["patch_size"] if self.patch_series else []
        return [*per_block, *curves, *patch_size, "split", "shifts"]

    @property
    def patch_series(self) -> list[dict[str, int]]:
        """Of rows that differ only in their patches (and batch, seed), name to patch; see figures.

        Each has two sides of patches at least, in fine pixels.
        """
        found: dict[str, dict[str, int]] = {}
        for row in self.rows.values():
            if row.train:
                same = row.model_dump_json(
                    exclude={"variant": True, "seed": True, "train": {"patch": True, "batch": True}}
                )
                found.setdefault(same, {})[row.name] = row.train.patch
        return [series for series in found.values() if len(set(series.values())) > 1]

    def files(self, shard: str) -> list[str]:
        """The user's files of a shard; none where they are generated."""
        if self._config.acquire.provider == "generate":
            return []
        return [str(file) for scene in self.shards[shard] for file in scene.files]

    def scenes_digest(self, shard: str) -> str:
        """Digest of a shard's manifest rows."""
        return hashlib.sha256(repr(self.shards[shard]).encode()).hexdigest()[:16]

    def shard_files(self, stage: str) -> list[str]:
        """The index files of a stage."""
        return [f"{self._config.results}/work/{stage}/{shard}.csv" for shard in self.shards]

    def checkpoint(self, row: str) -> list[str]:
        """The checkpoint of a row; none for a classical one."""
        if self.rows[row].model in CLASSICAL:
            return []
        return [f"{self._config.results}/models/{row}.safetensors"]


def scenes(config: Config, generated: Path) -> list[Scene]:
    """Every scene of a run, by manifest or, in the folder ``generated``, by the generator."""
    if config.acquire.provider == "local":
        return read_manifest(Path(config.data) / config.acquire.manifest)
    from lstsr.simulate.places import names, scene_files

    return [
        scene_files(name, generated, config.acquire.generate)
        for name in names(config.acquire.generate)
    ]
