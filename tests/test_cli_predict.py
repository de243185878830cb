"""`lstsr predict` as people type it: what goes wrong is one line, and leaves no file behind."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from lstsr.cli import main
from lstsr.registry import build
from lstsr.rows import Row
from lstsr.sensors import geotiff
from lstsr.training.checkpoint import CheckpointHeader, save_checkpoint
from tests.triplets import Sample, config_of, make

OPTIONS = {"features": 8, "layers": 1}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one simulated scene."""
    folder = tmp_path_factory.mktemp("scene")
    make("sample-001", folder, Sample(scenes=3, coarse_size=24))
    return folder / "sample-001"


@pytest.fixture(scope="module")
def checkpoint(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An x4 network with two reference bands."""
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("checkpoint") / "two-bands.safetensors"
    row = {"dataset": "d", "track": "observed", "scale": 4, "model": "dctnet", "variant": "base"}
    train = asdict(config_of().train)
    described = CheckpointHeader(
        row=Row.from_dict(
            row
            | {
                "seed": 0,
                "harmonised": False,
                "guide": "own",
                "normalisation": "input",
                "channels": ["red", "nir"],
                "options": OPTIONS,
                "train": train,
            }
        ),
        dataset="d",
        origin="observed",
        target_m=250.0,
        reference_bands=("red", "nir"),
        scale_k=10.0,
        reference_mean=(0.1, 0.3),
        reference_std=(0.1, 0.1),
        validation_ubrmse_k=1.0,
        best_step=1,
        steps=1,
        train_seconds=1.0,
        fallback="bicubic",
    )
    save_checkpoint(path, build("dctnet", 4, 2, **OPTIONS).state_dict(), described)
    return path


def predict(model: object, coarse: Path, reference: Path, output: Path, *more: str) -> int:
    paths = ["--input", str(coarse), "--reference", str(reference), "--output", str(output)]
    return main(["predict", "--model", str(model), *paths, *more])


def test_a_product_by_the_command(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "out.tif"
    coarse, reference = scene / "lst_coarse.tif", scene / "ndvi_fine.tif"
    assert predict("local-linear", coarse, reference, output, "--input-unit", "kelvin") == 0
    assert geotiff.read_written(output).grid.shape == (96, 96)
    assert {file.name for file in output.parent.iterdir()} == {"out.tif", "out_flags.tif"}
    assert predict("bicubic", coarse, reference, output, "--scale", "2") == 1
    assert "out.tif already exists and holds something else. Use --overwrite" in (
        capsys.readouterr().err
    )
    assert predict("bicubic", coarse, reference, output, "--scale", "2", "--overwrite") == 0
    assert geotiff.read_written(output).grid.shape == (48, 48)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("missing", "gone.tif: No such file or directory. Name an existing raster"),
        ("missing input", "gone.tif: No such file or directory. Name an existing raster"),
        ("missing base", "gone.tif: No such file or directory. Name an existing raster"),
        ("apart", "apart.tif: does not overlap the input"),
        ("far away", "apart.tif: does not overlap the input"),
        ("base far away", "apart.tif: does not overlap the input"),
        ("clouded", "clouded.tif: no valid pixel lies in a valid cell of"),
        ("no checkpoint", "lst_coarse.tif: is not a checkpoint of lstsr"),
        ("scale", "was trained for x4, not x8"),
        ("name", "--model resnet: not a checkpoint file and not one of atprk, "),
        ("bands", "ndvi_fine.tif: the file has 1 band: 1 ndvi. Choose 2 of them"),
        ("truncated", "cut.tif: cannot be read. It may be truncated"),
        ("crs", "bare.tif: no coordinate system"),
        ("celsius", "has the unit 'kelvin' in the file, but the reading"),
        ("not finer", "coarse_ndvi.tif: not finer than"),
        ("seeds of a method", "--seed-ensemble: local-linear is not a network. Remove this"),
        ("same seed", "two-bands.safetensors: has the same seed as"),
    ],
)
def test_a_fault_is_one_line_and_no_file(
    scene: Path,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: str,
    said: str,
) -> None:
    coarse, fine = scene / "lst_coarse.tif", scene / "ndvi_fine.tif"
    output = tmp_path / "made" / "out.tif"
    model, reference, more = "local-linear", fine, list[str]()
    if fault == "missing":
        reference = tmp_path / "gone.tif"
    elif fault == "missing input":
        coarse = tmp_path / "gone.tif"
    elif fault == "missing base":
        more = ["--base-image", str(tmp_path / "gone.tif")]
    elif fault in ("apart", "far away", "base far away"):
        apart = tmp_path / "apart.tif"
        image = geotiff.read_written(fine)
        here = image.grid
        # the latter: in America, where this scene's coordinate system means nothing
        grid = here.moved(0, 500) if fault == "apart" else replace(here, crs="EPSG:32610")
        geotiff.write(apart, replace(image, grid=grid))
        if fault == "base far away":
            more = ["--base-image", str(apart)]
        else:
            reference = apart
    elif fault == "clouded":  # the input is clear only where the reference is not
        reference, image = tmp_path / "clouded.tif", geotiff.read_written(fine)
        geotiff.write(reference, replace(image, valid=np.indices(image.valid.shape)[0] < 4))
        image, coarse = geotiff.read_written(coarse), tmp_path / "coarse.tif"
        geotiff.write(coarse, replace(image, valid=np.indices(image.valid.shape)[0] > 0))
    elif fault == "no checkpoint":
        model = str(coarse)
    elif fault == "scale":
        model, more, reference = str(checkpoint), ["--scale", "8"], tmp_path / "two.tif"
        image = geotiff.read_written(fine)
        two = np.concatenate([image.values, image.values])
        geotiff.write(reference, replace(image, values=two, bands=("red", "nir")))
    elif fault == "name":
        model = "resnet"
    elif fault == "bands":
        model = str(checkpoint)
    elif fault == "truncated":
        reference = tmp_path / "cut.tif"
        reference.write_bytes(fine.read_bytes()[:3000])
    elif fault == "crs":
        reference = tmp_path / "bare.tif"
        with rasterio.open(fine) as source:
            profile = source.profile | {"driver": "GTiff", "crs": None}
            with rasterio.open(reference, "w", **profile) as bare:
                bare.write(np.nan_to_num(source.read()))
    elif fault == "celsius":
        more = ["--input-unit", "celsius"]
    elif fault == "not finer":
        reference, image = tmp_path / "coarse_ndvi.tif", geotiff.read_written(coarse)
        ndvi = (image.values - 250) / 100
        geotiff.write(reference, replace(image, values=ndvi, unit="index", bands=("ndvi",)))
    elif fault in ("seeds of a method", "same seed"):
        model = str(checkpoint) if fault == "same seed" else model
        more = ["--seed-ensemble", str(checkpoint)]
    assert predict(model, coarse, reference, output, *more) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lstsr: ")]
    assert len(lines) == 1
    assert said in lines[0]
    assert not output.parent.exists() or not list(output.parent.iterdir())


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--scale", "1"), "argument --scale: 1 is not a whole number between 2 and 64"),
        (("--scale", "1000"), "argument --scale: 1000 is not a whole number between 2 and 64"),
        (("--input-scale", "0,1"), "argument --input-scale: 0,1 is not a number"),
        (("--input-unit", "C"), "argument --input-unit: invalid choice: 'C'"),
        (("--tile", "8"), "argument --tile: 8 is not a whole number of at least"),
    ],
)
def test_a_wrong_option_is_one_line(
    scene: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: tuple[str, str],
    said: str,
) -> None:
    coarse, fine = scene / "lst_coarse.tif", scene / "ndvi_fine.tif"
    with pytest.raises(SystemExit):
        predict("local-linear", coarse, fine, tmp_path / "out.tif", *option)
    line = capsys.readouterr().err
    assert said in line and line.count("\n") == 1
