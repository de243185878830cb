"""The plan of a run, known before anything runs: its scenes, shards, rows and figures."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lstsr.config import AcquireConfig, Config, SensorsConfig
from lstsr.errors import LstsrError
from lstsr.files import read_csv, whole
from lstsr.fingerprint import fingerprint
from lstsr.manifest import Scene, read_manifest, shard_count, shard_of
from lstsr.registry import CLASSICAL, MODELS, READERS, STEPS
from lstsr.rows import Row
from lstsr.split import check_regions

if TYPE_CHECKING:
    from lstsr.acquire.download import Remote


class Provider(NamedTuple):
    """Where the files of a run come from: the module that makes them, their folder in work."""

    module: str
    folder: str


PROVIDERS = {
    "local": Provider("lstsr.acquire.index", "data"),
    "generate": Provider("lstsr.simulate.sample", "generated"),
    "download": Provider("lstsr.acquire.download", "downloads"),
}
SERIES = {"patch_size": ("patch", "batch"), "budgets": ("steps", "validate_every", "save_every")}
"""Figures of the first key, for rows that differ only in the seed and these keys of ``train``."""


@dataclass(frozen=True)
class Stage:
    """What a stage depends on: its modules, and the sections of the config that it reads.

    A stage ``of_images`` also depends on the readers of the run's products.
    """

    modules: tuple[str, ...]
    sections: tuple[str, ...] = ()
    of_images: bool = False


STAGES = {
    "download": Stage(("lstsr.acquire.download",), ("acquire", "data")),
    "acquire": Stage(("lstsr.acquire.index",), ("acquire", "data", "sensors"), True),
    "split": Stage(("lstsr.split", "lstsr.folds"), ("split",)),
    "align": Stage(("lstsr.dataset.align",), ("sensors", "align"), True),
    "dataset": Stage(
        ("lstsr.dataset.pack", "lstsr.dataset.exclusions"),
        (
            *("dataset", "origin", "attribution", "split"),
            *("sensors", "align", "packing", "blocks"),
        ),
    ),
    "train": Stage(("lstsr.training.loop",)),
    "predict": Stage(("lstsr.predict.scenes",)),
    "evaluate": Stage(("lstsr.evaluation.score",)),
    "table": Stage(("lstsr.evaluation.table",)),
    "figures": Stage(("lstsr.evaluation.figures",), ("evaluate",)),
    "folds": Stage(("lstsr.evaluation.generalisation",)),
    "report": Stage(("lstsr.evaluation.report",)),
}


def sections(config: Config, stage: str) -> dict[str, Any]:
    """The sections of the config that a stage reads, as JSON objects."""
    return config.model_dump(mode="json", include=set(STAGES[stage].sections))


class Plan:
    """The jobs of a config and their files. Raises LstsrError for a faulty manifest or split."""

    def __init__(self, config: Config) -> None:
        """Read the manifest, or list the scenes that will be generated, and check the split."""
        self._config = config
        if config.acquire.provider != "generate":
            _check_results(config)
        if config.acquire.provider == "download":
            self._scenes = [remote.scene for remote in self._remotes]
        else:
            data, folder = Path(config.data), Path(self.folder)
            self._scenes = scenes(config.acquire, config.sensors, data, folder)
        check_regions(self._scenes, config.split)
        self.rows: dict[str, Row] = {row.name: row for row in config.rows()}

    @property
    def folder(self) -> str:
        """Folder of the provider's files."""
        return f"{self._config.results}/work/{PROVIDERS[self._config.acquire.provider].folder}"

    def settings(self, stage: str) -> str:
        """The sections of the config that a stage reads. If they change, the stage reruns."""
        return json.dumps(sections(self._config, stage))

    def code(self, stage: str, row: str | None = None) -> str:
        """Digest of the code of a stage and of the row's model. If it changes, the stage reruns."""
        return fingerprint(*self.modules(stage, row))

    def modules(self, stage: str, row: str | None = None) -> list[str]:
        """The modules that a stage runs, including those of its config, but not their imports."""
        asked, images = STAGES[stage], self._config.sensors
        values = [getattr(self._config, name) for name in asked.sections]
        parts = [value[0] if isinstance(value, list) else value for value in values]
        names = {type(part).__module__ for part in parts if not isinstance(part, str | None)}
        if asked.of_images:
            names |= {READERS[getattr(images, role).product] for role in images.roles}
        if stage == "acquire":
            names.add(PROVIDERS[self._config.acquire.provider].module)
        if row:
            names.add(MODELS[self.rows[row].model])
            if stage == "train":
                names.add(STEPS[self.rows[row].settings.adversarial is not None])
        return sorted({*asked.modules, *names})

    def row_settings(self, row: str) -> str:
        """A row as JSON. If it changes, the row reruns."""
        return json.dumps(self.rows[row].to_dict())

    @cached_property
    def shards(self) -> dict[str, list[Scene]]:
        """Name to scenes of each shard with scenes."""
        count = shard_count(len(self._scenes), self._config.shard_size)
        shards: dict[str, list[Scene]] = {}
        for scene in self._scenes:
            shards.setdefault(f"{shard_of(scene.scene, count)}-of-{count}", []).append(scene)
        return dict(sorted(shards.items()))

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
        """The series of the figures of rows that differ in one setting (`series_of`)."""
        return series_of(self.rows.values())

    @property
    def tables(self) -> list[str]:
        """Names of the tables, `table.csv` first."""
        of_lst = ["scenes_target_grid.csv", "surfaces.csv"] if self._config.task == "lst" else []
        of_folds = ["folds.csv"] if self._config.split.folds else []
        return ["table.csv", "table.md", "scenes.csv", *of_lst, *of_folds, "timings.csv"]

    def files(self, shard: str) -> list[str]:
        """The user's files of a shard, or the index of downloaded files; none if generated."""
        if self._config.acquire.provider == "generate":
            return []
        if self._config.acquire.provider == "download":
            return [f"{self.folder}/{shard}.csv"]
        return [str(file) for scene in self.shards[shard] for file in scene.files]

    def scenes_digest(self, shard: str) -> str:
        """Digest of a shard's manifest rows."""
        return _digest(self.shards[shard])

    def downloads_digest(self, shard: str) -> str:
        """Digest of a shard's files to download."""
        names = {scene.scene for scene in self.shards[shard]}
        return _digest([remote for remote in self._remotes if remote.scene.scene in names])

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
        """The file with the initial weights of a row, if any."""
        train = self.rows[row].train
        return [train.initial] if train and train.initial else []

    def checkpoints(self, row: str) -> list[str]:
        """The checkpoints that predict a row, its own or others'; none if it is classical."""
        if self.rows[row].model in CLASSICAL:
            return []
        members = self.rows[row].members
        return [f"{self._config.results}/models/{member}.safetensors" for member in members]

    def note_missing(self) -> None:
        """Write a note for each index that names a missing raster.

        Rasters are not outputs of rules, so Snakemake does not notice a loss. The rules have the
        note (`missing`) in their params: a new note reruns the job once, and then does not change.
        """
        for index, rasters in self._rasters():
            if gone := [str(raster) for raster in rasters if not os.path.exists(raster)]:
                with whole(self._note(str(index))) as partial:
                    partial.write_text(_digest([*gone, index.stat().st_mtime_ns]))

    def missing(self, index: str) -> str:
        """The note about the missing rasters of an index; empty if none was ever missing."""
        note = self._note(index)
        return note.read_text() if note.is_file() else ""

    def _note(self, index: str) -> Path:
        name = Path(index).relative_to(self._config.results).with_suffix("")
        return Path(self._config.results) / "work" / "missing" / "-".join(name.parts)

    def _rasters(self) -> Iterator[tuple[Path, list[Path]]]:
        """Every existing index of aligned or predicted scenes, and the rasters that it names."""
        results = Path(self._config.results)
        aligned = results / "work" / "aligned"
        for index in filter(Path.is_file, map(Path, self.shard_files("align"))):
            folders = {aligned / row["scene"]: row.get("files", "") for row in read_csv(index)}
            yield index, [folder / name for folder in folders for name in folders[folder].split()]
        predicted = [results / "predictions" / row / "index.csv" for row in self.rows]
        for index in filter(Path.is_file, predicted):
            yield index, [index.parent / record["file"] for record in read_csv(index)]


def _digest(rows: list[Any]) -> str:
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def series_of(rows: Iterable[Row]) -> dict[str, list[dict[str, int]]]:
    """The series of each figure in `SERIES`, for figures that have one.

    A series holds rows that differ only in the keys of `SERIES` and in the seed. It maps the name
    of a row to the value of the first key, and has at least two values.
    """
    trained = [row for row in rows if row.train]
    series = {}
    for figure, keys in SERIES.items():
        groups: dict[str, dict[str, int]] = {}
        for row in trained:
            same = asdict(row) | dict.fromkeys(("variant", "seed", "fold"))
            same["train"] |= dict.fromkeys(keys)
            group = groups.setdefault(json.dumps(same), {})
            group[row.experiment] = getattr(row.settings, keys[0])
        if parts := [group for group in groups.values() if len(set(group.values())) > 1]:
            series[figure] = parts
    return series


def _check_results(config: Config) -> None:
    """Raise LstsrError if the run's tables would replace the user's files."""
    manifest = (Path(config.data) / config.acquire.manifest).resolve()
    results = Path(config.results).resolve()
    if manifest.parent == results or results / "work" in manifest.parents:
        raise LstsrError(
            f"config key results = '{config.results}': the run would write into the folder of "
            f"your own files, such as {manifest.name}. Name another folder"
        )


def scenes(acquire: AcquireConfig, sensors: SensorsConfig, data: Path, folder: Path) -> list[Scene]:
    """Every scene of a run: from the manifest in ``data``, or as generated in ``folder``.

    Raises LstsrError for a faulty manifest.
    """
    if acquire.provider == "local":
        return read_manifest(data / acquire.manifest, sensors.roles)
    if acquire.provider == "download":
        from lstsr.acquire.download import read_remote

        return [remote.scene for remote in read_remote(data / acquire.manifest, folder)]
    from lstsr.simulate.places import image_files, names, scene_files

    generated = names(acquire.generate)
    if not sensors.alone:
        return [scene_files(name, folder, acquire.generate) for name in generated]
    product = sensors.target.product
    return [image_files(name, folder, acquire.generate, product) for name in generated]
