"""The RGB-D protocol against its definition, from files to the printed mean."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lstsr.cli import main
from lstsr.errors import LstsrError
from lstsr.evaluation.rgbd import evaluate, pairs, prepare, read_pair, report, rmse
from lstsr.models.dctnet_released import load_published
from tests.released import random_weights


class Echo(nn.Module):
    """Gives back the bicubic image, moved by a constant."""

    def __init__(self, moved: float) -> None:
        super().__init__()
        self.moved = moved

    def forward(self, upsampled, guide):
        return upsampled + self.moved


def write_pair(folder, name, height, width, suffix=".png", seed=0):
    """A smooth depth of 8 bits (png) or in metres (npy), and a colour image of the same scene."""
    row, column = np.mgrid[:height, :width]
    depth = 120 + 60 * np.sin(row / (5 + seed)) * np.cos(column / 7) + 40 * (column > width / 2)
    colour = np.stack([depth, 255 - depth, (row + column) % 256], -1).astype(np.uint8)
    for kind in ("rgb", "depth"):
        (folder / kind).mkdir(exist_ok=True)
    Image.fromarray(colour).save(folder / "rgb" / f"{name}.png")
    if suffix == ".npy":
        np.save(folder / "depth" / f"{name}.npy", depth / 50)
    else:
        Image.fromarray(depth.astype(np.uint8)).save(folder / "depth" / f"{name}.png")


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "scale"), [("dctnet_random_x4_64x64", 4), ("dctnet_random_x8_72x104", 8)]
)
def test_depth_is_prepared_as_in_the_fixture(shared, tmp_path, name, scale):
    fixture = np.load(shared / "parity" / f"{name}.npz")
    guide = np.zeros((*fixture["target"].shape, 3), np.uint8)
    # Any unit of depth: the range goes into the error and nowhere else.
    pair = prepare(guide, 7 + 3 * fixture["target"], scale, tmp_path)
    np.testing.assert_allclose(pair.upsampled, fixture["lr_up"], atol=1e-6)
    np.testing.assert_allclose(pair.truth, fixture["target"], atol=1e-6)
    assert pair.depth_range == pytest.approx(3)
    error = np.clip(fixture["out"], 0, 1) - fixture["target"]
    assert rmse(fixture["out"], pair) == pytest.approx(3 * np.sqrt((error**2).mean()), rel=1e-6)


def test_the_guide_is_standardised_and_sides_are_cropped_to_the_scale(tmp_path):
    write_pair(tmp_path, "a", 35, 46)
    pair = read_pair(tmp_path / "rgb" / "a.png", tmp_path / "depth" / "a.png", 4)
    assert pair.truth.shape == pair.upsampled.shape == (32, 44)
    colour = np.asarray(Image.open(tmp_path / "rgb" / "a.png"))[:32, :44] / 255
    for channel, (mean, std) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]):
        expected = (colour[..., channel] - mean) / std
        np.testing.assert_allclose(pair.guide[channel], expected, atol=1e-5)
    depth = np.asarray(Image.open(tmp_path / "depth" / "a.png"))[:32, :44].astype(float)
    assert pair.depth_range == np.ptp(depth)
    np.testing.assert_allclose(pair.truth * np.ptp(depth) + depth.min(), depth, atol=1e-4)


def test_the_error_is_clamped_cropped_and_in_the_unit_of_the_file(tmp_path):
    write_pair(tmp_path, "a", 32, 48, ".npy")
    folders = tmp_path / "rgb", tmp_path / "depth"
    (same,) = evaluate(Echo(0.0), *folders, 4)
    assert same.rmse == same.bicubic_rmse > 0
    (low,) = evaluate(Echo(-9.0), *folders, 4, crop=6)
    depth = np.load(tmp_path / "depth" / "a.npy")
    expected = np.sqrt(((depth - depth.min())[6:-6, 6:-6] ** 2).mean())
    assert low.rmse == pytest.approx(expected, rel=1e-5)
    assert low.bicubic_rmse != same.bicubic_rmse


def test_imported_weights_are_scored_on_a_folder(tmp_path, capsys):
    for seed, name in enumerate(("a", "b")):
        write_pair(tmp_path, name, 34, 48, seed=seed)
    (tmp_path / "depth" / "notes.txt").write_text("not an image")
    weights = random_weights()
    torch.save(weights, tmp_path / "released.pth")
    model = str(tmp_path / "model.safetensors")
    assert main(["import-dctnet", str(tmp_path / "released.pth"), model]) == 0
    folders = ["--rgb", str(tmp_path / "rgb"), "--depth", str(tmp_path / "depth")]
    assert main(["evaluate-rgbd", "--model", model, *folders, "--scale", "4"]) == 0
    *_, a, b, mean = (line.split() for line in capsys.readouterr().out.splitlines())
    network, expected = load_published(weights), []
    for colour, depth in pairs(tmp_path / "rgb", tmp_path / "depth"):
        pair = read_pair(colour, depth, 4)
        with torch.no_grad():
            output = network(
                torch.from_numpy(pair.upsampled)[None, None], torch.from_numpy(pair.guide)[None]
            )
        error = (output[0, 0].clamp(0, 1).numpy() - pair.truth) * pair.depth_range
        expected.append(np.sqrt((error**2).mean()))
    assert [a[0], b[0], mean[0]] == ["a", "b", "mean"]
    assert [float(a[1]), float(b[1])] == pytest.approx(expected, rel=1e-4)
    assert float(mean[1]) == pytest.approx(np.mean(expected), rel=1e-4)
    assert float(mean[2]) == pytest.approx((float(a[2]) + float(b[2])) / 2, abs=1e-5)


def test_report_names_every_image_and_their_mean(tmp_path):
    for name in ("long-name", "x"):
        write_pair(tmp_path, name, 32, 32)
    lines = report(evaluate(Echo(0.0), tmp_path / "rgb", tmp_path / "depth", 8)).splitlines()
    assert [line.split()[0] for line in lines] == ["image", "long-name", "x", "mean"]
    assert len(set(map(len, lines))) == 1


def fault(folder, scale=4, crop=0) -> str:
    """The message on the folder's pairs, one line."""
    with pytest.raises(LstsrError) as caught:
        evaluate(Echo(0.0), folder / "rgb", folder / "depth", scale, crop)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_faults_name_the_file(tmp_path):
    assert "rgb: not a folder" in fault(tmp_path)
    write_pair(tmp_path, "a", 32, 48)
    assert fault(tmp_path, scale=1).startswith("scale 1, crop 0: ")
    assert "a.png: (32, 48) pixels are too few for crop 16" in fault(tmp_path, crop=16)
    depth = tmp_path / "depth" / "a.png"
    Image.new("L", (48, 32), 7).save(depth)
    assert "a.png: depths from 7.0 to 7.0 have no range" in fault(tmp_path)
    Image.new("RGB", (48, 32)).save(depth)
    assert "a.png: uint8 of shape (32, 48, 3) is not a depth" in fault(tmp_path)
    Image.new("P", (48, 32)).save(depth)
    assert "is not a depth of one channel" in fault(tmp_path)
    Image.new("L", (40, 32)).save(depth)
    assert "a.png: (32, 48) pixels, but (32, 40) in a.png" in fault(tmp_path)
    depth.write_bytes(b"not an image")
    assert "a.png: not a readable image" in fault(tmp_path)
    depth.rename(tmp_path / "depth" / "a.npy")
    assert "a.npy: not an array of numbers" in fault(tmp_path)
    np.save(tmp_path / "depth" / "a.npy", np.full((32, 48), np.nan))
    assert "have no range" in fault(tmp_path)
    np.save(tmp_path / "depth" / "b.npy", np.zeros((32, 48)))
    assert "1 images, but 2 depths" in fault(tmp_path)
    for file in (tmp_path / "depth").iterdir():
        file.unlink()
    assert "depth: no file of .npy, .png" in fault(tmp_path)
