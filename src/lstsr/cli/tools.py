"""The commands that people type beside the workflow."""

from __future__ import annotations

import argparse
import logging
from dataclasses import fields
from functools import partial
from pathlib import Path

from lstsr.cli.options import (
    CONFIG,
    Option,
    band,
    command,
    day,
    gigabytes,
    number,
    option,
    path,
    scale,
    tile,
    values_of,
)
from lstsr.errors import LstsrError
from lstsr.files import check_output, check_suffix
from lstsr.manifest import STATIC
from lstsr.registry import READERS, RELEASED

logger = logging.getLogger("lstsr")
GUIDED = ("input", "reference")
# Options of `predict` that need a reference.
OF_LST = (
    *("dem", "water", "history", "like", "extent", "time", "base-image", "no-registration"),
    *("input-shift", "reference-shift", "self-ensemble", "seed-ensemble"),
)


def _reading(role: str) -> tuple[Option, ...]:
    """The options for reading the file of a role."""
    units = ("kelvin", "celsius") if role == "input" else ("reflectance", "index")
    default = "default: as in the training of the checkpoint; without one, as the file states"
    add = partial(option, group=f"how to read the {role}: {default}")
    many = partial(add, nargs="+", default=[])
    return (
        add(f"--{role}-unit", f"unit of the values (otherwise {units[0]})", choices=units),
        add(f"--{role}-scale", "physical = stored x scale + offset", type=number),
        add(f"--{role}-offset", "see scale (otherwise 0)", type=number),
        many(
            f"--{role}-nodata",
            "stored values that are no-data, in addition to those that the file masks",
            type=float,
            metavar="VALUE",
        ),
        many(
            f"--{role}-band",
            "number (from 1) or name of a band or NetCDF variable (otherwise all bands)",
            type=band,
            metavar="BAND",
        ),
        add(f"--{role}-crs", "coordinate system (default: as the file states)"),
    )


@command(
    path("config", "configuration file of the run that uses the results"),
    option("--area", "W,S,E,N in degrees, or a GeoJSON file", required=True),
    option("--from", "first day, UTC", type=day, required=True, metavar="YYYY-MM-DD", dest="start"),
    option("--to", "last day, UTC", type=day, required=True, metavar="YYYY-MM-DD", dest="end"),
    option(
        "--max-cloud", "highest cloud cover of a Landsat scene, percent", type=float, default=30
    ),
    option("--max-gb", "largest size of the download; keep the best triplets", type=gigabytes),
    option("--dem", "raster of the elevation in metres, for all scenes", type=Path),
    option("--water", "raster of the share of water, 0..1, for all scenes", type=Path),
    option(
        "--landsat",
        "Landsat catalog; only planetary-computer needs no account",
        choices=("planetary-computer", "usgs", "usgs-s3"),
        default="planetary-computer",
    ),
    option("--gk2a-area", "local area or full disk", choices=("la", "fd"), default="la"),
    option(
        "--goci2", "service; openapi needs a key", choices=("opendap", "openapi"), default="opendap"
    ),
    option("--output", "manifest (default: the one in the config)", type=Path),
    option("--force", "overwrite the manifest", action="store_true"),
)
def match(options: argparse.Namespace) -> None:
    """Find scenes that Landsat, GK2A and GOCI-II all saw. Write the manifest of a download."""
    from lstsr.config import load
    from lstsr.match.area import read_area
    from lstsr.match.search import Query, find
    from lstsr.match.tables import commonest, volume, within, write, write_rejected
    from lstsr.transfer.fetch import GB
    from lstsr.transfer.sources import Sources

    config = load(options.config)
    if config.acquire.provider != "download":
        raise LstsrError(
            f"{options.config}: acquire.provider is {config.acquire.provider}. Set it to download"
        )
    static = {name: file for name in STATIC if (file := getattr(options, name))}
    for name, file in static.items():
        if not file.is_file():
            raise LstsrError(f"--{name} {file}: no such file. Name an existing raster")
    if options.start > options.end:
        raise LstsrError(f"--from {options.start} is later than --to {options.end}. Swap them")
    if not 0 <= options.max_cloud <= 100:
        raise LstsrError(f"--max-cloud {options.max_cloud:g}: give a percentage from 0 to 100")
    share = options.max_cloud / 100
    query = values_of(Query, options, area=read_area(options.area), max_cloud=share)
    output = options.output or Path(config.data) / config.acquire.manifest
    if output.exists() and not options.force:
        raise LstsrError(
            f"{output} already exists and may contain your edits. Use --force to overwrite it or "
            "--output to write elsewhere"
        )
    triplets, rejected = find(config, query, Sources())
    if options.max_gb is not None:
        triplets, beyond = within(triplets, options.max_gb * GB)
        rejected += beyond
    if not triplets:
        table = write_rejected(output, rejected)
        scenes = [candidate for candidate in rejected if candidate.source == options.landsat]
        why = "the catalog has no Landsat scene of this area and time"
        if scenes:
            why = f"{len(scenes)} Landsat scenes rejected, most often: {commonest(scenes)}"
        raise LstsrError(f"no triplet fits, {table} lists all candidates: {why}")
    write(output, triplets, rejected, static)
    sizes = volume(triplets)
    for source, size in sizes.items():
        print(f"{source}: about {size / GB:.2f} GB")
    print(f"to download: about {sum(sizes.values()) / GB:.2f} GB")
    print(f"{len(triplets)} scenes: {output}; {len(rejected)} rejected candidates beside it")


@command(CONFIG, path("data", "dataset file of the run"), path("output", "file to write"))
def export(options: argparse.Namespace) -> None:
    """Copy a run's dataset into one file that also holds the settings of its rows."""
    from lstsr.config import load
    from lstsr.dataset.pack import add_rows

    check_output(options.output, (options.data, options.config))
    rows = {row.name: row.to_dict() for row in load(options.config).rows() if row.train}
    add_rows(options.data, options.output, rows)
    logger.info("rows in it: %s", ", ".join(rows))


@command(option("names", "pretrained network or checkpoint", nargs="*", metavar="NAME"))
def models(options: argparse.Namespace) -> None:
    """List the pretrained networks, or print the cards of the named ones."""
    from lstsr.predict import card, shipped

    paths = [shipped.checkpoint_path(name, "models") for name in options.names or shipped.names()]
    print("\n\n".join(map(card.card, paths)) if options.names else card.table(paths))


@command(
    option("a", "checkpoint at alpha 0, trained for fidelity", type=Path),
    option("b", "checkpoint at alpha 1, trained adversarially", type=Path),
    option("--alpha", "weight of b; ESRGAN compares at 0.8", type=float, default=0.8),
    path("output", "checkpoint to write"),
)
def interpolate(options: argparse.Namespace) -> None:
    """Interpolate between the weights of two networks, such as esrnet and esrgan."""
    from lstsr.training.interpolate import interpolate as between

    check_output(options.output, (options.a, options.b))
    between(options.a, options.b, options.alpha, options.output)


@command(
    option("checkpoint", "checkpoint of a trained network", type=Path),
    path("output", "the .safetensors file to write"),
)
def compact(options: argparse.Namespace) -> None:
    """Copy a checkpoint with weights in half precision: half the size."""
    from lstsr.training.checkpoint import compact as write_compact

    check_output(options.output, (options.checkpoint,))
    check_suffix(options.output, ".safetensors")
    write_compact(options.checkpoint, options.output)


@command(
    option("--model", "checkpoint, pretrained network or method", required=True),
    path("input", "coarse LST, or an optical image"),
    path("output", "GeoTIFF to write"),
    option("--reference", "image that guides LST; none for an optical image", type=Path),
    option("--overwrite", "replace an existing output", action="store_true"),
    option("--dem", "elevation in metres, corrects terrain parallax", type=Path),
    option("--water", "share of water, 0..1, for layers and flags", type=Path),
    option("--history", "earlier LST: folder or CSV (scene, target, time)", type=Path),
    option(
        "--scale",
        "input spacing / product spacing (default: as in training, else from the files)",
        type=scale,
    ),
    option("--like", "for a classical method: read files as this checkpoint or network does"),
    option("--extent", "raster that bounds the product (default: the reference)", type=Path),
    option("--time", "time of the input (ISO 8601), if its file has none", default=""),
    option("--base-image", "static image to register both images to", type=Path),
    option("--no-registration", "do not shift any image", action="store_true"),
    *(
        option(
            f"--{role}-shift",
            f"shift the {role} by product pixels (+ south, east) instead of registration",
            type=number,
            nargs=2,
            metavar=("ROW", "COLUMN"),
        )
        for role in GUIDED
    ),
    option("--self-ensemble", "mean over turned and mirrored inputs", action="store_true"),
    option(
        "--seed-ensemble",
        "mean with checkpoints of the same training and other seeds",
        nargs="+",
        default=[],
        metavar="CHECKPOINT",
    ),
    option("--tile", "side of a tile, fine pixels", type=tile, default=512),
    *_reading("input"),
    *_reading("reference"),
)
def predict(options: argparse.Namespace) -> None:
    """Predict fine LST from any pair of rasters, or a finer optical image from one raster."""
    from lstsr.predict.request import Files, Options, Request

    asked = {}
    for role in GUIDED:
        values = {key.name: getattr(options, f"{role}_{key.name}") for key in fields(Options)}
        values |= {key: tuple(values[key]) for key in ("nodata", "band")}
        asked[role] = Options(**values)
    if options.reference is None:
        from lstsr.predict.optical import make_image

        for name in OF_LST:
            if getattr(options, name.replace("-", "_")):
                raise LstsrError(f"--{name} is for LST. Add a --reference or remove this option")
        if asked["reference"] != Options():
            raise LstsrError("--reference-... needs a --reference. Add it or remove these options")
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

    shifts = {role: getattr(options, f"{role}_shift") for role in GUIDED}
    request = values_of(
        Request,
        options,
        files=values_of(Files, options, options=asked),
        register=not options.no_registration,
        shifts={role: tuple(shift) for role, shift in shifts.items() if shift},
    )
    make_product(request)


@command(
    option("file", "product file, folder or MTL file", type=Path),
    option("--product", "product (default: recognised from the file)", choices=tuple(READERS)),
)
def inspect(options: argparse.Namespace) -> None:
    """Print what lstsr reads from a product file, and which checks fail."""
    from lstsr.sensors.detection import inspect as inspect_product
    from lstsr.sensors.inspection import report

    try:
        inspection = inspect_product(options.file, options.product)
    except OSError as error:
        raise LstsrError(f"{options.file}: {error.strerror}. Name an existing file") from None
    print(report(inspection))
    checks = inspection.assertions
    if failed := sum(not check.passed for check in checks):
        raise LstsrError(f"{options.file}: {failed} of {len(checks)} checks failed")


@command(
    option("released", "the authors' .pth file", type=Path),
    option("output", "the .safetensors file to write", type=Path),
)
def import_dctnet(options: argparse.Namespace) -> None:
    """Convert a released DCTNet checkpoint to a safetensors file for `evaluate-rgbd`."""
    from lstsr.models.dctnet_released import import_dctnet as import_released

    check_output(options.output, (options.released,))
    check_suffix(options.output, ".safetensors")
    import_released(options.released, options.output)


@command(
    option("name", "model of these weights", choices=sorted(RELEASED)),
    option("released", "the authors' state dict (.safetensors, .pth)", type=Path),
    path("output", "the .safetensors file to write"),
)
def import_released(options: argparse.Namespace) -> None:
    """Convert weights that another group released to a file for `train.initial`."""
    from lstsr.models.sc_unet import import_released as import_weights

    check_output(options.output, (options.released,))
    check_suffix(options.output, ".safetensors")
    import_weights(options.name, options.released, options.output)


@command(
    path("model", "file of `lstsr import-dctnet`"),
    path("rgb", "folder of the colour images"),
    path("depth", "folder of the depth images"),
    option("--scale", "scale of the weights", type=int, required=True),
    option("--crop", "width of the border that does not count, pixels", type=int, default=0),
)
def evaluate_rgbd(options: argparse.Namespace) -> None:
    """Score released DCTNet weights on RGB-D pairs by the protocol of their authors."""
    from lstsr.evaluation.rgbd import evaluate as evaluate_pairs
    from lstsr.evaluation.rgbd import report as score_report
    from lstsr.models.dctnet_released import read_dctnet

    network = read_dctnet(options.model)
    scores = evaluate_pairs(network, options.rgb, options.depth, options.scale, options.crop)
    print(score_report(scores))


@command(
    option("--check", "only compare the file", action="store_true"),
    option(
        "--file",
        "the schema file (default: %(default)s)",
        type=Path,
        default=Path("workflow/schemas/config.schema.json"),
    ),
)
def schema(options: argparse.Namespace) -> None:
    """Write the JSON schema of the config, or check that the file is up to date."""
    from lstsr.config import schema as config_schema

    if not options.check:
        options.file.write_text(config_schema())
    elif options.file.read_text() != config_schema():
        raise LstsrError(f"{options.file} is out of date. Run `lstsr schema`")
