"""The published DCTNet against its fixtures; released weights as a file that is safe to open."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from lstsr.errors import LstsrError
from lstsr.fingerprint import closure
from lstsr.models.dct import published_laplacian, solve
from lstsr.models.dctnet_released import (
    PublishedDCTNet,
    import_dctnet,
    load_published,
    read_dctnet,
)
from lstsr.registry import MODELS
from lstsr.training.checkpoint import read_header
from tests.released import random_weights


def test_published_network_has_the_published_size():
    assert sum(p.numel() for p in PublishedDCTNet().parameters()) == 480_545


@pytest.mark.real
@pytest.mark.parametrize(("dtype", "prefix"), [(torch.float32, "module."), (torch.float64, "")])
@pytest.mark.parametrize("name", ["dctnet_random_x4_64x64", "dctnet_random_x8_72x104"])
def test_published_network_reproduces_its_fixture(shared, name, dtype, prefix):
    """The fixture is of a run in double precision, its features stored in single precision.

    In double precision nothing but their storage differs; in single precision, where sums of
    features of size 10 are rounded in each processor's own order, no more than 1e-5 of that size.
    """
    exact = dtype == torch.float64
    close = {"rtol": 0, "atol": 1e-8 if exact else 1e-5}
    fixture = np.load(shared / "parity" / f"{name}.npz")
    weights = {
        prefix + k.removeprefix("w."): torch.from_numpy(fixture[k])
        for k in fixture.files
        if k.startswith("w.")
    }
    assert sum(v.numel() for v in weights.values()) == 482_865
    network = load_published(weights).to(dtype)
    upsampled = torch.from_numpy(fixture["lr_up"])[None, None].to(dtype)
    guide = torch.from_numpy(fixture["guide"])[None].to(dtype)
    with torch.no_grad():
        output = network(upsampled, guide)
        d, r = network.extraction(upsampled, guide)
        lam = network.theta[0].exp()
        w = network.attention(r)
        rhs = d + lam * published_laplacian(w * published_laplacian(r))
        z = solve(rhs, lam)
    np.testing.assert_allclose(output[0, 0], fixture["out"], **close)
    np.testing.assert_allclose(lam.flatten(), fixture["lam"], **close)
    for key, value in {
        "feat_depth": d,
        "feat_guide": r,
        "weight": w,
        "rhs": rhs,
        "z": z,
    }.items():
        channels = fixture[f"{key}_ch"]
        share = (1e-7 if exact else 1e-5) * np.abs(channels).max()
        np.testing.assert_allclose(value[0, :4], channels, rtol=0, atol=share)
        np.testing.assert_allclose(value[0].mean((1, 2)), fixture[f"{key}_mean"], **close)
        deviation = value[0].std((1, 2), correction=0)
        np.testing.assert_allclose(deviation, fixture[f"{key}_std"], **close)


@pytest.mark.real
def test_published_names_and_shapes_are_complete(shared):
    listing = (shared / "parity" / "dctnet_published_state_dict.txt").read_text().splitlines()
    shapes = {
        key: tuple(int(n) for n in shape.strip("()").split(",") if n.strip())
        for key, shape, _ in (line.split("\t") for line in listing)
    }
    weights = {key: torch.zeros(shape) for key, shape in shapes.items()}
    load_published(weights)
    weights.pop("module.lambd")
    with pytest.raises(LstsrError, match="state_dict: .*: theta is missing$"):
        load_published(weights)


def test_another_checkpoint_is_refused():
    with pytest.raises(LstsrError, match="state_dict: .*missing and 73 more$"):
        load_published({"conv1.weight": torch.zeros(1)})


@pytest.mark.real
def test_the_random_weights_have_the_released_layout(shared):
    listing = (shared / "parity" / "dctnet_published_state_dict.txt").read_text().splitlines()
    shapes = {key: shape for key, shape, _ in (line.split("\t") for line in listing)}
    assert {k: str(tuple(v.shape)) for k, v in random_weights().items()} == shapes


def test_the_imported_network_is_that_of_the_released_file(tmp_path):
    weights = random_weights()
    torch.save(weights, tmp_path / "released.pth")
    import_dctnet(tmp_path / "released.pth", tmp_path / "ours.safetensors")
    image, guide = torch.rand(1, 1, 24, 32), torch.randn(1, 3, 24, 32)
    with torch.no_grad():
        ours = read_dctnet(tmp_path / "ours.safetensors")(image, guide)
        assert torch.equal(ours, load_published(weights)(image, guide))
    assert ours.std() > 0


def test_an_imported_file_is_not_taken_for_a_row_of_ours(tmp_path):
    torch.save(random_weights(), tmp_path / "released.pth")
    import_dctnet(tmp_path / "released.pth", tmp_path / "ours.safetensors")
    with pytest.raises(LstsrError, match="is not a checkpoint of lstsr"):
        read_header(tmp_path / "ours.safetensors")


class Harmful:
    """A pickle that writes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def refused(folder: Path) -> str:
    """The message on ``released.pth``: one line, nothing written."""
    with pytest.raises(LstsrError) as caught:
        import_dctnet(folder / "released.pth", folder / "ours.safetensors")
    message = str(caught.value)
    assert message.startswith(f"{folder / 'released.pth'}: ") and "\n" not in message
    assert not (folder / "ours.safetensors").exists()
    return message


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path):
    torch.save({**random_weights(), "more": Harmful(tmp_path / "touched")}, tmp_path / "harm.zip")
    (tmp_path / "released.pth").write_bytes((tmp_path / "harm.zip").read_bytes())
    assert "does not hold plain weights" in refused(tmp_path)
    (tmp_path / "released.pth").write_bytes(pickle.dumps(Harmful(tmp_path / "touched"), 2))
    assert "does not hold plain weights" in refused(tmp_path)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"not weights"])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "released.pth").write_bytes(content)
    assert "does not hold plain weights" in refused(tmp_path)


def test_other_weights_are_refused(tmp_path):
    assert "No such file" in refused(tmp_path)

    def message(change: dict) -> str:
        torch.save(random_weights() | change, tmp_path / "released.pth")
        return refused(tmp_path)

    assert "DCTNet checkpoint: more is unknown. Use a" in message({"module.more": torch.zeros(1)})
    assert "theta has the shape (64,), not (1, 64, 1, 1)" in message(
        {"module.lambd": torch.zeros(64)}
    )
    assert "does not hold a plain state dict" in message({"epoch": 200})
    torch.save({"state_dict": random_weights()}, tmp_path / "released.pth")
    assert "does not hold a plain state dict" in refused(tmp_path)


def test_a_file_that_was_not_imported_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(LstsrError, match=r"model\.safetensors: .*lstsr import-dctnet"):
        read_dctnet(path)
    path.write_bytes(b"not weights")
    with pytest.raises(LstsrError, match="lstsr import-dctnet"):
        read_dctnet(path)


def test_no_stage_of_the_workflow_depends_on_the_published_network():
    stages = ("lstsr.training.loop", "lstsr.predict.scenes", "lstsr.evaluation.figures")
    for module in (*stages, *MODELS.values()):
        assert "lstsr.models.dctnet_released" not in closure(module)
