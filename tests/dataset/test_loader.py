"""Scenes and windows of the dataset file, compared with the arrays that it was written from."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from lstsr.dataset.loader import Dataset, SceneArrays
from lstsr.errors import LstsrError

KEY = "observed-x4"


def assert_same(read: SceneArrays, expected: SceneArrays) -> None:
    for field in dataclasses.fields(SceneArrays):
        value, truth = getattr(read, field.name), getattr(expected, field.name)
        np.testing.assert_array_equal(value, truth, err_msg=field.name)
        assert np.asarray(value).dtype == np.asarray(truth).dtype, field.name


def test_header_and_splits(dataset_path: Path) -> None:
    dataset = Dataset(dataset_path)
    assert dataset.meta.dataset == "small"
    assert dataset.meta.reference_bands == ("red", "nir")
    assert dataset.meta.reference_std == (0.05, 0.1)
    assert dataset.meta.config == {"wild_k": 15.0}
    assert dataset.scenes("train") == ["b", "a"]
    assert dataset.scenes("validation") == ["c"]
    assert dataset.scenes("test") == []
    entry = dataset.scene_meta("c")
    assert (entry.split, entry.crs, entry.transform[4]) == ("validation", "EPSG:5179", -250.0)
    assert dataset.row("dctnet-base-x4-observed-s0") == {"model": "dctnet", "scale": 4}


def test_whole_scenes(dataset_path: Path, truth: dict[str, SceneArrays]) -> None:
    dataset = Dataset(dataset_path)
    for name, expected in truth.items():
        assert_same(dataset.scene(name, KEY), expected)
        assert dataset.shape(name, KEY) == expected.input.shape
        np.testing.assert_array_equal(dataset.scored(name, KEY), expected.scored)
    assert dataset.scene("a", KEY).scale == 4


@pytest.mark.parametrize("window", [(0, 0, 12, 14), (3, 5, 4, 6), (7, 9, 5, 5), (11, 13, 1, 1)])
def test_windows(
    dataset_path: Path, truth: dict[str, SceneArrays], window: tuple[int, int, int, int]
) -> None:
    row, column, height, width = window
    coarse = np.s_[..., row : row + height, column : column + width]
    fine = np.s_[..., 4 * row : 4 * (row + height), 4 * column : 4 * (column + width)]
    whole = truth["a"]
    expected = SceneArrays(
        input=whole.input[coarse],
        input_valid=whole.input_valid[coarse],
        reference=whole.reference[fine],
        reference_valid=whole.reference_valid[fine],
        target=whole.target[fine],
        scored=whole.scored[fine],
        offset_k=whole.offset_k,
    )
    assert_same(Dataset(dataset_path).window("a", KEY, *window), expected)


def test_fingerprint_follows_the_header(dataset_path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    content = dataset_path.read_bytes()
    other.write_bytes(content)
    assert Dataset(other).fingerprint == Dataset(dataset_path).fingerprint
    other.write_bytes(content.replace(b"300.5", b"300.6"))
    assert Dataset(other).fingerprint != Dataset(dataset_path).fingerprint


def test_faults_name_the_file_and_the_cure(dataset_path: Path, tmp_path: Path) -> None:
    dataset = Dataset(dataset_path)
    with pytest.raises(LstsrError, match=r"no z/observed-x4/input; scenes: b, a, c"):
        dataset.scene("z", KEY)
    with pytest.raises(LstsrError, match=r"keys: observed-x4"):
        dataset.scene("a", "observed-x8")
    with pytest.raises(LstsrError, match=r"holds no scene z; scenes: b, a, c"):
        dataset.scene_meta("z")
    with pytest.raises(LstsrError, match=r"holds no row x; rows: dctnet-base"):
        dataset.row("x")
    with pytest.raises(LstsrError, match=r"exceeds scene a of 12 x 14"):
        dataset.window("a", KEY, 10, 0, 4, 4)
    with pytest.raises(LstsrError, match="Run the dataset stage"):
        Dataset(tmp_path / "missing.safetensors")
    bare = tmp_path / "bare.safetensors"
    save_file({"x": np.zeros(1)}, bare)
    with pytest.raises(LstsrError, match=r"bare\.safetensors: .* header entry 'lstsr'"):
        Dataset(bare)


def test_a_file_of_an_older_version_that_does_not_say_its_origin_is_refused(
    dataset_path: Path, tmp_path: Path
) -> None:
    assert Dataset(dataset_path).meta.origin == "observed"
    with safe_open(dataset_path, "np") as file:
        header = json.loads(file.metadata()["lstsr"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del header["origin"]
    save_file(tensors, tmp_path / "old.safetensors", {"lstsr": json.dumps(header)})
    with pytest.raises(LstsrError, match=r"old\.safetensors: missing .*'origin'. Rebuild"):
        Dataset(tmp_path / "old.safetensors")


def test_a_row_can_be_shown_some_channels_in_its_own_order(
    dataset_path: Path, truth: dict[str, SceneArrays]
) -> None:
    dataset = Dataset(dataset_path, ["nir"])
    assert dataset.meta.reference_bands == ("nir",)
    assert (dataset.meta.reference_mean, dataset.meta.reference_std) == ((0.3,), (0.1,))
    np.testing.assert_array_equal(dataset.scene("a", KEY).reference, truth["a"].reference[1:])
    swapped = Dataset(dataset_path, ["nir", "red"]).window("b", KEY, 2, 3, 4, 5).reference
    np.testing.assert_array_equal(swapped, truth["b"].reference[::-1, 8:24, 12:32])
    assert Dataset(dataset_path).fingerprint == dataset.fingerprint
    with pytest.raises(LstsrError, match="no channel swir, only red, nir"):
        Dataset(dataset_path, ["swir"])


def of_two_places(dataset_path: Path, path: Path, rows: int, columns: int) -> Path:
    """The file with scene b moved to another place and cut to ``rows`` x ``columns`` cells."""
    with safe_open(dataset_path, "np") as file:
        meta = json.loads(file.metadata()["lstsr"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    meta["scenes"][0]["transform"][2] += 60_000.0
    for name in ("reference", "target"):
        tensors[f"b/fine1/{name}"] = tensors[f"b/fine1/{name}"][..., : 4 * rows, : 4 * columns]
    for name, (height, width) in {
        "b/fine1/reference_valid": (4 * rows, 4 * columns),
        f"b/{KEY}/scored": (4 * rows, 4 * columns),
        f"b/{KEY}/input_valid": (rows, columns),
    }.items():
        whole = np.unpackbits(tensors[name], axis=-1)[:height, :width]
        tensors[name] = np.packbits(whole, axis=-1)
    tensors[f"b/{KEY}/input"] = tensors[f"b/{KEY}/input"][:rows, :columns]
    contiguous = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    save_file(contiguous, path, {"lstsr": json.dumps(meta)})
    return path


def test_a_guide_can_be_shuffled(
    dataset_path: Path, truth: dict[str, SceneArrays], tmp_path: Path
) -> None:
    """Scene a, 12 x 14 cells, sees the reference of b, which has 9 x 10 and is mirrored."""
    dataset = Dataset(of_two_places(dataset_path, tmp_path / "two", 9, 10), guide="shuffled")
    whole, window = dataset.scene("a", KEY), dataset.window("a", KEY, 2, 3, 8, 9)
    more = (0, 12), (0, 16)
    there = np.pad(truth["b"].reference[:, :36, :40], ((0, 0), *more), "symmetric")
    np.testing.assert_array_equal(whole.reference, there)
    np.testing.assert_array_equal(whole.reference_valid, truth["a"].reference_valid)
    np.testing.assert_array_equal(window.reference, there[:, 8:40, 12:48])
    np.testing.assert_array_equal(window.reference_valid, whole.reference_valid[8:40, 12:48])
    np.testing.assert_array_equal(window.target, truth["a"].target[8:40, 12:48])
    assert dataset.window("b", KEY, 1, 0, 3, 3).reference.shape == (2, 12, 12)
    back = dataset.scene("b", KEY).reference
    np.testing.assert_array_equal(back, truth["a"].reference[:, :36, :40])
    with pytest.raises(LstsrError, match="all scenes of train show one place, but guide shuffled"):
        Dataset(dataset_path, guide="shuffled").scene("a", KEY)


def test_a_guide_can_be_turned_or_off(dataset_path: Path, truth: dict[str, SceneArrays]) -> None:
    turned, off = (Dataset(dataset_path, guide=guide) for guide in ("turned", "off"))
    whole, window = turned.scene("a", KEY), turned.window("a", KEY, 2, 3, 4, 5)
    np.testing.assert_array_equal(whole.reference, truth["a"].reference[:, ::-1, ::-1])
    np.testing.assert_array_equal(whole.reference_valid, truth["a"].reference_valid)
    np.testing.assert_array_equal(window.reference, whole.reference[:, 8:24, 12:32])
    np.testing.assert_array_equal(window.reference_valid, whole.reference_valid[8:24, 12:32])
    np.testing.assert_array_equal(window.target, truth["a"].target[8:24, 12:32])
    blind = off.window("a", KEY, 2, 3, 4, 5)
    assert blind.reference_valid.all()
    for band, mean in enumerate(off.meta.reference_mean):
        assert (blind.reference[band] == np.float32(mean)).all()
