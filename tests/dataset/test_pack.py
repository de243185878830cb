"""The dataset file: packed from rasters on disk and read back by the loader of training."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from lstsr.config import Block, DatasetConfig
from lstsr.dataset.align import read_triplet
from lstsr.dataset.layers import with_bands
from lstsr.dataset.loader import Dataset
from lstsr.dataset.pack import add_rows, pack
from lstsr.dataset.tracks import coarse_input
from lstsr.errors import LstsrError
from lstsr.geo.aggregate import block_mean_t4, psf_mean_t4
from lstsr.grid import Grid
from lstsr.image import SensorImage, Triplet
from lstsr.sensors import geotiff
from lstsr.tracks import key_of

SCALE, ROWS, COLUMNS = 4, 12, 18
COARSE = Grid("EPSG:32631", Affine(1000, 0, 5e5, 0, -1000, 5.1e6), COLUMNS, ROWS)
BLOCKS = [
    Block(track="observed", scale=4),
    Block(track="degraded-block", scale=4),
    Block(track="degraded-block", scale=8),
    Block(track="degraded-psf", scale=4),
]
SPLITS = {"a": "train", "b": "train", "c": "validation", "d": "test"}
SETTINGS = DatasetConfig()
CONFIG = {"origin": "simulated", "why": "test"}


def picture(
    values: np.ndarray, valid: np.ndarray, grid: Grid, bands: tuple[str, ...], unit: str
) -> SensorImage:
    masked = np.where(valid, values, np.nan).astype(np.float32)
    return SensorImage(
        masked.reshape(-1, *grid.shape), valid, grid, bands, unit, "test", "2020-07-01"
    )


def triplet(name: str, seed: int) -> Triplet:
    """Random images with scattered gaps and one larger hole each; the input is 2 K warm."""
    rng = np.random.default_rng(seed)
    fine = COARSE.refine(SCALE)
    target = 300 + seed + rng.normal(0, 4, fine.shape)
    target_valid = rng.random(fine.shape) < 0.9
    target_valid[: 2 * SCALE, : 3 * SCALE] = False
    reference = rng.normal(0.3 + 0.1 * seed, 0.2, (2, *fine.shape))
    reference_valid = rng.random(fine.shape) < 0.95
    blocks, _ = block_mean_t4(target, np.ones(fine.shape, bool), SCALE)
    input_valid = rng.random(COARSE.shape) < 0.9
    observed = blocks + 2 + rng.normal(0, 0.5, COARSE.shape)
    return Triplet(
        name,
        picture(observed, input_valid, COARSE, ("lst",), "kelvin"),
        picture(reference, reference_valid, fine, ("red", "nir"), "reflectance"),
        picture(target, target_valid, fine, ("lst",), "kelvin"),
    )


def write(folder: Path, one: Triplet) -> None:
    for role in ("input", "reference", "target"):
        geotiff.write(folder / one.scene / f"{role}.tif", getattr(one, role))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("aligned")
    for seed, name in enumerate(SPLITS):
        write(path, triplet(name, seed))
    return path


def packed(folder: Path, path: Path, splits: dict[str, str] | None = None) -> Dataset:
    pack(path, folder, splits or SPLITS, "small", BLOCKS, SETTINGS, CONFIG)
    return Dataset(path)


@pytest.fixture(scope="module")
def dataset(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dataset]:
    yield packed(folder, tmp_path_factory.mktemp("packed") / "dataset.safetensors")


def test_the_header_says_what_the_file_holds(dataset: Dataset) -> None:
    meta = dataset.meta
    assert (meta.dataset, meta.scale_k) == ("small", SETTINGS.scale_k)
    assert set(meta.target_m.values()) == {250.0}
    assert meta.reference_bands == ("red", "nir")
    assert meta.config == CONFIG
    assert meta.origin == "simulated"
    assert {split: dataset.scenes(split) for split in ("train", "validation", "test")} == {
        "train": ["a", "b"],
        "validation": ["c"],
        "test": ["d"],
    }
    entry = dataset.scene_meta("a")
    assert tuple(entry.transform) == (250, 0, 5e5, 0, -250, 5.1e6)
    assert entry.time == "2020-07-01"


def test_values_and_masks_come_back_as_they_were(dataset: Dataset) -> None:
    for seed, name in enumerate(SPLITS):
        truth, arrays = triplet(name, seed), dataset.scene(name, "observed-x4")
        for mask, image in (
            (arrays.input_valid, truth.input),
            (arrays.reference_valid, truth.reference),
        ):
            np.testing.assert_array_equal(mask, image.valid)
        for values, image in (
            (arrays.input[None], truth.input),
            (arrays.reference, truth.reference),
            (arrays.target[None], truth.target),
        ):
            np.testing.assert_array_equal(values[:, image.valid], image.values[:, image.valid])
            assert np.isfinite(values).all(), "gaps are filled"
        assert 250 < arrays.target.min() < arrays.target.max() < 340
        inside = truth.input.values[0][truth.input.valid]
        centre_k = dataset.scene_meta(name).centre_k["observed-x4"]
        assert centre_k == pytest.approx(inside.astype(float).mean(), abs=1e-6)


def test_the_offset_is_how_much_warmer_the_target_is(dataset: Dataset) -> None:
    for name in SPLITS:
        assert dataset.scene_meta(name).offset_k["observed-x4"] == pytest.approx(-2, abs=0.3)
        assert dataset.scene_meta(name).offset_k["degraded-block-x8"] == 0


def test_scored_is_what_all_three_know(dataset: Dataset) -> None:
    for seed, name in enumerate(SPLITS):
        one = triplet(name, seed)
        known = one.input.valid.repeat(SCALE, 0).repeat(SCALE, 1)
        expected = known & one.target.valid & one.reference.valid
        np.testing.assert_array_equal(dataset.scored(name, "observed-x4"), expected)
        assert 0.5 < expected.mean() < 0.9


@pytest.mark.parametrize("scale", [4, 8])
def test_a_degraded_input_is_the_block_mean_of_the_target(dataset: Dataset, scale: int) -> None:
    """18 columns of 4 pixels are 9 cells of 8. Cells that are less than half valid are invalid."""
    for seed, name in enumerate(SPLITS):
        one, arrays = triplet(name, seed), dataset.scene(name, f"degraded-block-x{scale}")
        blocks, fraction = block_mean_t4(one.target.values[0], one.target.valid, scale)
        np.testing.assert_array_equal(arrays.input_valid, fraction >= 0.5)
        assert 0 < (fraction < 0.5).sum() < fraction.size / 4
        valid = arrays.input_valid
        np.testing.assert_allclose(arrays.input[valid], blocks[valid], atol=1e-4)
        known = valid.repeat(scale, 0).repeat(scale, 1)
        expected = known & one.target.valid & one.reference.valid
        np.testing.assert_array_equal(arrays.scored, expected)


def test_the_psf_track_is_blurred_more(dataset: Dataset) -> None:
    one, arrays = triplet("a", 0), dataset.scene("a", "degraded-psf-x4")
    seen, fraction = psf_mean_t4(one.target.values[0], one.target.valid, 4, SETTINGS.psf_fwhm)
    np.testing.assert_array_equal(arrays.input_valid, fraction >= 0.5)
    both = arrays.input_valid & dataset.scene("a", "degraded-block-x4").input_valid
    np.testing.assert_allclose(arrays.input[both], seen[both], atol=1e-4)
    assert arrays.input[both].std() < dataset.scene("a", "degraded-block-x4").input[both].std()


def test_a_scale_that_does_not_divide_the_scene_leaves_the_rest_out() -> None:
    """12 x 18 cells of 4 pixels are 9 x 14 cells of 5 pixels; 3 rows and 2 columns remain."""
    one = triplet("a", 0)
    coarse = coarse_input(one, "degraded-block", 5, SETTINGS)
    blocks, _ = block_mean_t4(one.target.values[0, :45, :70], one.target.valid[:45, :70], 5)
    assert coarse.values.shape == (9, 14)
    assert coarse.scored.shape == (45, 70)
    np.testing.assert_allclose(coarse.values[coarse.valid], blocks[coarse.valid], atol=1e-4)


def test_a_part_left_over_is_left_out_of_the_file_too(folder: Path, tmp_path: Path) -> None:
    blocks = [Block(track="degraded-block", scale=5)]
    path = tmp_path / "dataset.safetensors"
    pack(path, folder, SPLITS, "small", blocks, SETTINGS, CONFIG)
    arrays = Dataset(path).scene("b", "degraded-block-x5")
    one = triplet("b", 1)
    assert arrays.target.shape == arrays.scored.shape == (45, 70)
    inside = one.target.valid[:45, :70]
    np.testing.assert_array_equal(arrays.target[inside], one.target.values[0, :45, :70][inside])
    np.testing.assert_array_equal(arrays.reference_valid, one.reference.valid[:45, :70])


@pytest.mark.parametrize("excess_k", [40, -40])
def test_a_wild_cell_is_not_scored_and_is_counted(excess_k: float) -> None:
    one = triplet("a", 0)
    row, column = 6, 7
    values, valid = one.input.values.copy(), one.input.valid.copy()
    valid[row, column] = True
    values[0, row, column] = 302 + excess_k
    wild = replace(one, input=replace(one.input, values=values, valid=valid))
    values = values.copy()
    values[0, row, column] = 302
    tame = replace(one, input=replace(one.input, values=values, valid=valid))
    of_wild, of_tame = (coarse_input(x, "observed", 4, SETTINGS) for x in (wild, tame))
    assert (of_tame.wild, of_wild.wild) == (0, 1)
    cell = np.s_[row * 4 : row * 4 + 4, column * 4 : column * 4 + 4]
    assert of_tame.scored[cell].any() and not of_wild.scored[cell].any()
    rest = of_wild.scored.copy()
    rest[cell] = of_tame.scored[cell]
    np.testing.assert_array_equal(rest, of_tame.scored)
    # a constant bias between the sensors is not wild
    biased = replace(one, input=replace(one.input, values=one.input.values + 20))
    assert coarse_input(biased, "observed", 4, SETTINGS).wild == 0


@pytest.mark.parametrize("poison", [1e6, 0.0, np.nan])
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.key)
def test_what_lies_under_the_masks_leaks_nowhere(block: Block, poison: float) -> None:
    clean = triplet("a", 0)

    def poisoned(image: SensorImage) -> SensorImage:
        return replace(image, values=np.where(image.valid, image.values, np.float32(poison)))

    dirty = replace(clean, input=poisoned(clean.input), target=poisoned(clean.target))
    one = coarse_input(clean, block.track, block.scale, SETTINGS)
    other = coarse_input(dirty, block.track, block.scale, SETTINGS)
    for name in ("values", "valid", "scored", "wild"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_statistics_are_of_valid_pixels_of_training_scenes_only(
    dataset: Dataset, folder: Path, tmp_path: Path
) -> None:
    pixels = np.concatenate(
        [
            one.reference.values[:, one.reference.valid].astype(float)
            for one in (triplet("a", 0), triplet("b", 1))
        ],
        axis=1,
    )
    np.testing.assert_allclose(dataset.meta.reference_mean, pixels.mean(1), rtol=1e-6)
    np.testing.assert_allclose(dataset.meta.reference_std, pixels.std(1), rtol=1e-6)
    for name, split in SPLITS.items():
        one = read_triplet(folder, name)
        if split != "train":
            brighter = replace(one.reference, values=one.reference.values + np.float32(5))
            one = replace(one, reference=brighter)
        write(tmp_path / "aligned", one)
    changed = packed(tmp_path / "aligned", tmp_path / "dataset.safetensors")
    assert changed.scene("d", "observed-x4").reference.mean() > 4
    assert changed.meta.reference_mean == dataset.meta.reference_mean
    assert changed.meta.reference_std == dataset.meta.reference_std


def test_the_returned_account_counts_scenes_and_wild_cells(folder: Path, tmp_path: Path) -> None:
    statistics = pack(tmp_path / "a.safetensors", folder, SPLITS, "small", BLOCKS, SETTINGS, CONFIG)
    assert statistics["n_scenes"] == {"train": 2, "validation": 1, "test": 1}
    assert statistics["wild_cells"] == {block.key: 0 for block in BLOCKS}
    strict = DatasetConfig(wild_k=0.5)
    counted = pack(tmp_path / "b.safetensors", folder, SPLITS, "small", BLOCKS, strict, CONFIG)
    assert counted["wild_cells"]["observed-x4"] > 10
    assert counted["wild_cells"]["degraded-block-x4"] == 0


def test_the_same_scenes_make_the_same_bytes(
    dataset: Dataset, folder: Path, tmp_path: Path
) -> None:
    again = packed(folder, tmp_path / "dataset.safetensors")
    assert again.path.read_bytes() == dataset.path.read_bytes()


def test_a_split_without_scenes_and_a_scene_without_pixels_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(LstsrError, match="no scene of validation is left. Look up .* excluded.csv"):
        packed(folder, tmp_path / "x", {"a": "train", "d": "test"})
    one = triplet("c", 2)
    blind = replace(one.target, valid=~one.reference.valid & one.target.valid)
    for name in "abd":
        write(tmp_path / "aligned", triplet(name, 0))
    write(tmp_path / "aligned", replace(one, target=blind))
    with pytest.raises(LstsrError, match="no scene of test is left. Look up .* excluded.csv"):
        splits = {"a": "train", "b": "validation", "c": "test"}
        packed(tmp_path / "aligned", tmp_path / "x", splits)
    assert not (tmp_path / "x").exists()
    splits = {"a": "train", "c": "train", "b": "validation", "d": "test"}
    dataset = packed(tmp_path / "aligned", tmp_path / "x", splits)
    assert dataset.scenes("train") == ["a"], "one bad scene costs one scene"


def test_without_test_scenes_only_the_wanted_splits_must_have_some(
    folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "no-test.safetensors"
    options = "small", BLOCKS, SETTINGS, CONFIG, ("train", "validation")
    pack(path, folder, {"a": "train", "c": "validation"}, *options)
    assert Dataset(path).scenes("test") == []
    with pytest.raises(LstsrError, match="no scene of validation is left"):
        pack(path, folder, {"a": "train"}, *options)


def test_an_export_is_the_same_data_with_rows(dataset: Dataset, tmp_path: Path) -> None:
    add_rows(dataset.path, tmp_path / "export", {"esrnet-base": {"model": "esrnet"}})
    export = Dataset(tmp_path / "export")
    assert export.row("esrnet-base") == {"model": "esrnet"}
    assert export.meta.scenes == dataset.meta.scenes
    for name in SPLITS:
        for block in BLOCKS:
            one, other = dataset.scene(name, block.key), export.scene(name, block.key)
            np.testing.assert_array_equal(one.input, other.input)
            np.testing.assert_array_equal(one.scored, other.scored)
            np.testing.assert_array_equal(one.target, other.target)


def test_an_observed_block_of_smaller_scale_sees_wider_pixels(folder: Path, tmp_path: Path) -> None:
    """With 1 km cells and 250 m pixels, observed x2 is scored at 500 m, on fully valid blocks."""
    blocks = [*BLOCKS[:1], Block(track="observed", scale=2), Block(track="degraded-block", scale=2)]
    pack(tmp_path / "d.safetensors", folder, SPLITS, "small", blocks, SETTINGS, CONFIG)
    dataset = Dataset(tmp_path / "d.safetensors")
    assert dataset.meta.target_m == {
        "observed-x4": 250.0,
        "observed-x2": 500.0,
        "degraded-block-x2": 250.0,
    }
    truth, wide = triplet("a", 0), dataset.scene("a", "observed-x2")
    assert wide.target.shape == (ROWS * 2, COLUMNS * 2)
    np.testing.assert_array_equal(wide.input, dataset.scene("a", "observed-x4").input)
    mean_k, fraction = block_mean_t4(truth.target.values[0], truth.target.valid, 2)
    assert wide.scored.any()
    np.testing.assert_allclose(wide.target[wide.scored], mean_k[wide.scored], rtol=1e-6)
    assert fraction[wide.scored].min() == 1
    means = truth.reference.values.reshape(2, ROWS * 2, 2, COLUMNS * 2, 2).mean((2, 4))
    np.testing.assert_allclose(wide.reference[:, wide.scored], means[:, wide.scored], rtol=1e-5)
    assert dataset.transform("a", "observed-x2")[:2] == (500, 0)
    assert dataset.transform("a", "observed-x4")[:2] == (250, 0)
    made = dataset.scene("a", "degraded-block-x2")
    assert made.input.shape == (ROWS * 2, COLUMNS * 2)
    assert made.target.shape == (ROWS * 4, COLUMNS * 4)


def with_more(name: str, seed: int, bias_k: float = 0.0) -> Triplet:
    """The triplet with water in its west, and a covariate on which the input's bias depends."""
    one = triplet(name, seed)
    fine = one.target.grid
    share = np.where(np.arange(fine.width) < 20, 0.9, 0.1) * np.ones(fine.shape)
    rng = np.random.default_rng(seed + 50)
    zenith = rng.uniform(40, 44, COARSE.shape)
    biased = one.input.values + np.float32(bias_k) * (zenith - 42)
    everywhere = np.ones(fine.shape, bool), np.ones(COARSE.shape, bool)
    return replace(
        one,
        input=replace(one.input, values=biased.astype(np.float32)),
        water=picture(share, everywhere[0], fine, ("water",), "index"),
        covariates=picture(zenith, everywhere[1], COARSE, ("view_zenith",), "covariate"),
    )


@pytest.fixture(scope="module")
def richer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("richer")
    for seed, name in enumerate(SPLITS):
        one = with_more(name, seed, bias_k=1.5)
        write(path, one)
        for more in ("water", "covariates"):
            geotiff.write(path / name / f"{more}.tif", getattr(one, more))
    return path


def test_an_observed_input_is_also_held_harmonised(richer: Path, tmp_path: Path) -> None:
    dataset = packed(richer, tmp_path / "dataset.safetensors")
    assert dataset.meta.harmonisation is not None
    assert set(dataset.scene_meta("d").centre_k) == {b.key for b in BLOCKS} | {"harmonised-x4"}
    for seed, name in enumerate(SPLITS):
        plain, better = (dataset.scene(name, f"{kind}-x4") for kind in ("observed", "harmonised"))
        np.testing.assert_array_equal(plain.scored, better.scored)
        zenith = with_more(name, seed).covariates.values[0]
        seen = plain.input_valid
        # the input is 2 K too warm, and 1.5 K more per degree
        added = (better.input - plain.input)[seen]
        np.testing.assert_allclose(added, (-2 - 1.5 * (zenith - 42))[seen], atol=0.35)
        centre_k = dataset.scene_meta(name).centre_k["harmonised-x4"]
        assert centre_k == pytest.approx(float(better.input[seen].mean()), abs=1e-3)
        assert abs(better.offset_k) < 0.3 < abs(plain.offset_k)


def test_no_scene_outside_training_moves_the_harmonisation(richer: Path, tmp_path: Path) -> None:
    fitted = packed(richer, tmp_path / "a.safetensors").meta.harmonisation
    moved = tmp_path / "moved"
    shutil.copytree(richer, moved)
    for name in ("c", "d"):
        one = read_triplet(moved, name)
        warmer = replace(one.target, values=one.target.values + np.float32(9))
        geotiff.write(moved / name / "target.tif", warmer)
    assert packed(moved, tmp_path / "b.safetensors").meta.harmonisation == fitted


FOLDS = {
    "a": ("test", "train", "train"),
    "b": ("train", "test", "train"),
    "c": ("train", "train", "validation"),
    "d": ("validation", "validation", "test"),
    "e": ("train", "dropped", "train"),
}


def test_a_fold_is_the_dataset_of_its_own_splits(richer: Path, tmp_path: Path) -> None:
    """Statistics, harmonisation and arrays equal the ones of a file with only this fold."""
    aligned = tmp_path / "aligned"
    shutil.copytree(richer, aligned)
    shutil.copytree(richer / "a", aligned / "e")
    moved = read_triplet(aligned, "e").reference
    geotiff.write(aligned / "e" / "reference.tif", replace(moved, values=moved.values * 2))
    path = tmp_path / "folds.safetensors"
    pack(path, aligned, FOLDS, "small", BLOCKS, SETTINGS, CONFIG)
    for fold in range(3):
        splits = {name: all_[fold] for name, all_ in FOLDS.items() if all_[fold] != "dropped"}
        alone = packed(aligned, tmp_path / f"{fold}.safetensors", splits)
        dataset = Dataset(path, fold=fold)
        assert dataset.meta.reference_mean == alone.meta.reference_mean
        assert dataset.meta.reference_std == alone.meta.reference_std
        assert dataset.meta.harmonisation == alone.meta.harmonisation
        values = [
            one.values[:, one.valid].astype(float)
            for name in dataset.scenes("train")
            for one in [read_triplet(aligned, name).reference]
        ]
        brute = np.concatenate(values, axis=1)
        np.testing.assert_allclose(dataset.meta.reference_mean, brute.mean(axis=1), rtol=1e-9)
        np.testing.assert_allclose(dataset.meta.reference_std, brute.std(axis=1), rtol=1e-9)
        for split in ("train", "validation", "test"):
            assert dataset.scenes(split) == alone.scenes(split)
            for name in alone.scenes(split):
                key = key_of("observed", 4, harmonised=True, fold=fold)
                one, other = dataset.scene(name, key), alone.scene(name, "harmonised-x4")
                np.testing.assert_array_equal(one.input, other.input)
                entry, expected = dataset.scene_meta(name), alone.scene_meta(name)
                assert entry.centre_k[key] == expected.centre_k["harmonised-x4"]
                assert one.offset_k == other.offset_k
    assert len({Dataset(path, fold=fold).meta.reference_mean for fold in range(3)}) == 3


def test_folds_that_a_file_lacks_are_named(dataset: Dataset, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "folds.safetensors"
    folds = {name: all_ for name, all_ in FOLDS.items() if name != "e"}
    statistics = pack(path, folder, folds, "small", BLOCKS, SETTINGS, CONFIG)
    assert [one["n_scenes"]["train"] for one in statistics["folds"]] == [2, 2, 2]
    with pytest.raises(LstsrError, match="the split has 3 folds, but the row names none"):
        Dataset(path, fold=None)
    with pytest.raises(LstsrError, match="holds no fold 3. Run the dataset stage"):
        Dataset(path, fold=3)
    with pytest.raises(LstsrError, match="holds no fold 1"):
        Dataset(dataset.path, fold=1)
    with pytest.raises(LstsrError, match="no scene of test is left in fold 1"):
        worse = folds | {"b": ("train", "train", "train")}
        pack(path, folder, worse, "small", BLOCKS, SETTINGS, CONFIG)


def test_water_is_known_by_pixel_and_can_be_masked(richer: Path, tmp_path: Path) -> None:
    dataset = packed(richer, tmp_path / "kept.safetensors")
    water = dataset.water("d", "observed-x4")
    assert water is not None and water[:, :20].all() and not water[:, 20:].any()
    assert (dataset.scene("d", "observed-x4").scored & water).any()
    masked = SETTINGS.model_copy(update={"water": "masked"})
    pack(tmp_path / "masked.safetensors", richer, SPLITS, "small", BLOCKS, masked, CONFIG)
    kept = dataset.scene("d", "observed-x4").scored & ~water
    found = Dataset(tmp_path / "masked.safetensors").scene("d", "observed-x4").scored
    np.testing.assert_array_equal(found, kept)


def test_masking_unknown_water_is_refused(folder: Path, dataset: Dataset, tmp_path: Path) -> None:
    assert dataset.water("a", "observed-x4") is None
    masked = SETTINGS.model_copy(update={"water": "masked"})
    with pytest.raises(LstsrError, match="scene a: packing.water = masked needs .* column water"):
        pack(tmp_path / "no.safetensors", folder, SPLITS, "small", BLOCKS, masked, CONFIG)
    assert not list(tmp_path.iterdir())


def test_pixels_without_a_reference_can_be_scored(folder: Path) -> None:
    one = read_triplet(folder, "a")
    kept = SETTINGS.model_copy(update={"without_reference": "kept"})
    some, all_ = (coarse_input(one, "observed", 4, how).scored for how in (SETTINGS, kept))
    np.testing.assert_array_equal(all_ & one.reference.valid, some)
    assert all_.sum() > some.sum()


def test_an_image_alone_is_averaged_plainly_and_scored_where_it_is_valid(tmp_path: Path) -> None:
    """The last row and column of 27 x 37 pixels fill no block; a block needs half its pixels."""
    rng = np.random.default_rng(0)
    grid = Grid("EPSG:32631", Affine(3, 0, 5e5, 0, -3, 5.1e6), 37, 27)
    values, valid = rng.random((3, *grid.shape)), np.ones(grid.shape, bool)
    valid[0, 0] = False
    valid[4:6, 4:6] = False
    valid[4, 4] = True
    bands = ("blue", "green", "red")
    for name in SPLITS:
        geotiff.write(
            tmp_path / name / "target.tif", picture(values, valid, grid, bands, "reflectance")
        )
    path, blocks = tmp_path / "d.safetensors", [Block(track="degraded-block", scale=2)]
    pack(path, tmp_path, SPLITS, "images", blocks, SETTINGS, CONFIG)
    dataset = Dataset(path)
    scene = dataset.scene("a", "degraded-block-x2")
    assert (dataset.meta.target_bands, dataset.meta.target_unit) == (bands, "reflectance")
    assert dataset.meta.scale_k == SETTINGS.scale_reflectance
    assert (scene.input.shape, scene.target.shape) == ((3, 13, 18), (3, 26, 36))
    assert scene.reference.shape == (0, 26, 36)
    np.testing.assert_allclose(
        scene.input[:, 0, 0], values[:, :2, :2].reshape(3, 4)[:, 1:].mean(axis=1), rtol=1e-5
    )
    np.testing.assert_allclose(
        scene.input[:, 5, 7], values[:, 10:12, 14:16].mean(axis=(1, 2)), rtol=1e-5
    )
    assert not scene.input_valid[2, 2]
    expected = valid[:26, :36].copy()
    expected[4:6, 4:6] = False
    np.testing.assert_array_equal(scene.scored, expected)
    window = dataset.window("a", "degraded-block-x2", 3, 4, 5, 6)
    np.testing.assert_array_equal(window.target, scene.target[:, 6:16, 8:20])


def with_history(one: Triplet, count: np.ndarray) -> Triplet:
    """Earlier LST 3 K above the mean and 9 days old, at pixels whose ``count`` is not 0."""
    names, reference = ("history", "history_age", "history_count"), one.reference
    layers = np.stack([np.where(count > 0, 3.0, 0), np.where(count > 0, 9.0, 0), count])
    return replace(one, reference=with_bands(reference, names, layers))


def test_statistics_of_history_are_of_pixels_that_have_some(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for seed, name in enumerate(SPLITS):
        count = rng.integers(0, 3, COARSE.refine(SCALE).shape)
        write(tmp_path, with_history(triplet(name, seed), count * (name != "b")))
    meta = packed(tmp_path, tmp_path / "dataset.safetensors").meta
    assert meta.reference_mean[2:4] == (3, 9) and meta.reference_std[2:4] == (0, 0)
    assert 0.4 < meta.reference_mean[4] < 0.6, "the count is known everywhere"
    plain = triplet("a", 0).reference, triplet("b", 1).reference
    red = np.concatenate([one.values[0, one.valid] for one in plain]).astype(float)
    assert meta.reference_mean[0] == pytest.approx(red.mean(), rel=1e-12)
    write(tmp_path, with_history(triplet("a", 0), 0 * count))
    with pytest.raises(LstsrError, match="no training scene has an earlier target"):
        packed(tmp_path, tmp_path / "dataset.safetensors")
