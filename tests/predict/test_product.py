"""A product from a pair of rasters against the same scene in other guises."""

from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from rasterio.enums import Resampling
from rasterio.warp import calculate_default_transform, reproject

from lstsr.config import Block, Config, DatasetConfig
from lstsr.dataset.align import align
from lstsr.dataset.loader import Dataset
from lstsr.dataset.pack import pack
from lstsr.errors import LstsrError
from lstsr.image import SensorImage
from lstsr.predict.pair import read_pair
from lstsr.predict.product import make_product
from lstsr.predict.request import Files, Options, Request
from lstsr.predict.scenes import predict_split
from lstsr.predict.writing import flags_path
from lstsr.registry import build
from lstsr.rows import Row
from lstsr.sensors import geotiff
from lstsr.training.checkpoint import CheckpointHeader, load_checkpoint, save_checkpoint
from tests.triplets import Sample, config_of, make, names, scene_files

SCALE = 4
SAMPLE = Sample(scenes=3, coarse_size=32)
OPTIONS = {"features": 8, "layers": 1}
FILES = {field.name for field in fields(Files)}
MODELS = ("bilinear", "global-linear", "local-linear", "dctnet")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def config(root: Path) -> Config:
    return config_of()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of three scenes."""
    folder = tmp_path_factory.mktemp("scenes")
    for name in names(SAMPLE):
        make(name, folder, SAMPLE)
    return folder


@pytest.fixture
def pair(scenes: Path, tmp_path: Path) -> Path:
    """A folder that holds an input and a reference, each with a cloud, and nothing else."""
    folder = tmp_path / "pair"
    clouds = {"lst_coarse.tif": np.s_[3:7, 20:26], "ndvi_fine.tif": np.s_[70:90, 8:30]}
    for file, cloud in clouds.items():
        image = geotiff.read_written(scenes / "sample-001" / file)
        clear = image.valid.copy()
        clear[cloud] = False
        geotiff.write(folder / file, replace(image, valid=clear))
    return folder


def row_of(config: Config, model: str) -> dict[str, Any]:
    return {
        "dataset": "sample",
        "track": "observed",
        "scale": SCALE,
        "model": model,
        "variant": "base",
        "seed": 0,
        "harmonised": False,
        "guide": "own",
        "normalisation": "input",
        "channels": ["ndvi"],
        "options": OPTIONS if model == "dctnet" else {},
        "train": asdict(config.train),
    }


@pytest.fixture(scope="module")
def checkpoint(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network whose weights were disturbed, so that it departs from its base."""
    path = tmp_path_factory.mktemp("checkpoint") / "dctnet.safetensors"
    torch.manual_seed(0)
    network = build("dctnet", SCALE, 1, **OPTIONS)
    with torch.no_grad():
        for values in network.parameters():
            values += 0.05 * torch.randn_like(values)
    described = CheckpointHeader(
        row=Row.from_dict(row_of(config, "dctnet")),
        dataset="sample",
        origin="observed",
        target_m=250.0,
        reference_bands=("ndvi",),
        scale_k=10.0,
        reference_mean=(0.45,),
        reference_std=(0.2,),
        validation_ubrmse_k=1.0,
        best_step=1,
        steps=1,
        train_seconds=1.0,
        fallback="bicubic",
    )
    save_checkpoint(path, network.state_dict(), described)
    return path


def ask(pair: Path, model: str | Path, **more: Any) -> Request:
    """The request for a pair; the product goes beside its folder."""
    files = Files(pair / "lst_coarse.tif", pair / "ndvi_fine.tif")
    request = Request(str(model), files, pair.parent / "out.tif", overwrite=True)
    return changed(request, **more)


def changed(request: Request, **more: Any) -> Request:
    """``request`` with other files or settings."""
    of_files = {name: more.pop(name) for name in FILES & more.keys()}
    return replace(request, files=replace(request.files, **of_files), **more)


def product(request: Request) -> np.ndarray:
    make_product(request)
    return geotiff.read_written(request.output).values[0]


def tags(path: Path) -> dict[str, str]:
    with rasterio.open(path) as dataset:
        found: dict[str, str] = dataset.tags()
    return found


def pixels(text: str) -> np.ndarray:
    return np.array([float(number) for number in text.removesuffix(" fine pixels").split(", ")])


@pytest.mark.parametrize("model", MODELS)
def test_a_cog_in_kelvin_on_the_divided_grid(pair: Path, checkpoint: Path, model: str) -> None:
    request = ask(pair, checkpoint if model == "dctnet" else model)
    make_product(request)
    with rasterio.open(request.files.input) as coarse, rasterio.open(request.output) as made:
        assert made.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert made.units == ("kelvin",) and np.isnan(made.nodata)
        assert made.crs == coarse.crs and made.bounds == coarse.bounds
        assert made.shape == (coarse.height * SCALE, coarse.width * SCALE)
        seen = np.isfinite(coarse.read(1)).repeat(SCALE, 0).repeat(SCALE, 1)
        values = made.read(1)
        np.testing.assert_array_equal(np.isfinite(values), seen)
        assert 0 < (~seen).sum() < seen.size
        assert abs(values[seen].mean() - np.nanmean(coarse.read(1))) < 1
    said = tags(request.output)
    assert said["model"] == Path(request.model).name and said["scale"] == "4"
    assert said["frame"] == "input" and said["unit"] == "kelvin"
    assert said["registration"].startswith("shift ")


def test_nothing_but_the_pair_is_read(
    pair: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No target is there, and every raster that is opened is one of the two, or the product."""
    opened: list[Path] = []
    real = rasterio.open

    def noted(path: Path, *arguments: Any, **more: Any) -> Any:
        opened.append(Path(path))
        return real(path, *arguments, **more)

    monkeypatch.setattr(rasterio, "open", noted)
    for number, model in enumerate(["local-linear", checkpoint]):
        out = pair.parent / f"{number}.tif"
        opened.clear()
        make_product(ask(pair, model, output=out))
        read = {path for path in opened if ".partial" not in path.name}
        assert read == {pair / "lst_coarse.tif", pair / "ndvi_fine.tif"}
        assert all(path.parent in (pair, pair.parent) for path in opened)
        assert out.exists()
    assert {path.name for path in pair.iterdir()} == {"lst_coarse.tif", "ndvi_fine.tif"}


@pytest.mark.parametrize("model", ["bicubic", "dctnet"])
def test_the_same_values_as_in_the_evaluation(
    config: Config, scenes: Path, pair: Path, tmp_path: Path, checkpoint: Path, model: str
) -> None:
    """The dataset's chain and this one meet where neither registers."""
    data = config.model_dump(mode="json")
    data["align"]["registration"] = {"reference": False, "input": False}
    still = Config.model_validate(data)
    splits = dict(zip(names(SAMPLE), ("train", "test", "validation"), strict=True))
    for name in splits:
        scene = scene_files(name, scenes)
        if name == "sample-001":
            scene = replace(scene, input=pair / "lst_coarse.tif", reference=pair / "ndvi_fine.tif")
        assert not align(scene, still.sensors, still.align, tmp_path / "aligned").reason
    packed = tmp_path / "dataset.safetensors"
    block = Block(track="observed", scale=SCALE)
    pack(
        packed,
        tmp_path / "aligned",
        splits,
        "sample",
        [block],
        DatasetConfig(),
        {"origin": "simulated"},
    )
    paths: list[Path] = []
    if model == "dctnet":  # as trained on this dataset, with its statistics
        network, described = load_checkpoint(checkpoint)
        meta = Dataset(packed).meta
        paths = [tmp_path / "of-dataset.safetensors"]
        of_dataset = replace(
            described,
            reference_mean=meta.reference_mean,
            reference_std=meta.reference_std,
            scale_k=meta.scale_k,
        )
        save_checkpoint(paths[0], network.network.state_dict(), of_dataset)
    predict_split(
        packed, Row.from_dict(row_of(config, model)), "test", paths, tmp_path / "index.csv", 1
    )
    expected = geotiff.read_written(tmp_path / "sample-001.tif").values[0]
    values = product(ask(pair, paths[0] if paths else model, register=False))
    seen = np.isfinite(values)
    np.testing.assert_allclose(values[seen], expected[seen], atol=1e-3)
    assert tags(pair.parent / "out.tif")["registration"] == "not registered, as asked"


@pytest.mark.parametrize("model", ["local-linear", "dctnet"])
@pytest.mark.parametrize(("crs", "spacing"), [("EPSG:32651", 250), ("EPSG:4326", 0.0025)])
def test_a_reference_in_another_coordinate_system(
    pair: Path, checkpoint: Path, model: str, crs: str, spacing: float
) -> None:
    """Neighbouring UTM zone, and degrees: what one more interpolation takes away remains."""
    which = checkpoint if model == "dctnet" else model
    here = product(ask(pair, which))
    with rasterio.open(pair / "ndvi_fine.tif") as source:
        place, width, height = calculate_default_transform(
            source.crs, crs, source.width, source.height, *source.bounds, resolution=spacing
        )
        values = np.full((height, width), np.nan, np.float32)
        reproject(
            rasterio.band(source, 1),
            values,
            dst_transform=place,
            dst_crs=crs,
            dst_nodata=np.nan,
            resampling=Resampling.cubic,
        )
        profile = source.profile | {"width": width, "height": height, "transform": place}
    profile |= {"driver": "GTiff", "crs": crs}
    other = pair.parent / "other.tif"
    with rasterio.open(other, "w", **profile) as written:
        written.write(values, 1)
    there = product(ask(pair, which, reference=other, scale=SCALE))
    difference = (here - there)[16:-16, 16:-16]
    detail = np.nanstd(here - product(ask(pair, "bilinear")))
    rmse_k = np.sqrt(np.nanmean(difference**2))
    assert rmse_k < 0.2 and rmse_k < 0.3 * detail
    np.testing.assert_array_equal(np.isfinite(there), np.isfinite(here))


def test_an_input_in_celsius(pair: Path) -> None:
    kelvin = product(ask(pair, "local-linear"))
    image = geotiff.read_written(pair / "lst_coarse.tif")
    celsius = pair.parent / "celsius.tif"
    in_celsius = replace(image, values=image.values - np.float32(273.15), unit="celsius")
    geotiff.write(celsius, in_celsius)
    values = product(ask(pair, "local-linear", input=celsius))
    np.testing.assert_allclose(values, kelvin, atol=1e-3)
    geotiff.write(celsius, replace(in_celsius, unit=""))
    options = {"input": Options(unit="celsius")}
    values = product(ask(pair, "local-linear", input=celsius, options=options))
    np.testing.assert_allclose(values, kelvin, atol=1e-3)


@pytest.mark.parametrize(("model", "within_k"), [("local-linear", 0.02), ("dctnet", 0.1)])
def test_tiles_agree_with_one_piece(
    tmp_path: Path, checkpoint: Path, model: str, within_k: float
) -> None:
    wide = Sample(scenes=3, coarse_size=56)
    make("sample-001", tmp_path, wide)
    which = checkpoint if model == "dctnet" else model
    request = ask(tmp_path / "sample-001", which)
    whole, tiles = product(request), product(replace(request, tile=128))
    assert np.nanmax(np.abs(whole - tiles)) < within_k
    assert np.nanstd(whole - product(replace(request, model="bilinear"))) > 0.1
    seams = product(replace(request, model="global-linear"))
    np.testing.assert_array_equal(seams, product(replace(request, model="global-linear", tile=128)))


@pytest.mark.parametrize("model", ["bicubic-backprojected", "local-linear", "dctnet"])
def test_what_lies_under_a_mask_has_no_influence(pair: Path, checkpoint: Path, model: str) -> None:
    request = ask(pair, checkpoint if model == "dctnet" else model)
    reference = product(request)
    assert np.isfinite(reference).any()
    for junk in (0.0, 1e6):
        junked = pair.parent / f"junk-{junk:g}"
        junked.mkdir()
        for file in pair.iterdir():
            with rasterio.open(file) as source:
                values, profile = source.read(), source.profile
            assert np.isnan(values).any()
            profile |= {"driver": "GTiff", "nodata": junk}
            with rasterio.open(junked / file.name, "w", **profile) as written:
                written.write(np.nan_to_num(values, nan=junk))
        values = product(
            changed(
                request,
                input=junked / "lst_coarse.tif",
                reference=junked / "ndvi_fine.tif",
            )
        )
        np.testing.assert_array_equal(values, reference)


@pytest.fixture
def displaced(pair: Path) -> Iterator[tuple[Path, np.ndarray]]:
    """The reference labelled 2 fine pixels too far south and 1 too far west."""
    by = np.array([2.0, -1.0])
    image = geotiff.read_written(pair / "ndvi_fine.tif")
    path = pair.parent / "displaced.tif"
    geotiff.write(path, replace(image, grid=image.grid.moved(*by)))
    yield path, by


def test_a_displaced_reference_is_moved_back(
    pair: Path, displaced: tuple[Path, np.ndarray]
) -> None:
    path, by = displaced
    values = product(ask(pair, "local-linear"))
    moved = pixels(tags(pair.parent / "out.tif")["reference_moved"])
    again = product(ask(pair, "local-linear", reference=path))
    found = moved - pixels(tags(pair.parent / "out.tif")["reference_moved"])
    np.testing.assert_allclose(found, by, atol=0.3)
    unmoved = product(ask(pair, "local-linear", reference=path, register=False))
    inner = np.s_[16:-16, 16:-16]
    error = np.nanstd((again - values)[inner])
    assert error < np.nanstd((unmoved - values)[inner]) / 3


def test_with_a_base_image_the_product_lies_in_its_frame(
    pair: Path, displaced: tuple[Path, np.ndarray]
) -> None:
    """The base shows what the reference shows, elsewhere: input and product move there."""
    path, by = displaced
    request = ask(pair, "local-linear")
    values = product(request)
    moved = pixels(tags(request.output)["reference_moved"])
    here = geotiff.read_written(request.output).grid
    based = product(replace(request, base_image=path))
    said, there = tags(request.output), geotiff.read_written(request.output).grid
    assert said["frame"] == "base image displaced.tif"
    assert "input shift" in said["registration"]
    np.testing.assert_allclose(pixels(said["reference_moved"]), moved, atol=0.3)
    column, row = ~here.transform @ (there.transform.c, there.transform.f)
    np.testing.assert_allclose((row, column), by - moved, atol=0.3)
    inner = np.s_[16:-16, 16:-16]
    assert np.nanstd((based - values)[inner]) < 0.2


def test_earlier_lst_and_the_grid_of_the_product_do_not_move(
    scenes: Path, pair: Path, displaced: tuple[Path, np.ndarray], checkpoint: Path
) -> None:
    """The input moves onto the reference, or both move onto the base image."""
    network, described = load_checkpoint(checkpoint)
    bands = ("ndvi", "history", "history_age", "history_count")
    grid = {"crs": "EPSG:32652", "spacing_m": 1000}
    align = {"anchor": "target", "grid": grid, "scale": SCALE, "layers": ["history"]}
    like = pair.parent / "history.safetensors"
    of_history = {"reference_mean": (0.45, 0, 9, 1), "reference_std": (0.2, 3, 1, 1)}
    thermal = {"sensor": "thermal", "unit": "kelvin"}
    readings = {"input": thermal, "target": thermal}
    trained = replace(
        described, align=align, readings=readings, reference_bands=bands, **of_history
    )
    save_checkpoint(like, network.network.state_dict(), trained)
    (pair.parent / "earlier").mkdir()
    earlier = geotiff.read_written(scenes / "sample-001" / "lst_fine.tif")
    geotiff.write(pair.parent / "earlier/lst.tif", replace(earlier, time="2023-05-01T02:10:00Z"))
    path, by = displaced
    request = ask(
        pair,
        "local-linear",
        like=like,
        history=pair.parent / "earlier",
        time="2023-05-12T02:10:00Z",
    )
    plain = ask(pair, "local-linear", scale=SCALE, output=pair.parent / "plain.tif")
    make_product(plain)
    apart = pixels(tags(plain.output)["reference_moved"])
    here = geotiff.read_written(pair / "ndvi_fine.tif").grid
    for base_image, frame, moved in (
        (None, "reference", (0, 0)),
        (path, "base image displaced.tif", by),
    ):
        make_product(replace(request, base_image=base_image))
        said = tags(request.output)
        assert (said["frame"], said["earlier_lst"]) == (frame, "2023-05-01T02:10:00Z")
        np.testing.assert_allclose(pixels(said["reference_moved"]), moved, atol=0.3)
        found = pixels(said["input_moved"])
        np.testing.assert_allclose(found, moved - apart, atol=0.3)
        assert geotiff.read_written(request.output).grid.transform.almost_equals(here.transform)


def test_a_pair_that_cannot_be_registered_says_so(pair: Path) -> None:
    """A reference without any structure: the product is the unguided one, unregistered."""
    image = geotiff.read_written(pair / "ndvi_fine.tif")
    noise = np.random.default_rng(0).normal(0.4, 0.1, image.values.shape).astype(np.float32)
    path = pair.parent / "noise.tif"
    geotiff.write(path, SensorImage(noise, image.valid, image.grid, ("b",), "index", "none"))
    request = ask(pair, "local-linear", reference=path)
    make_product(request)
    said = tags(request.output)
    assert said["registration"].startswith("not registered: ")
    assert said["reference_moved"] == "0.000, 0.000 fine pixels"


def test_the_reference_is_read_as_in_training(pair: Path, checkpoint: Path, tmp_path: Path) -> None:
    network, described = load_checkpoint(checkpoint)
    counts = {
        "sensor": "optical",
        "unit": "index",
        "names": ["ndvi"],
        "scale": 1e-4,
        "nodata": -1e4,
    }
    trained_on_counts = tmp_path / "counts.safetensors"
    save_checkpoint(
        trained_on_counts,
        network.network.state_dict(),
        replace(described, readings={"reference": counts}),
    )
    path = pair / "ndvi_counts.tif"
    with rasterio.open(pair / "ndvi_fine.tif") as dataset:
        values, profile = dataset.read(), dataset.profile
    stored = np.where(np.isfinite(values), np.round(values * 1e4), -1e4).astype(np.int16)
    profile = {key: profile[key] for key in ("width", "height", "crs", "transform", "count")}
    with rasterio.open(path, "w", driver="GTiff", dtype="int16", **profile) as dataset:
        dataset.write(stored)
    expected = product(ask(pair, checkpoint))
    found = product(ask(pair, trained_on_counts, reference=path))
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_flags_say_where_there_is_no_input_no_reference_and_water(
    pair: Path, checkpoint: Path, tmp_path: Path
) -> None:
    """And without a reference the values are those of the fallback."""
    request = ask(pair, checkpoint, register=False)
    reference = geotiff.read_written(request.files.reference)
    valid = reference.valid.copy()
    valid[10:40, 10:40] = False
    geotiff.write(tmp_path / "holes.tif", replace(reference, valid=valid))
    shares = np.full((1, *reference.grid.shape), 0.2, np.float32)
    shares[:, :, 60:] = 0.8
    water = replace(reference, values=shares, valid=np.ones_like(valid), bands=("water",))
    geotiff.write(tmp_path / "water.tif", water)
    request = changed(request, reference=tmp_path / "holes.tif", water=tmp_path / "water.tif")
    values = product(request)
    with rasterio.open(flags_path(request.output)) as dataset:
        flags = dataset.read(1)
        assert dataset.tags()["flag_meanings"] == "no_input no_reference water"
        assert dataset.tags()["flag_masks"] == "1 2 4"
        assert dataset.dtypes == ("uint8",)
    no_input, no_reference, wet = (flags >> bit & 1 for bit in range(3))
    np.testing.assert_array_equal(no_input > 0, ~np.isfinite(values))
    assert (no_reference[10:40, 10:40] + no_input[10:40, 10:40] == 1).all()
    np.testing.assert_array_equal(wet[:, 62:], 1)
    np.testing.assert_array_equal(wet[:, :58], 0)
    bicubic = product(replace(request, model="bicubic", scale=SCALE))
    alone = (no_reference > 0) & np.isfinite(bicubic)
    np.testing.assert_allclose(values[alone], bicubic[alone], atol=1e-3)


def test_a_reference_older_than_training_allowed_is_refused(
    pair: Path, checkpoint: Path, tmp_path: Path
) -> None:
    network, described = load_checkpoint(checkpoint)
    align = {"scale": SCALE, "reference_max_age_h": 6}
    save_checkpoint(
        tmp_path / "young.safetensors",
        network.network.state_dict(),
        replace(described, align=align),
    )
    request = ask(pair, tmp_path / "young.safetensors", register=False)
    for role, time in (("input", "2023-05-12T02:10:00Z"), ("reference", "2023-05-11T14:10:00Z")):
        image = geotiff.read_written(getattr(request.files, role))
        geotiff.write(tmp_path / f"{role}.tif", replace(image, time=time))
    aged = changed(request, input=tmp_path / "input.tif", reference=tmp_path / "reference.tif")
    with pytest.raises(LstsrError, match=r"12.0 hours older than the input.*at most 6 hours"):
        make_product(aged)
    make_product(replace(aged, model=str(checkpoint)))
    assert tags(aged.output)["reference_age_h"] == "12.00"


def test_layers_come_in_the_order_that_the_network_was_trained_with(
    pair: Path, checkpoint: Path
) -> None:
    _, described = load_checkpoint(checkpoint)
    align = {"scale": SCALE, "layers": ["elevation", "slope", "water"]}
    bands = ("ndvi", "water", "elevation")
    optical = {"sensor": "optical", "unit": "index", "names": ["ndvi"]}
    thermal = {"sensor": "thermal", "unit": "kelvin"}
    readings = {"input": thermal, "reference": optical}
    trained = replace(described, align=align, reference_bands=bands, readings=readings)
    found = read_pair(ask(pair, checkpoint).files, trained, SCALE)
    assert found.recipe.layers == ["water", "elevation"]


def test_a_correction_of_one_product_is_not_applied_to_another(
    pair: Path, checkpoint: Path
) -> None:
    _, described = load_checkpoint(checkpoint)
    sensors = {"input": {"product": "gk2a"}, "reference": {"product": "geotiff"}}
    trained = replace(described, harmonisation={"n_scenes": 3}, readings=sensors)
    with pytest.raises(LstsrError, match="a geotiff file, but .* corrects the bias of gk2a"):
        read_pair(ask(pair, checkpoint).files, trained, SCALE)


def test_swapped_images_are_told(pair: Path) -> None:
    swapped = {"input": pair / "ndvi_fine.tif", "reference": pair / "lst_coarse.tif"}
    with pytest.raises(LstsrError, match="finer than the 1000 m of the reference.* swapped"):
        make_product(ask(pair, "bilinear", scale=4, **swapped))


def test_a_product_of_other_pixels_than_those_of_training_is_told(
    pair: Path, checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("lst_coarse.tif", "ndvi_fine.tif"):
        image = geotiff.read_written(pair / name)
        a, b, c, d, e, f = tuple(image.grid.transform)[:6]
        grid = replace(image.grid, transform=Affine(a / 2, b, c, d, e / 2, f))
        geotiff.write(tmp_path / name, replace(image, grid=grid))
    make_product(ask(tmp_path, checkpoint, output=tmp_path / "out.tif", register=False))
    assert "pixels of 125 m, but dctnet-base-x4-observed-s0 was trained on 250 m" in caplog.text
    caplog.clear()
    make_product(ask(pair, checkpoint, register=False))
    assert "was trained on" not in caplog.text
