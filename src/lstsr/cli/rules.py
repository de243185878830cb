"""The commands that the rules of the workflow call."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lstsr.cli.options import CONFIG, command, gigabytes, option, path, values_of
from lstsr.errors import LstsrError

if TYPE_CHECKING:
    from lstsr.rows import Row

logger = logging.getLogger("lstsr")
SHARD = (
    CONFIG,
    option("--shard", "NUMBER-of-COUNT", required=True),
    path("folder", "folder of the scenes' files"),
    path("output", "index (CSV) to write"),
)
ROW = (
    path("data", "dataset file"),
    option("--row", "name of the row", required=True, metavar="NAME"),
    option("--config", "configuration with this row (default: the exported dataset)", type=Path),
)


@command(*SHARD, option("--max-gb", "stop before the files exceed this size", type=gigabytes))
def download(options: argparse.Namespace) -> None:
    """Download the files of one shard's scenes. Continue where an earlier attempt stopped."""
    from lstsr.acquire import download as files
    from lstsr.config import load
    from lstsr.transfer.fetch import GB

    config = load(options.config)
    manifest = Path(config.data) / config.acquire.manifest
    limit = None if options.max_gb is None else int(options.max_gb * GB)
    # Workload managers end a job by this signal. As on Ctrl-C, threads end and partial files stay.
    signal.signal(signal.SIGTERM, _terminate)
    remotes = files.read_remote(manifest, options.folder)
    mine = [remote for remote in remotes if _in_shard(remote.scene.scene, options.shard)]
    files.download(mine, options.folder, options.output, limit)


def _terminate(number: int, _: object) -> NoReturn:
    """End the program with the exit status that a shell gives to a signal."""
    print("lstsr: terminated", file=sys.stderr)
    sys.exit(128 + number)


def _in_shard(scene: str, shard: str) -> bool:
    from lstsr.manifest import shard_of

    number, count = map(int, shard.split("-of-"))
    return shard_of(scene, count) == number


@command(*SHARD)
def acquire(options: argparse.Namespace) -> None:
    """Check or simulate the scenes of one shard, and describe them."""
    from tqdm import tqdm

    from lstsr.acquire.index import describe, lost, write_index
    from lstsr.config import load
    from lstsr.plan import scenes

    config = load(options.config)
    provider = config.acquire.provider
    absent = {}
    if provider == "download":
        from lstsr.acquire.download import faults

        absent = faults(options.folder / f"{options.shard}.csv")
    acquired = []
    listed = scenes(config.acquire, config.sensors, Path(config.data), options.folder)
    for scene in tqdm([scene for scene in listed if _in_shard(scene.scene, options.shard)]):
        if provider == "generate":
            from lstsr.simulate.sample import make

            make(scene.scene, options.folder, config.acquire.generate)
        reason = absent.get(scene.scene)
        acquired.append(lost(scene, reason) if reason else describe(scene, config.sensors))
    write_index(options.output, acquired)


@command(
    CONFIG,
    path("output", "table (CSV) to write"),
    option("indexes", "indexes of acquired scenes", type=Path, nargs="+"),
)
def split(options: argparse.Namespace) -> None:
    """Assign every usable scene to training, validation or test, by place or in regional folds."""
    from lstsr.acquire.index import read_index
    from lstsr.config import load
    from lstsr.files import write_csv
    from lstsr.folds import assign_folds
    from lstsr.split import assign

    config = load(options.config).split
    acquired = [scene for index in options.indexes for scene in read_index(index)]
    usable = sorted(
        (scene.place for scene in acquired if not scene.reason), key=lambda place: place.scene
    )
    try:
        if not usable:
            raise LstsrError("no scene is usable")
        if config.folds:
            chosen = assign_folds(usable, config.folds, config.buffer_km)
        else:
            chosen = [assign(usable, config)]
    except LstsrError as error:
        lost = [f"{scene.scene.scene}: {scene.reason}" for scene in acquired if scene.reason]
        if not lost:
            raise
        few = "; ".join(lost[:3])
        raise LstsrError(
            f"{error}. {len(lost)} scenes were excluded before the split, e.g. {few}"
        ) from None
    records: list[dict[str, Any]] = []
    for fold, splits in enumerate(chosen):
        logger.info("scenes by split: %s", dict(sorted(Counter(splits.values()).items())))
        records += [
            ({"fold": fold} if config.folds else {})
            | {"scene": place.scene, "split": splits[place.scene]}
            | {"lon": place.lon, "lat": place.lat}
            | {"outline": " ".join(f"{lon:.4f},{lat:.4f}" for lon, lat in place.outline)}
            for place in usable
        ]
    write_csv(options.output, records[0], records)


@command(
    CONFIG,
    path("folder", "folder for the aligned rasters"),
    path("output", "index (CSV) to write"),
    option("index", "index of the shard's acquired scenes", type=Path),
    option("--history", "indexes of all acquired scenes", type=Path, nargs="*", default=[]),
)
def align(options: argparse.Namespace) -> None:
    """Register the scenes of one shard and resample them onto nested grids."""
    from tqdm import tqdm

    from lstsr.acquire.index import read_index
    from lstsr.config import load
    from lstsr.dataset.align import align as align_scene
    from lstsr.dataset.align import write_index
    from lstsr.dataset.history import overlapping

    config = load(options.config)
    usable = [acquired.scene for acquired in read_index(options.index) if not acquired.reason]
    others = overlapping(scene for index in options.history for scene in read_index(index))
    settings = config.sensors, config.align, options.folder
    aligned = [align_scene(one, *settings, others.get(one.scene, [])) for one in tqdm(usable)]
    write_index(options.output, aligned)


@command(
    CONFIG,
    path("folder", "folder of the aligned rasters"),
    path("splits", "table of the split"),
    path("output", "dataset file to write"),
    path("statistics", "statistics (JSON) to write"),
    path("shifts", "table of shifts to write"),
    path("excluded", "table of excluded scenes to write"),
    path("acquired", "indexes of acquired scenes", nargs="+"),
    path("aligned", "indexes of aligned scenes", nargs="+"),
)
def dataset(options: argparse.Namespace) -> None:
    """Pack the aligned triplets. Write the tables of shifts and exclusions."""
    from lstsr.acquire.index import read_index as read_acquired
    from lstsr.config import load
    from lstsr.dataset.align import COLUMNS
    from lstsr.dataset.exclusions import check_share, exclusions
    from lstsr.dataset.pack import pack
    from lstsr.files import read_csv, whole, write_csv
    from lstsr.manifest import ROLES
    from lstsr.plan import sections
    from lstsr.split import DROPPED, splits_of

    config = load(options.config)
    acquired = [scene for index in options.acquired for scene in read_acquired(index)]
    aligned = [row for index in options.aligned for row in read_csv(index)]
    lost = exclusions(acquired, aligned)

    def check(reasons: Iterable[str]) -> None:
        columns = ("scene", "stage", "reason", *(f"{role}_sha256" for role in ROLES))
        write_csv(options.excluded, columns, lost)
        check_share(len(lost), len(acquired), config.align.max_excluded_share, reasons)

    shifts = [{name: row[name] for name in COLUMNS} for row in aligned]
    write_csv(options.shifts, COLUMNS, sorted(shifts, key=lambda row: row["scene"]))
    check(exclusion["reason"] for exclusion in lost)
    good = {row["scene"] for row in aligned if not row["reason"]}
    assigned: dict[str, Any] = {}
    for row in read_csv(options.splits):
        name, split = row["scene"], row["split"]
        if name in good and "fold" in row:
            assigned[name] = (*assigned.get(name, ()), split)
        elif name in good and split != DROPPED:
            assigned[name] = split
    statistics = pack(
        options.output,
        options.folder,
        assigned,
        config.dataset,
        config.blocks,
        config.packing,
        sections(config, "dataset"),
        splits_of(config.split),
    )
    if unscored := statistics["unscored"]:
        lost += [{"scene": name, "stage": "dataset", "reason": unscored[name]} for name in unscored]
        check(unscored.values())
    with whole(options.statistics) as partial:
        partial.write_text(json.dumps(statistics, indent=2) + "\n")


def _row(options: argparse.Namespace) -> Row:
    """The row with the name on the command line, from the config or the exported dataset.

    Raises LstsrError if it is not there.
    """
    from lstsr.rows import Row

    if options.config is None:
        from lstsr.dataset.loader import Dataset

        return Row.from_dict(Dataset(options.data).row(options.row))
    from lstsr.config import load

    rows = {row.name: row for row in load(options.config).rows()}
    if options.row not in rows:
        raise LstsrError(
            f"{options.config} has no row {options.row}. Its rows are {', '.join(rows)}"
        )
    return rows[options.row]


@command(
    *ROW,
    path("output", "checkpoint to write"),
    option("--threads", "CPU threads", type=int),
)
def train(options: argparse.Namespace) -> None:
    """Train one row. Continue from its last saved step."""
    from lstsr.training.loop import train as train_row

    train_row(options.data, _row(options), options.output, threads=options.threads)


@command(
    *ROW,
    path("output", "index (CSV) to write; rasters are written to its folder"),
    option("--split", "train, validation or test", required=True),
    option("--checkpoint", "checkpoints, one per seed", type=Path, nargs="*", default=[]),
    option("--threads", "CPU threads", type=int),
)
def predict_split(options: argparse.Namespace) -> None:
    """Predict every scene of a split with one row."""
    from lstsr.predict.scenes import predict_split as predict_scenes

    row = _row(options)
    predict_scenes(
        options.data,
        row,
        options.split,
        options.checkpoint,
        options.output,
        options.threads,
        self_ensemble=row.turned,
    )


@command(
    *ROW,
    path("folder", "folder of the aligned rasters"),
    path("predictions", "index of the row's predictions"),
    path("output", "scores (CSV) to write"),
)
def evaluate(options: argparse.Namespace) -> None:
    """Score the predictions of one row, scene by scene."""
    from lstsr.evaluation.score import score_row

    score_row(options.data, _row(options), options.predictions, options.folder, options.output)


@command(
    path("output", "table (CSV) to write; the other tables are written to its folder"),
    option("--bootstrap", "bootstrap resamples of the intervals", type=int, default=10000),
    option("scores", "scores of all rows", type=Path, nargs="+"),
)
def table(options: argparse.Namespace) -> None:
    """Summarise the scores of all rows in the table."""
    from lstsr.evaluation.table import write_tables

    write_tables(options.scores, options.output, options.bootstrap)


@command(
    CONFIG,
    path("data", "dataset file"),
    path("splits", "table of the split"),
    path("shifts", "table of shifts"),
    path("folder", "folder for the figures"),
    path("scores", "scores of all rows", nargs="+"),
    path("predictions", "indexes of all predictions", nargs="+"),
    option("--curves", "training curves of all networks", type=Path, nargs="*", default=[]),
)
def figures(options: argparse.Namespace) -> None:
    """Draw the figures of a run."""
    from lstsr.config import load
    from lstsr.evaluation.figures import Sources, draw
    from lstsr.plan import series_of

    config = load(options.config)
    sources = values_of(Sources, options, series=series_of(config.rows()))
    draw(sources, options.folder, config.evaluate.figure_scenes, config.evaluate.bootstrap)


@command(
    path("data", "dataset file"),
    path("splits", "table of the split"),
    path("figure", "figure to write"),
    path("output", "table (CSV) of the scenes to write"),
    path("scores", "scores of all rows", nargs="+"),
)
def folds(options: argparse.Namespace) -> None:
    """Plot gains against the distance to the training scenes and the content of the scene."""
    from lstsr.evaluation.generalisation import write_generalisation

    write_generalisation(
        options.data, options.splits, options.scores, options.figure, options.output
    )


@command(
    path("table", "table.csv"),
    path("excluded", "table of excluded scenes"),
    path("output", "page to write"),
    option("figures", "figures to embed", type=Path, nargs="*"),
)
def report(options: argparse.Namespace) -> None:
    """Write one page with the table, the figures and the exclusions."""
    from lstsr.evaluation.report import write_report

    write_report(options.table, options.excluded, options.figures, options.output)
