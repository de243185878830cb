"""`lstsr <stage> ...`: one command for each rule of the workflow, and those that people type."""

from __future__ import annotations

import argparse
import json
import logging
import math
import re
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from lstsr.errors import LstsrError
from lstsr.files import check_output, check_suffix
from lstsr.manifest import STATIC
from lstsr.registry import READERS, RELEASED

logger = logging.getLogger("lstsr")
GUIDED = ("input", "reference")
# Options of `predict` that an optical image alone does not have.
OF_LST = (
    *("dem", "water", "history", "like", "extent", "time", "base-image", "no-registration"),
    *("input-shift", "reference-shift", "self-ensemble", "seed-ensemble"),
)
LEAST_TILE = 128
SHOWN_REASONS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a fault that the user can mend is one line on stderr and exit status 1.

    Ctrl-C is exit status 130, as of a shell.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.captureWarnings(True)
    try:
        options.run(options)
    except KeyboardInterrupt:
        print("lstsr: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        if options.debug:
            raise
        print(f"lstsr: {_told(error)}", file=sys.stderr)
        return 1
    return 0


def _told(error: Exception) -> str:
    """The error in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, LstsrError):
        return text
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    if isinstance(error, MemoryError):
        return "not enough memory. Use smaller images or a machine with more memory"
    return (
        f"unexpected error ({type(error).__name__}: {text}). Run the command again with --debug "
        "and report what it prints"
    )


def match(options: argparse.Namespace) -> None:
    """Find what Landsat, GK2A and GOCI-II saw together, and write a manifest to download."""
    from lstsr.config import load
    from lstsr.match.area import read_area
    from lstsr.match.manifest import commonest, volume, within, write, write_rejected
    from lstsr.match.search import Query, find
    from lstsr.transfer.download import GB
    from lstsr.transfer.sources import Sources

    config = load(options.config)
    if config.acquire.provider != "download":
        raise LstsrError(
            f"{options.config}: acquire.provider is {config.acquire.provider}, which reads no "
            "addresses; set it to download"
        )
    static = _checked_search(options)
    query = Query(
        read_area(options.area),
        options.start,
        options.end,
        options.max_cloud / 100,
        options.landsat,
        options.gk2a_area,
        options.goci2,
    )
    output = options.output or Path(config.data) / config.acquire.manifest
    if output.exists() and not options.force:
        raise LstsrError(f"{output} is there already, perhaps edited; add --force, or --output")
    triplets, rejected = find(config, query, Sources())
    if options.max_gb is not None:
        triplets, beyond = within(triplets, options.max_gb * GB)
        rejected += beyond
    if not triplets:
        table = write_rejected(output, rejected)
        scenes = [one for one in rejected if one.source == options.landsat]
        why = "the catalog has no Landsat scene then and there"
        if scenes:
            why = f"of {len(scenes)} Landsat scenes, most often: {commonest(scenes)}"
        raise LstsrError(f"no triplet, see {table}; {why}")
    write(output, triplets, rejected, static)
    sizes = volume(triplets)
    for source, size in sizes.items():
        print(f"{source}: about {size / GB:.2f} GB")
    print(f"to download: about {sum(sizes.values()) / GB:.2f} GB")
    print(f"{len(triplets)} scenes: {output}; {len(rejected)} rejected candidates beside it")


def _checked_search(options: argparse.Namespace) -> dict[str, Path]:
    """The rasters that all scenes share, by column. Raises LstsrError for an option at fault."""
    static = {name: file for name in STATIC if (file := getattr(options, name))}
    for name, file in static.items():
        if not file.is_file():
            raise LstsrError(f"--{name} {file}: no such file")
    if options.start > options.end:
        raise LstsrError(f"--from {options.start} is later than --to {options.end}; swap them")
    if not 0 <= options.max_cloud <= 100:
        raise LstsrError(f"--max-cloud {options.max_cloud:g}: give percent, 0 to 100")
    return static


def download(options: argparse.Namespace) -> None:
    """Fetch the files of one shard's scenes, going on where an earlier attempt stopped."""
    from lstsr.acquire.remote import download as fetch_files
    from lstsr.acquire.remote import read_remote
    from lstsr.config import AcquireConfig
    from lstsr.manifest import shard_of
    from lstsr.transfer.download import GB

    config = AcquireConfig.model_validate(options.settings["acquire"])
    manifest = Path(options.settings["data"]) / config.manifest
    number, count = map(int, options.shard.split("-of-"))
    remotes = read_remote(manifest, options.folder)
    mine = [one for one in remotes if shard_of(one.scene.scene, count) == number]
    limit = None if options.max_gb is None else int(options.max_gb * GB)
    # as workload managers end a job: threads are to end, and parts to stay, as on Ctrl-C
    signal.signal(signal.SIGTERM, _terminate)
    fetch_files(mine, options.folder, options.output, limit)


def acquire(options: argparse.Namespace) -> None:
    """Check, or generate, the scenes of one shard and describe them."""
    from tqdm import tqdm

    from lstsr.acquire.index import describe, lost, write_index
    from lstsr.config import AcquireConfig, SensorsConfig
    from lstsr.manifest import shard_of
    from lstsr.plan import scenes

    settings = options.settings
    config = AcquireConfig.model_validate(settings["acquire"])
    sensors = SensorsConfig.model_validate(settings["sensors"])
    number, count = map(int, options.shard.split("-of-"))
    listed = scenes(config, sensors, Path(settings["data"]), options.folder)
    absent = {}
    if config.provider == "download":
        from lstsr.acquire.remote import faults

        absent = faults(options.folder / f"{options.shard}.csv")
    found = []
    for scene in tqdm([one for one in listed if shard_of(one.scene, count) == number]):
        if config.provider == "generate":
            from lstsr.simulate.sample import make

            make(scene.scene, options.folder, config.generate)
        reason = absent.get(scene.scene)
        found.append(lost(scene, reason) if reason else describe(scene, sensors))
    write_index(options.output, found)


def split(options: argparse.Namespace) -> None:
    """Assign every usable scene to training, validation or test, by place or in regional folds."""
    from lstsr.acquire.index import read_index
    from lstsr.config import SplitConfig
    from lstsr.files import write_csv
    from lstsr.folds import assign_folds
    from lstsr.split import assign

    config = SplitConfig.model_validate(options.settings["split"])
    acquired = [one for index in options.indexes for one in read_index(index)]
    places = [one.place for one in sorted(acquired, key=lambda one: one.scene.scene)]
    usable = {one.scene.scene for one in acquired if not one.reason}
    try:
        if not usable:
            raise LstsrError("no scene is usable")
        placed = [place for place in places if place.scene in usable]
        if config.folds:
            chosen = assign_folds(placed, config.folds, config.buffer_km)
        else:
            chosen = [assign(placed, config)]
    except LstsrError as error:
        lost = [f"{one.scene.scene}: {one.reason}" for one in acquired if one.reason]
        if not lost:
            raise
        few = "; ".join(lost[:SHOWN_REASONS])
        raise LstsrError(
            f"{error}. {len(lost)} scenes were excluded before the split, e.g. {few}"
        ) from None
    for splits in chosen:
        counts = dict(sorted(Counter(splits.values()).items()))
        logger.info("scenes by split, place only: %s", counts)
    write_csv(
        options.output,
        (*(["fold"] if config.folds else []), "scene", "split", "lon", "lat", "outline"),
        (
            ({"fold": fold} if config.folds else {})
            | {
                "scene": place.scene,
                "split": splits[place.scene],
                "lon": place.lon,
                "lat": place.lat,
                "outline": " ".join(f"{lon:.4f},{lat:.4f}" for lon, lat in place.outline),
            }
            for fold, splits in enumerate(chosen)
            for place in placed
        ),
    )


def align(options: argparse.Namespace) -> None:
    """Bring the scenes of one shard onto nested grids, registered."""
    from tqdm import tqdm

    from lstsr.acquire.index import read_index
    from lstsr.config import AlignConfig, SensorsConfig
    from lstsr.dataset.align import align as align_scene
    from lstsr.dataset.align import write_index
    from lstsr.dataset.history import overlapping

    sensors = SensorsConfig.model_validate(options.settings["sensors"])
    config = AlignConfig.model_validate(options.settings["align"])
    usable = [one.scene for one in read_index(options.index) if not one.reason]
    others = overlapping(one for index in options.history for one in read_index(index))
    write_index(
        options.output,
        [
            align_scene(scene, sensors, config, options.folder, others.get(scene.scene, []))
            for scene in tqdm(usable)
        ],
    )


def dataset(options: argparse.Namespace) -> None:
    """Pack the aligned triplets, and account for shifts and exclusions."""
    from lstsr.acquire.index import read_index as read_acquired
    from lstsr.config import AlignConfig, Block, DatasetConfig, SplitConfig
    from lstsr.dataset.align import COLUMNS, read_index, record
    from lstsr.dataset.exclusions import check_share, exclusions
    from lstsr.dataset.pack import pack
    from lstsr.files import read_csv, whole, write_csv
    from lstsr.manifest import ROLES
    from lstsr.split import DROPPED, splits_of

    settings = options.settings
    acquired = [one for index in options.acquired for one in read_acquired(index)]
    aligned = [one for index in options.aligned for one in read_index(index)]
    lost = exclusions(acquired, aligned)
    digests = [f"{role}_sha256" for role in ROLES]
    write_csv(options.excluded, ("scene", "stage", "reason", *digests), lost)
    write_csv(options.shifts, COLUMNS, map(record, sorted(aligned, key=lambda one: one.scene)))
    limit = AlignConfig.model_validate(settings["align"]).max_excluded_share
    check_share(len(lost), len(acquired), limit, [record["reason"] for record in lost])
    good = {one.scene for one in aligned if not one.reason}
    assigned: dict[str, Any] = {}
    for row in read_csv(options.splits):
        if "fold" in row:
            assigned[row["scene"]] = (*assigned.get(row["scene"], ()), row["split"])
        elif row["split"] != DROPPED:
            assigned[row["scene"]] = row["split"]
    statistics = pack(
        options.output,
        options.folder,
        {scene: split for scene, split in assigned.items() if scene in good},
        settings["dataset"],
        [Block.model_validate(block) for block in settings["blocks"]],
        DatasetConfig.model_validate(settings["packing"]),
        settings,
        splits_of(SplitConfig.model_validate(settings["split"])),
    )
    if unscored := statistics["unscored"]:
        lost += [
            {"scene": name, "stage": "dataset", "reason": reason}
            for name, reason in unscored.items()
        ]
        write_csv(options.excluded, ("scene", "stage", "reason", *digests), lost)
        check_share(len(lost), len(acquired), limit, unscored.values())
    with whole(options.statistics) as partial:
        partial.write_text(json.dumps(statistics, indent=2) + "\n")


def export(options: argparse.Namespace) -> None:
    """Copy a run's dataset into one file that also names the rows to train from it."""
    from lstsr.config import load
    from lstsr.dataset.pack import add_rows

    check_output(options.output, (options.data, options.config))
    rows = {row.name: row.model_dump() for row in load(options.config).rows() if row.train}
    add_rows(options.data, options.output, rows)
    logger.info("rows in it: %s", ", ".join(rows))


def train(options: argparse.Namespace) -> None:
    """Train one row; resumes from its last saved step."""
    from lstsr.dataset.loader import Dataset
    from lstsr.training.loop import Row
    from lstsr.training.loop import train as train_row

    row = options.row
    if isinstance(row, str):
        row = Dataset(options.data).row(row)
    train_row(options.data, Row.from_dict(row), options.output, threads=options.threads)


def models(options: argparse.Namespace) -> None:
    """List the pretrained networks, or print the cards of those named."""
    from lstsr.predict import card, shipped

    if not options.names:
        print(card.table(shipped.checkpoint_path(name, "models") for name in shipped.names()))
        return
    paths = [shipped.checkpoint_path(name, "models") for name in options.names]
    print("\n\n".join(card.card(path) for path in paths))


def interpolate(options: argparse.Namespace) -> None:
    """Make the network between two of one architecture, as of esrnet and esrgan."""
    from lstsr.training.interpolate import interpolate as between

    check_output(options.output, (options.a, options.b))
    between(options.a, options.b, options.alpha, options.output)


def compact(options: argparse.Namespace) -> None:
    """Write a checkpoint with weights of half precision, half as large."""
    from lstsr.training.checkpoint import compact as write_compact

    check_output(options.output, (options.checkpoint,))
    check_suffix(options.output, ".safetensors")
    write_compact(options.checkpoint, options.output)


def inspect(options: argparse.Namespace) -> None:
    """Print what a reader understood of a product file, and what does not hold in it."""
    from lstsr.sensors.detection import inspect as inspect_product
    from lstsr.sensors.inspection import report

    try:
        found = inspect_product(options.file, options.product)
    except OSError as error:
        raise LstsrError(f"{options.file}: {error.strerror}; name an existing file") from None
    print(report(found))
    failed = [one for one in found.assertions if not one.passed]
    if failed:
        raise LstsrError(f"{options.file}: {len(failed)} of {len(found.assertions)} checks failed")


def import_dctnet(options: argparse.Namespace) -> None:
    """Make a released DCTNet checkpoint into a safetensors file for `evaluate-rgbd`."""
    from lstsr.models.released import import_dctnet as import_released

    check_output(options.output, (options.released,))
    check_suffix(options.output, ".safetensors")
    import_released(options.released, options.output)


def import_released(options: argparse.Namespace) -> None:
    """Make weights that another group released into a file for `train.initial`."""
    from lstsr.models.released import import_released as import_weights

    check_output(options.output, (options.released,))
    check_suffix(options.output, ".safetensors")
    import_weights(options.name, options.released, options.output)


def evaluate_rgbd(options: argparse.Namespace) -> None:
    """Score released DCTNet weights on RGB-D pairs, by their authors' protocol."""
    from lstsr.evaluation.rgbd import evaluate as evaluate_pairs
    from lstsr.evaluation.rgbd import report as score_report
    from lstsr.models.released import read_dctnet

    network = read_dctnet(options.model)
    scores = evaluate_pairs(network, options.rgb, options.depth, options.scale, options.crop)
    print(score_report(scores))


def schema(options: argparse.Namespace) -> None:
    """Write the JSON schema of the config, or check that the file is current."""
    from lstsr.config import schema as config_schema

    if not options.check:
        options.file.write_text(config_schema())
    elif options.file.read_text() != config_schema():
        raise LstsrError(f"{options.file} is out of date; run `lstsr schema`")


def predict_split(options: argparse.Namespace) -> None:
    """Predict every scene of a split of a dataset."""
    from lstsr.predict.scenes import predict_split as predict_scenes

    predict_scenes(
        options.data,
        options.row,
        options.split,
        options.checkpoint,
        options.output,
        options.threads,
        self_ensemble=options.self_ensemble,
    )


def predict(options: argparse.Namespace) -> None:
    """Predict fine LST from any pair of rasters, or a finer optical image from one alone."""
    from lstsr.predict.request import Files, Options

    asked = {
        role: Options(
            unit=getattr(options, f"{role}_unit"),
            scale=getattr(options, f"{role}_scale"),
            offset=getattr(options, f"{role}_offset"),
            nodata=tuple(getattr(options, f"{role}_nodata")),
            band=tuple(getattr(options, f"{role}_band")),
            crs=getattr(options, f"{role}_crs"),
        )
        for role in GUIDED
    }
    if options.reference is None:
        from lstsr.predict.optical import make_image

        for name in OF_LST:
            if getattr(options, name.replace("-", "_")):
                raise LstsrError(f"--{name} is for LST. Add a --reference or remove this option")
        if asked["reference"] != Options():
            raise LstsrError("--reference-... needs a --reference. Add one or remove these options")
        make_image(
            options.model,
            options.input,
            options.output,
            options.scale,
            options.tile,
            asked["input"],
            options.overwrite,
        )
        return
    from lstsr.predict.product import make_product
    from lstsr.predict.request import Request

    shifts = {role: getattr(options, f"{role}_shift") for role in GUIDED}
    make_product(
        Request(
            model=options.model,
            files=Files(
                options.input,
                options.reference,
                options.dem,
                options.water,
                options.extent,
                options.time,
                asked,
                options.history,
            ),
            output=options.output,
            like=options.like,
            scale=options.scale,
            base_image=options.base_image,
            register=not options.no_registration,
            shifts={role: tuple(shift) for role, shift in shifts.items() if shift},
            self_ensemble=options.self_ensemble,
            seed_ensemble=options.seed_ensemble,
            overwrite=options.overwrite,
            tile=options.tile,
        )
    )


def evaluate(options: argparse.Namespace) -> None:
    """Score the predictions of one row, scene by scene."""
    from lstsr.evaluation.score import score_row

    score_row(options.data, options.row, options.predictions, options.folder, options.output)


def table(options: argparse.Namespace) -> None:
    """Gather the scores of all rows into the table."""
    from lstsr.evaluation.table import write_tables

    write_tables(options.scores, options.output, options.bootstrap)


def figures(options: argparse.Namespace) -> None:
    """Draw the figures of a run."""
    from lstsr.evaluation.figures import Sources, draw

    draw(
        Sources(
            data=options.data,
            splits=options.splits,
            shifts=options.shifts,
            scores=options.scores,
            predictions=options.predictions,
            curves=options.curves,
            series=options.series,
        ),
        options.folder,
        options.scenes,
        options.bootstrap,
    )


def folds(options: argparse.Namespace) -> None:
    """Show how gains depend on the distance to the training scenes and on the scene's content."""
    from lstsr.evaluation.generalisation import write_generalisation

    write_generalisation(
        options.data, options.splits, options.scores, options.figure, options.output
    )


def report(options: argparse.Namespace) -> None:
    """Put table, figures and exclusions on one page."""
    from lstsr.evaluation.report import write_report

    write_report(options.table, options.excluded, options.figures, options.output)


class _Parser(argparse.ArgumentParser):
    """Reports an error on the command line in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # argparse reads -9999 as a number, but -3.4e38 and -10,35,-5,40 as options
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def error(self, message: str) -> NoReturn:
        """End the program; say what is wrong and where to find help."""
        self.exit(2, f"lstsr: {message}. `{self.prog} --help` shows all options\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="lstsr", description=__doc__)
    stages = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any) -> argparse.ArgumentParser:
        stage = stages.add_parser(name, help=run.__doc__, description=run.__doc__)
        stage.set_defaults(run=run)
        stage.add_argument("--debug", action="store_true", help="show the traceback of an error")
        return stage

    def paths(stage: argparse.ArgumentParser, *names: str, **more: Any) -> None:
        for name in names:
            stage.add_argument(f"--{name}", type=Path, required=True, **more)

    stage = command("match", match)
    paths(stage, "config", help="of the run that will read what is found")
    stage.add_argument("--area", required=True, help="W,S,E,N in degrees, or a GeoJSON file")
    days: Any = {"type": _day, "required": True, "metavar": "YYYY-MM-DD"}
    stage.add_argument("--from", dest="start", help="first day, UTC", **days)
    stage.add_argument("--to", dest="end", help="last day, UTC", **days)
    stage.add_argument(
        "--max-cloud", type=float, default=30, help="of a Landsat scene, 0 to 100 percent"
    )
    stage.add_argument("--max-gb", type=_gigabytes, help="to download: the best that fit are taken")
    stage.add_argument("--dem", type=Path, help="elevation in metres of all scenes")
    stage.add_argument("--water", type=Path, help="share of water, 0..1, of all scenes")
    stage.add_argument(
        "--landsat",
        choices=("planetary-computer", "usgs", "usgs-s3"),
        default="planetary-computer",
        help="whose catalog: only the first needs no account",
    )
    stage.add_argument(
        "--gk2a-area", choices=("la", "fd"), default="la", help="local area, or full disk"
    )
    stage.add_argument(
        "--goci2", choices=("opendap", "openapi"), default="opendap", help="openapi needs a key"
    )
    stage.add_argument("--output", type=Path, help="default: the config's own manifest")
    stage.add_argument("--force", action="store_true", help="replace the manifest")

    stage = command("download", download)
    stage.add_argument("--settings", type=json.loads, required=True)
    stage.add_argument("--shard", required=True, help="NUMBER-of-COUNT")
    stage.add_argument("--max-gb", type=_gigabytes, help="stop before a file that would exceed it")
    paths(stage, "folder", "output")

    stage = command("acquire", acquire)
    stage.add_argument("--settings", type=json.loads, required=True)
    stage.add_argument("--shard", required=True, help="NUMBER-of-COUNT")
    paths(stage, "folder", "output")

    stage = command("split", split)
    stage.add_argument("--settings", type=json.loads, required=True)
    paths(stage, "output")
    stage.add_argument("indexes", type=Path, nargs="+")

    stage = command("align", align)
    stage.add_argument("--settings", type=json.loads, required=True)
    paths(stage, "folder", "output")
    stage.add_argument("index", type=Path)
    stage.add_argument(
        "--history", type=Path, nargs="*", default=[], help="indexes of all scenes, for that layer"
    )

    stage = command("dataset", dataset)
    stage.add_argument("--settings", type=json.loads, required=True)
    paths(stage, "folder", "splits", "output", "statistics", "shifts", "excluded")
    paths(stage, "acquired", "aligned", nargs="+")

    stage = command("export", export)
    stage.add_argument("--config", type=Path, required=True)
    paths(stage, "data", "output")

    stage = command("train", train)
    paths(stage, "data", "output")
    stage.add_argument("--row", type=_row, required=True, help="its name in an export, or JSON")
    stage.add_argument("--threads", type=int)

    stage = command("models", models)
    stage.add_argument("names", nargs="*", metavar="NAME", help="pretrained network or checkpoint")

    stage = command("interpolate", interpolate)
    stage.add_argument("a", type=Path, help="checkpoint at alpha 0, trained for fidelity")
    stage.add_argument("b", type=Path, help="checkpoint at alpha 1, trained adversarially")
    stage.add_argument("--alpha", type=float, default=0.8, help="0.8 as in ESRGAN's comparison")
    paths(stage, "output")

    stage = command("compact", compact)
    stage.add_argument("checkpoint", type=Path, help="checkpoint of a trained network")
    paths(stage, "output", help="the .safetensors file to write")

    stage = command("predict-split", predict_split)
    paths(stage, "data", "output")
    stage.add_argument("--row", type=_row, required=True)
    stage.add_argument("--split", required=True)
    stage.add_argument(
        "--checkpoint", type=Path, nargs="*", default=[], help="several seeds: mean of all"
    )
    stage.add_argument(
        "--self-ensemble", action="store_true", help="mean over rotated and flipped inputs"
    )
    stage.add_argument("--threads", type=int)

    stage = command("predict", predict)
    stage.add_argument("--model", required=True, help="checkpoint, pretrained network or method")
    paths(stage, "input", "output")
    stage.add_argument(
        "--reference", type=Path, help="image that guides LST; leave out for an optical image"
    )
    stage.add_argument("--overwrite", action="store_true", help="replace an existing output")
    stage.add_argument("--dem", type=Path, help="elevation in metres, to correct terrain parallax")
    stage.add_argument("--water", type=Path, help="share of water, 0..1, for layers and flags")
    stage.add_argument(
        "--history",
        type=Path,
        help="folder or CSV (scene, target, time) of fine LST, for a network with layer history",
    )
    stage.add_argument(
        "--scale",
        type=_scale,
        help="input spacing / product spacing (default: as in training, else from the files)",
    )
    stage.add_argument(
        "--like",
        help="a classical method reads files as in the training of this checkpoint or network",
    )
    stage.add_argument(
        "--extent", type=Path, help="raster that bounds the product (default: the reference)"
    )
    stage.add_argument("--time", default="", help="ISO 8601, if the input file has none")
    stage.add_argument("--base-image", type=Path, help="static image to register both to")
    stage.add_argument("--no-registration", action="store_true", help="shift nothing")
    for role in GUIDED:
        stage.add_argument(
            f"--{role}-shift",
            type=_number,
            nargs=2,
            metavar=("ROW", "COLUMN"),
            help=f"shift the {role} by product pixels (+ south, east) instead of registration",
        )
    stage.add_argument(
        "--self-ensemble", action="store_true", help="mean over rotated and flipped inputs"
    )
    stage.add_argument(
        "--seed-ensemble",
        nargs="+",
        default=[],
        metavar="CHECKPOINT",
        help="mean with checkpoints of the same training and other seeds",
    )
    stage.add_argument("--tile", type=_tile, default=512, help="side of a tile in fine pixels")
    for role in GUIDED:
        _add_reading(stage, role)

    stage = command("evaluate", evaluate)
    paths(stage, "data", "folder", "predictions", "output")
    stage.add_argument("--row", type=_row, required=True)

    stage = command("table", table)
    paths(stage, "output")
    stage.add_argument("--bootstrap", type=int, default=10_000)
    stage.add_argument("scores", type=Path, nargs="+")

    stage = command("figures", figures)
    paths(stage, "data", "splits", "shifts", "folder")
    paths(stage, "scores", "predictions", nargs="+")
    stage.add_argument("--curves", type=Path, nargs="*", default=[])
    stage.add_argument(
        "--series", type=json.loads, default={}, help="JSON: by figure, a list of row to value"
    )
    stage.add_argument("--scenes", type=int, default=3)
    stage.add_argument("--bootstrap", type=int, default=10_000)

    stage = command("folds", folds)
    paths(stage, "data", "splits", "figure", "output")
    paths(stage, "scores", nargs="+")

    stage = command("report", report)
    paths(stage, "table", "excluded", "output")
    stage.add_argument("figures", type=Path, nargs="*")

    stage = command("inspect", inspect)
    stage.add_argument("file", type=Path, help="product file, folder or MTL file")
    stage.add_argument("--product", choices=tuple(READERS), help="default: found by its content")

    stage = command("import-dctnet", import_dctnet)
    stage.add_argument("released", type=Path, help="the authors' .pth file")
    stage.add_argument("output", type=Path, help="the .safetensors file to write")

    stage = command("import-released", import_released)
    stage.add_argument("name", choices=sorted(RELEASED), help="model that the weights are of")
    stage.add_argument("released", type=Path, help="the authors' state dict (.safetensors, .pth)")
    paths(stage, "output", help="the .safetensors file to write")

    stage = command("evaluate-rgbd", evaluate_rgbd)
    paths(stage, "model", "rgb", "depth")
    stage.add_argument("--scale", type=int, required=True, help="that of the weights")
    stage.add_argument("--crop", type=int, default=0, help="border that does not count, pixels")

    stage = command("schema", schema)
    stage.add_argument("--check", action="store_true")
    stage.add_argument("--file", type=Path, default=Path("workflow/schemas/config.schema.json"))
    return parser


def _add_reading(stage: argparse.ArgumentParser, role: str) -> None:
    """Add the options that say how to read the file of a role."""
    group = stage.add_argument_group(
        f"reading of the {role}",
        "default: as in the checkpoint's training; without a checkpoint, as the file states",
    )
    units = ("kelvin", "celsius") if role == "input" else ("reflectance", "index")
    group.add_argument(
        f"--{role}-unit", choices=units, help=f"unit of the values (last default: {units[0]})"
    )
    group.add_argument(f"--{role}-scale", type=_number, help="physical = stored x scale + offset")
    group.add_argument(f"--{role}-offset", type=_number, help="see scale; last default: 0")
    group.add_argument(
        f"--{role}-nodata",
        type=float,
        nargs="+",
        default=[],
        metavar="VALUE",
        help="further stored values that are no-data; the file's own mask always counts",
    )
    group.add_argument(
        f"--{role}-band",
        type=_band,
        nargs="+",
        default=[],
        metavar="BAND",
        help="number (from 1) or name of a band or NetCDF variable (last default: all bands)",
    )
    group.add_argument(f"--{role}-crs", help="coordinate system (default: as the file states)")


def _terminate(number: int, _: object) -> NoReturn:
    """Unwind to the end of the program, with the exit status that a shell gives to a signal."""
    print("lstsr: terminated", file=sys.stderr)
    sys.exit(128 + number)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no day, such as 2023-05-12") from None


def _gigabytes(text: str) -> float:
    try:
        size = float(text)
    except ValueError:
        size = math.nan
    if not 0 < size < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number of GB above 0")
    return size


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is not a number. Use a decimal point, as in 0.01")
    return value


def _scale(text: str) -> int:
    from lstsr.predict.pair import MOST_SCALE  # only `predict` asks, and needs it anyway

    if not text.isdigit() or not 2 <= int(text) <= MOST_SCALE:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number between 2 and {MOST_SCALE}")
    return int(text)


def _tile(text: str) -> int:
    if not text.isdigit() or int(text) < LEAST_TILE:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least {LEAST_TILE}")
    return int(text)


def _band(text: str) -> int | str:
    """The number of a band, or its name."""
    return int(text) if text.isdigit() else text


def _row(text: str) -> Any:
    """A row written as JSON, or its name."""
    return json.loads(text) if text.startswith("{") else text


if __name__ == "__main__":
    sys.exit(main())
