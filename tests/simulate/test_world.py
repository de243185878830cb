"""The simulated world: reproducible, and with the physics that it promises."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from affine import Affine

from lstsr.grid import Grid
from lstsr.simulate.surface import surface_of
from lstsr.simulate.world import World, skin_minus_air_k, world_of

GRID = Grid("EPSG:32652", Affine(30, 0, 399_990, 0, -30, 4_060_020), 400, 360)
SUMMER = datetime(2023, 8, 1, 2, 10, tzinfo=UTC)
SPRING = datetime(2023, 4, 5, 2, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def summer() -> World:
    return world_of(GRID, 3, SUMMER, 7)


def test_the_same_call_makes_the_same_world_and_another_seed_another(summer: World) -> None:
    surface_of.cache_clear()
    again = world_of(GRID, 3, SUMMER, 7)
    np.testing.assert_array_equal(again.lst_k, summer.lst_k)
    np.testing.assert_array_equal(again.reflectance(865), summer.reflectance(865))
    assert np.abs(world_of(GRID, 3, SUMMER, 8).lst_k - summer.lst_k).mean() > 0.5


def test_dates_share_the_ground_and_differ_in_weather_and_leaves(summer: World) -> None:
    spring = world_of(GRID, 3, SPRING, 7)
    np.testing.assert_array_equal(spring.elevation_m, summer.elevation_m)
    np.testing.assert_array_equal(spring.water, summer.water)
    assert summer.lst_k.mean() > spring.lst_k.mean() + 5
    land = ~summer.water

    def ndvi(world: World) -> np.ndarray:
        red, nir = world.reflectance(660)[land], world.reflectance(865)[land]
        return (nir - red) / (nir + red)

    assert ndvi(summer).mean() > ndvi(spring).mean() + 0.1


def test_the_energy_balance_closes() -> None:
    """With the result put back: Rn = G + LE + H, by the definitions of its docstring."""
    ground = surface_of(GRID, 3, 7)
    shape = GRID.shape
    bare = replace(
        ground,
        forest=np.zeros(shape, np.float32),
        city=np.zeros(shape, np.float32),
        field=np.ones(shape, np.float32),
        water=np.zeros(shape, np.float32),
        bright=np.zeros(shape, np.float32),
        hidden=np.zeros(shape, np.float32),
    )
    zero, half = np.zeros(shape, np.float32), np.full(shape, 0.5, np.float32)
    air_k, shortwave = np.full(shape, 295.0, np.float32), np.full(shape, 700.0, np.float32)
    warm = float(skin_minus_air_k(bare, zero, zero, half, shortwave, air_k, 3.0)[0, 0])
    sigma, emissivity, albedo = 5.670374e-8, 0.96, 0.22 - 0.07 * 0.5
    net = (1 - albedo) * 700 + emissivity * sigma * 295**4 * (0.80 - 1)
    net -= 4 * emissivity * sigma * 295**3 * warm
    ground_heat = 0.28 * net
    latent = (0.04 + 0.28 * 0.5) * (net - ground_heat)
    log_momentum = np.log(40 / 0.1)
    conductance = 0.41**2 * 3.0 / (log_momentum * np.log(40 / 0.01)) + 0.0055
    sensible = 1200 * conductance * warm
    assert net == pytest.approx(ground_heat + latent + sensible, rel=1e-4)
    assert 5 < warm < 30


def test_plants_and_moisture_cool_and_wind_does() -> None:
    ground = surface_of(GRID, 3, 7)
    one, zero = (np.full(GRID.shape, value, np.float32) for value in (1, 0))
    air_k, light = 295 * one, 700 * one

    def warm(green: float, moisture: float, wind: float) -> float:
        land = ground.city < 0.01
        excess = skin_minus_air_k(ground, green * one, zero, moisture * one, light, air_k, wind)
        return float(excess[land].mean())

    assert warm(0.9, 0.5, 3) < warm(0.1, 0.5, 3) - 3
    assert warm(0.1, 0.9, 3) < warm(0.1, 0.1, 3) - 1
    assert warm(0.1, 0.5, 6) < warm(0.1, 0.5, 2)
    assert skin_minus_air_k(ground, zero, zero, zero, 0 * one, air_k, 3.0).max() < 0


def test_flooded_paddies_are_cooler_than_dry_farmland_and_warmer_than_lakes() -> None:
    june = world_of(GRID, 3, datetime(2023, 6, 10, 2, 10, tzinfo=UTC), 7)
    ground = surface_of(GRID, 3, 7)
    farmland = (ground.field > 0.9) & (ground.elevation_m < 100)
    flooded = farmland & (june.cover["water"] - ground.water > 0.5)
    dry = farmland & (june.cover["water"] < 0.05) & (june.cover["soil"] > 0.5)
    lake = ground.water > 0.99
    assert min(map(np.count_nonzero, (flooded, dry, lake))) > 50
    lake_k, flooded_k, dry_k = (june.lst_k[where].mean() for where in (lake, flooded, dry))
    assert lake_k + 2 < flooded_k < dry_k - 2


def test_at_night_the_ground_is_colder_than_by_day_and_cools(summer: World) -> None:
    night = world_of(GRID, 3, datetime(2023, 8, 1, 15, 0, tzinfo=UTC), 7)
    assert night.sun_elevation_deg < -20
    land = ~summer.water
    assert np.isfinite(night.lst_k).all() and np.isfinite(night.light).all()
    assert night.lst_k[land].mean() < summer.lst_k[land].mean() - 8
    assert (night.warming_k_per_h[land] <= 0).all()
    sides = night.directional_k(43, 90), night.directional_k(43, 270)
    np.testing.assert_array_equal(*sides, "without sun all azimuths look alike")


def test_the_last_half_hour_of_a_day_has_a_world() -> None:
    world = world_of(GRID, 3, datetime(2023, 6, 10, 23, 45, tzinfo=UTC), 7)
    assert np.isfinite(world.warming_k_per_h).all()


def test_sunlit_slopes_are_warmer_and_heights_cooler(summer: World) -> None:
    """At 11 h the sun stands in the south-east."""
    ground = surface_of(GRID, 3, 7)
    assert 100 < summer.sun_azimuth_deg < 170
    assert 40 < summer.sun_elevation_deg < 75
    land = ~summer.water & (ground.city < 0.05)
    steep = (ground.slope_rad > 0.1) & ~summer.water
    facing = np.cos(ground.aspect_rad - np.radians(summer.sun_azimuth_deg))
    sunny, shady = steep & (facing > 0.7), steep & (facing < -0.7)
    assert sunny.sum() > 100 < shady.sum()
    lapse = summer.lst_k + 0.0065 * summer.elevation_m
    assert lapse[sunny].mean() > lapse[shady].mean() + 0.3
    known = [
        summer.elevation_m,
        summer.light,
        summer.moisture,
        ground.forest,
        summer.reflectance(865),
    ]
    design = np.stack([np.ones(land.sum()), *(field[land] for field in known)], 1)
    solved, *_ = np.linalg.lstsq(design, summer.lst_k[land], rcond=None)
    assert -0.010 < solved[1] < -0.004, "kelvin a metre, all else equal"


def test_the_land_follows_the_seasons_and_water_lags_behind() -> None:
    """Monthly means of Korean coastal waters lie within about 4 and 28 degrees Celsius."""
    land_k, water_k = [], []
    for month, day in ((1, 15), (4, 5), (8, 1), (11, 5)):
        world = world_of(GRID, 3, datetime(2023, month, day, 2, 10, tzinfo=UTC), 7)
        share = surface_of(GRID, 3, 7).water
        land_k.append(world.lst_k[share < 0.01].mean())
        water = world.lst_k[share > 0.99]
        assert 277 < water.min() <= water.max() < 301
        assert water.std() < 1 < world.lst_k[share < 0.01].std()
        assert np.abs(world.warming_k_per_h[share > 0.99]).max() < 0.1
        water_k.append(water.mean())
    january, april, august, november = land_k
    assert january < april < august > november > january
    assert np.ptp(water_k) < np.ptp(land_k)
    assert water_k[3] > water_k[1], "autumn water is warmer than spring water"


def test_reflectance_is_physical_and_plants_have_a_red_edge(summer: World) -> None:
    red, nir = summer.reflectance(660), summer.reflectance(865)
    for band in (red, nir, summer.reflectance(380), summer.reflectance(2200)):
        assert 0 < band.min() <= band.max() < 1
    ground = surface_of(GRID, 3, 7)
    assert (nir / red)[ground.forest > 0.9].mean() > 5
    assert (nir / red)[ground.city > 0.7].mean() < 3


def test_a_part_of_lst_is_in_no_optical_band(summer: World) -> None:
    land = ~summer.water
    known = [summer.reflectance(band)[land] for band in (490, 555, 660, 865, 1610, 2200)]
    design = np.stack([np.ones(land.sum()), *known, summer.elevation_m[land]], 1)
    lst = summer.lst_k[land]
    solved, *_ = np.linalg.lstsq(design, lst, rcond=None)
    assert 0.1 < np.var(lst - design @ solved) / np.var(lst) < 0.9


def test_a_slanted_view_sees_the_ground_a_little_differently(summer: World) -> None:
    np.testing.assert_array_equal(summer.directional_k(0, 180), summer.lst_k)
    change = summer.directional_k(43, 180) - summer.lst_k
    assert 0.05 < np.abs(change).max() < 4
    backlit = summer.directional_k(43, summer.sun_azimuth_deg + 180)
    assert (summer.directional_k(43, summer.sun_azimuth_deg) - backlit).mean() > 0.2
