"""Registration finds the known shifts of analytic scenes and meets its bars on real ones."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.warp import Resampling, reproject
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from lstsr.geo.registration import Registration, fit_psf, register, register_input

Array = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Shift = tuple[float, float]

SIDE = 192
SHIFTS = [(0.0, 0.0), (0.85, 1.05), (-1.4, 0.37), (2.6, -3.5)]


@dataclass(frozen=True)
class Waves:
    """A landscape of random plane waves: its value, blurred or averaged, is exact anywhere."""

    seed: int
    shortest: float = 6
    longest: float = 60
    side: int = SIDE

    def at(
        self,
        shift: Shift = (0, 0),
        *,
        step: int = 1,
        sigma: tuple[float, float] = (0, 0),
        box: int = 0,
    ) -> Array:
        """The content moved by ``shift``, at the centres of cells of ``step`` pixels.

        Blurred by a Gaussian of ``sigma`` pixels and averaged over ``box`` x ``box`` of them.
        """
        rng = np.random.default_rng(self.seed)
        wavelength = np.exp(rng.uniform(np.log(self.shortest), np.log(self.longest), 150))
        angle, phase = rng.uniform(0, 2 * np.pi, (2, 150))
        per_row, per_column = np.cos(angle) / wavelength, np.sin(angle) / wavelength
        amplitude = wavelength**0.7 * np.sinc(per_row * box) * np.sinc(per_column * box) / 60
        blur = (per_row * sigma[0]) ** 2 + (per_column * sigma[1]) ** 2
        amplitude = amplitude * np.exp(-2 * np.pi**2 * blur)
        centre = np.arange(self.side // step) * step + (step - 1) / 2
        rows = np.exp(2j * np.pi * np.outer(centre - shift[0], per_row) + 1j * phase)
        columns = np.exp(2j * np.pi * np.outer(per_column, centre - shift[1]))
        return ((rows * amplitude) @ columns).real


def temperature(vegetation: Array) -> Array:
    """Another quantity of the same landscape: inverse contrast, not linear."""
    return 300 - 8 * np.tanh(vegetation)


def everywhere(image: Array) -> Mask:
    return np.ones(image.shape, bool)


def clouded(seed: int, image: Array) -> tuple[Array, Mask]:
    """The image with NaN under clouds that cover 30 % of it, and its clear mask."""
    noise = np.random.default_rng(seed).normal(size=image.shape)
    field = ndimage.gaussian_filter(noise, len(image) / 16, mode="wrap")
    clear = field > np.quantile(field, 0.3)
    return np.where(clear, image, np.nan), clear


def found(registration: Registration) -> Array:
    return np.array([registration.row, registration.column])


def register_pair(moving: tuple[Array, Mask], fixed: tuple[Array, Mask]) -> Registration:
    return register(moving[0], fixed[0], moving[1], fixed[1])


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("quantity", [np.positive, temperature])
def test_finds_a_known_shift(shift: Shift, quantity: Callable[[Array], Array]) -> None:
    moving, fixed = Waves(1).at(), quantity(Waves(1).at(shift))
    result = register(moving, fixed, everywhere(moving), everywhere(fixed))
    assert result.accepted
    np.testing.assert_allclose(found(result), shift, atol=0.08)


def test_moving_the_content_by_the_shift_makes_it_match() -> None:
    moving, fixed = Waves(2).at(), Waves(2).at((1.3, -0.6))
    result = register(moving, fixed, everywhere(moving), everywhere(fixed))
    moved = ndimage.shift(moving, found(result), order=3)
    inside = np.s_[5:-5, 5:-5]
    assert np.std((moved - fixed)[inside]) < 0.1 * np.std((moving - fixed)[inside])


def test_finds_the_shift_between_clouds() -> None:
    moving, moving_clear = clouded(1, Waves(3).at())
    fixed, fixed_clear = clouded(2, temperature(Waves(3).at((0.85, 1.05))))
    result = register(moving, fixed, moving_clear, fixed_clear)
    assert result.accepted
    np.testing.assert_allclose(found(result), (0.85, 1.05), atol=0.12)


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("scale", [4, 8])
@pytest.mark.parametrize("sign", [1, -1])
def test_finds_the_shift_of_a_coarse_input(shift: Shift, scale: int, sign: int) -> None:
    fixed = Waves(4).at(shift)
    coarse = 300 + sign * Waves(4).at(step=scale, box=scale)
    result = register_input(
        coarse, everywhere(coarse), fixed, everywhere(fixed), scale, tile_cells=48 // scale
    )
    assert result.accepted
    np.testing.assert_allclose(found(result), shift, atol=0.03 * scale)


def test_finds_the_shift_of_a_long_footprint_between_clouds() -> None:
    psf = np.array([1.6, 1.0])
    sigma = psf * 4 / np.sqrt(8 * np.log(2))
    coarse = Waves(5).at(step=4, sigma=(sigma[0], sigma[1]))
    coarse, clear = clouded(3, coarse)
    coarse[np.nonzero(clear)[0][50], np.nonzero(clear)[1][50]] += 100  # one wild cell
    fixed, fixed_clear = clouded(4, Waves(5).at((0.76, 0.72)))
    result = register_input(coarse, clear, fixed, fixed_clear, 4, psf_cells=(1.6, 1.0))
    assert result.accepted
    np.testing.assert_allclose(found(result), (0.76, 0.72), atol=0.15)


def test_block_averages_on_the_coarse_grid_would_find_half_the_shift() -> None:
    scale, shift = 8, (1.6, -1.2)
    naive, matched = [], []
    for seed in range(6):
        scene = Waves(seed, longest=30)
        coarse, fixed = scene.at(step=scale, box=scale), scene.at(shift)
        averages = scene.at(shift, step=scale, box=scale)

        def correlation(row: int, column: int, a: Array = coarse, b: Array = averages) -> float:
            b = np.roll(b, (-row, -column), (0, 1))
            return float(np.corrcoef(a[1:-1, 1:-1].ravel(), b[1:-1, 1:-1].ravel())[0, 1])

        def vertex(before: float, top: float, after: float) -> float:
            return scale * (before - after) / 2 / (before - 2 * top + after)

        rows = [correlation(lag, 0) for lag in (-1, 0, 1)]
        columns = [correlation(0, lag) for lag in (-1, 0, 1)]
        naive.append([vertex(*rows), vertex(*columns)])
        result = register_input(
            coarse, everywhere(coarse), fixed, everywhere(fixed), scale, tile_cells=8
        )
        matched.append(found(result))
    np.testing.assert_allclose(np.mean(naive, 0) / shift, 0.5, atol=0.15)
    np.testing.assert_allclose(matched, [shift] * 6, atol=0.15)


def test_refuses_other_landscapes() -> None:
    for seed in range(10):
        moving, fixed = Waves(seed).at(), temperature(Waves(seed + 100).at())
        coarse = Waves(seed).at(step=4, box=4)
        assert not register(moving, fixed, everywhere(moving), everywhere(fixed)).accepted
        assert not register_input(coarse, everywhere(coarse), fixed, everywhere(fixed), 4).accepted


def test_refuses_a_shift_beyond_the_search() -> None:
    moving, fixed = Waves(7).at(), Waves(7).at((0, 4))
    clear = everywhere(moving)
    assert register(moving, fixed, clear, clear, search=6).accepted
    assert not register(moving, fixed, clear, clear, search=4).accepted
    assert not register(moving, fixed, clear, clear, search=3).accepted


@pytest.mark.parametrize("flaw", ["constant", "masked", "single pixel", "tiny"])
def test_refuses_what_cannot_be_matched_without_failing(flaw: str) -> None:
    image = Waves(8).at()
    bad, valid = image.copy(), everywhere(image)
    if flaw == "constant":
        bad[:] = 300.1
    elif flaw == "masked":
        bad[:], valid[:] = np.nan, False
    elif flaw == "single pixel":
        valid[:] = False
        valid[90, 90] = True
    elif flaw == "tiny":
        image, bad, valid = image[:8, :8], bad[:8, :8], valid[:8, :8]
    clear = everywhere(image)
    coarse, coarse_clear = image[::4, ::4], clear[::4, ::4]
    refused = [
        register(bad, image, valid, clear),
        register(image, bad, clear, valid),
        register_input(bad[::4, ::4], valid[::4, ::4], image, clear, 4),
        register_input(coarse, coarse_clear, bad, valid, 4),
    ]
    assert not any(result.accepted for result in refused)


def test_tiles_without_contrast_do_not_vote() -> None:
    moving, fixed = Waves(9).at(), Waves(9).at((0.85, 1.05))
    moving[:, :70] = fixed[:, :70] = 0  # water
    result = register(moving, fixed, everywhere(moving), everywhere(fixed))
    assert result.accepted
    assert 0 < result.tiles < 25
    np.testing.assert_allclose(found(result), (0.85, 1.05), atol=0.1)


def test_names_grids_that_differ() -> None:
    image = Waves(1).at()
    clear = everywhere(image)
    with pytest.raises(ValueError, match="not on the same grid"):
        register(image, image[1:], clear, clear[1:])
    with pytest.raises(ValueError, match="at scale 8"):
        register_input(image[::4, ::4], clear[::4, ::4], image, clear, 8)


# GK2A over Korea, in cells of 2 km, along rows and columns.
PSF = (1.4, 1.05)


def seen_by_geostationary(
    seed: int, shift_cells: Shift, cells: int, *, other: int = 0
) -> tuple[Array, Mask, Array, Mask]:
    """Input and target of 8 pixels a cell: clouds in both, noise, a bias and a plane between them.

    The target shows the landscape ``seed + other``.
    """
    rng = np.random.default_rng(seed)
    shift = (8 * shift_cells[0], 8 * shift_cells[1])
    fixed = 300 + 3 * Waves(seed + other, longest=120, side=8 * cells).at(shift)
    sigma = np.array(PSF) * 8 / np.sqrt(8 * np.log(2))
    seen = 3 * Waves(seed, longest=120, side=8 * cells).at(step=8, sigma=(sigma[0], sigma[1]))
    row, column = np.indices(seen.shape)
    coarse = 298.5 + seen + 0.05 * row - 0.03 * column
    return (
        *clouded(2 * seed, coarse + rng.normal(0, 0.3, coarse.shape)),
        *clouded(2 * seed + 1, fixed + rng.normal(0, 0.3, fixed.shape)),
    )


@pytest.mark.parametrize(("cells", "tolerance"), [(32, 0.15), (24, 0.25)])
def test_fits_shift_and_footprint_between_clouds(cells: int, tolerance: float) -> None:
    distance, widths = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        shift, start = rng.uniform(-0.9, 0.9, 2), rng.uniform(-0.3, 0.3, 2)
        scene = seen_by_geostationary(seed, tuple(shift), cells)
        fit = fit_psf(*scene, 8, tuple(shift + start))
        distance.append(np.hypot(fit.row - shift[0], fit.column - shift[1]))
        widths.append((fit.fwhm_rows, fit.fwhm_columns))
    assert np.median(distance) <= 0.05
    assert max(distance) <= 0.2
    np.testing.assert_allclose(np.divide(widths, PSF), 1, atol=tolerance)


def test_registers_an_input_whose_footprint_is_unknown() -> None:
    for seed in range(10):
        shift = tuple(np.random.default_rng(seed).uniform(-0.9, 0.9, 2))
        result = register_input(*seen_by_geostationary(seed, shift, 32), 8, psf_cells=None)
        assert result.accepted
        np.testing.assert_allclose(found(result) / 8, shift, atol=0.1)
        np.testing.assert_allclose(np.divide(result.psf_cells, PSF), 1, atol=0.15)


def test_refuses_other_landscapes_whatever_the_footprint() -> None:
    for seed in range(10):
        scene = seen_by_geostationary(seed, (0, 0), 32, other=100)
        assert not register_input(*scene, 8, psf_cells=None).accepted


def test_refuses_too_few_clear_cells_to_fit_a_footprint() -> None:
    coarse, coarse_clear, fixed, fixed_clear = seen_by_geostationary(1, (0, 0), 32)
    for clear in (0, 1, 6):
        few = np.zeros_like(coarse_clear)
        few[:clear, :clear] = coarse_clear[:clear, :clear]
        result = register_input(coarse, few, fixed, fixed_clear, 8, psf_cells=None)
        assert not result.accepted
        assert np.isnan(fit_psf(coarse, few, fixed, fixed_clear, 8).row)
    small = seen_by_geostationary(1, (0, 0), 8)
    assert not register_input(*small, 8, psf_cells=None).accepted


def cloudy_pair(seed: int) -> tuple[tuple[Array, Mask], tuple[Array, Mask], Array]:
    """One quantity seen twice, 30 % clouds in each, a fraction of a pixel to a few apart."""
    rng = np.random.default_rng(seed)
    shift = rng.uniform(-2, 2, 2)
    moving = Waves(seed).at(sigma=(0.5, 0.5))
    fixed = Waves(seed).at(tuple(shift))
    noise = 0.02 * rng.normal(size=(2, *moving.shape))
    return clouded(2 * seed, moving + noise[0]), clouded(2 * seed + 1, fixed + noise[1]), shift


def test_like_with_like_between_clouds_is_found_to_a_tenth_of_a_pixel() -> None:
    errors = []
    for seed in range(20):
        moving, fixed, shift = cloudy_pair(seed)
        result = register_pair(moving, fixed)
        assert result.accepted
        errors.append(np.hypot(*(found(result) - shift)))
    assert np.median(errors) <= 0.1
    assert np.quantile(errors, 0.95) <= 0.3


def test_trap_7_masked_phase_correlation_finds_whole_pixels_only() -> None:
    naive, ours = [], []
    for seed in range(8):
        (moving, moving_clear), (fixed, fixed_clear), shift = cloudy_pair(seed)
        whole, *_ = phase_cross_correlation(
            np.nan_to_num(fixed),
            np.nan_to_num(moving),
            upsample_factor=20,
            reference_mask=fixed_clear,
            moving_mask=moving_clear,
        )
        np.testing.assert_array_equal(whole, np.round(whole))
        naive.append(np.hypot(*(whole - shift)))
        result = register(moving, fixed, moving_clear, fixed_clear)
        ours.append(np.hypot(*(found(result) - shift)))
    assert np.median(naive) > 0.3
    assert np.median(ours) < 0.1


CRS = "+proj=sinu +R=6371007.181 +units=m +no_defs"  # the files state other parameters


@dataclass(frozen=True)
class Scene:
    """A real triplet: input on its own grid; reference and target on it, four times finer."""

    folder: Path

    @property
    def input(self) -> tuple[Array, Mask]:
        with rasterio.open(self.folder / "modis_lst_1km.tif") as file:
            values = file.read(1).astype(float)
        return np.where(values > 0, values, np.nan), values > 0

    def reference(self, shift: Shift = (0, 0)) -> tuple[Array, Mask]:
        """NDVI, its content moved by ``shift`` in the one resampling."""
        return self._fine("modis_ndvi_250m.tif", CRS, lambda ndvi: ndvi > -9000, shift)

    def target(self) -> tuple[Array, Mask]:
        def inside(dn: Array) -> Mask:
            return ndimage.binary_erosion(dn > 2500, np.ones((3, 3)), 3)

        return self._fine("aster_lst_250m.tif", None, inside, (0, 0))

    def _fine(
        self, name: str, crs: str | None, valid: Callable[[Array], Mask], shift: Shift
    ) -> tuple[Array, Mask]:
        with rasterio.open(self.folder / "modis_lst_1km.tif") as file:
            grid = file.transform @ Affine.scale(1 / 4)
        with rasterio.open(self.folder / name) as file:
            values, source, crs = file.read(1).astype(float), file.transform, crs or file.crs
        image = np.full((256, 256), np.nan)
        reproject(
            np.where(valid(values), values, np.nan),
            image,
            src_transform=source,
            src_crs=crs,
            src_nodata=np.nan,
            dst_transform=grid @ Affine.translation(-shift[1], -shift[0]),
            dst_crs=CRS,
            dst_nodata=np.nan,
            resampling=Resampling.bilinear,
        )
        return image, np.isfinite(image)


@pytest.fixture(scope="module")
def scenes(shared: Path) -> list[Scene]:
    folder = shared / "data" / "modis-aster"
    if not folder.is_dir():
        pytest.skip("no MODIS/ASTER scenes beside the repository")
    with open(folder / "scenes.csv") as file:
        return [Scene(folder / row["scene"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def references(scenes: list[Scene]) -> list[Registration]:
    return [register_pair(scene.reference(), scene.target()) for scene in scenes]


def register_coarse(coarse: tuple[Array, Mask], fixed: tuple[Array, Mask]) -> Registration:
    return register_input(*coarse, *fixed, 4)


@pytest.mark.real
def test_real_references_share_an_offset_that_varies(references: list[Registration]) -> None:
    shifts = np.array([found(result) for result in references])
    assert all(result.accepted for result in references)
    np.testing.assert_allclose(shifts.mean(0), (0.85, 1.05), atol=0.15)
    assert (shifts > 0).all(1).mean() >= 0.95
    assert 0.2 < shifts[:, 1].std() < 0.5


@pytest.mark.real
def test_real_references_of_other_scenes_are_refused(scenes: list[Scene]) -> None:
    others = scenes[17:] + scenes[:17]
    results = [
        register_pair(other.reference(), scene.target())
        for scene, other in zip(scenes, others, strict=True)
    ]
    assert np.mean([result.accepted for result in results]) <= 0.05
    assert max(result.peak_correlation for result in results) < 0.09


@pytest.mark.real
def test_real_references_reveal_a_shift_put_on_them(
    scenes: list[Scene], references: list[Registration]
) -> None:
    added = np.random.default_rng(0).uniform(-1.5, 1.5, (len(scenes), 2))
    errors = [
        found(register_pair(scene.reference((row, column)), scene.target()))
        - (found(before) - (row, column))
        for scene, before, (row, column) in zip(scenes, references, added, strict=True)
    ]
    assert (np.hypot(*np.transpose(errors)) < 0.2).mean() >= 0.95


@pytest.mark.real
def test_real_inputs_match_the_target_and_the_reference_alike(
    scenes: list[Scene], references: list[Registration]
) -> None:
    to_target = [register_coarse(scene.input, scene.target()) for scene in scenes]
    shifts = np.array([found(result) for result in to_target])
    assert all(result.accepted for result in to_target)
    np.testing.assert_allclose(shifts.mean(0), (0.76, 0.72), atol=0.1)
    assert shifts[:, 0].std() < 0.15
    assert shifts[:, 1].std() < 0.45

    # Without a target: input to reference is input to target minus reference to target.
    to_reference = [register_coarse(scene.input, scene.reference()) for scene in scenes]
    accepted = np.array([result.accepted for result in to_reference])
    expected = shifts - [found(result) for result in references]
    error = np.hypot(*np.transpose([found(result) for result in to_reference] - expected))
    assert accepted.mean() >= 0.9
    assert (error[accepted] < 0.5).mean() >= 0.95
    assert np.median(error) < 0.2


@pytest.mark.real
def test_real_inputs_of_other_scenes_are_refused(scenes: list[Scene]) -> None:
    others = scenes[17:] + scenes[:17]
    for fixed in (Scene.target, Scene.reference):
        results = [
            register_coarse(other.input, fixed(scene))
            for scene, other in zip(scenes, others, strict=True)
        ]
        assert np.mean([result.accepted for result in results]) <= 0.05
