"""A simulated place at one moment: skin temperature and reflectance, without any sensor.

Skin temperature closes the surface energy balance Rn = G + H + LE of each pixel, linearised about
air temperature (Monteith & Unsworth 2013, Principles of Environmental Physics, ch. 13). Numbers
without a source are assumptions; docs/simulation.md lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import cos, exp, pi, sin

import cv2
import numpy as np

from lstsr.geo.sun import sun_position
from lstsr.grid import Grid
from lstsr.image import Floats, Mask
from lstsr.simulate.fields import power_law
from lstsr.simulate.spectra import SPECTRA, WAVELENGTHS_NM
from lstsr.simulate.surface import Surface, surface_of

SOLAR_CONSTANT = 1361.0  # W m-2 (Kopp & Lean 2011)
STEFAN_BOLTZMANN = 5.670374e-8  # W m-2 K-4
AIR_HEAT_CAPACITY = 1200.0  # J m-3 K-1, at sea level
VON_KARMAN = 0.41
LAPSE_K_PER_M = 0.0065  # standard atmosphere
KELVIN = 273.15
# Momentum roughness length (m), Brutsaert (1982), Evaporation into the Atmosphere, Table 5.1.
ROUGHNESS_M = {"forest": 0.5, "city": 0.3, "field": 0.1}
HEAT_ROUGHNESS = 0.1  # of the momentum roughness
BLENDING_M = 40.0  # height above which single pixels do not affect wind and air temperature
FREE_CONVECTION_M_S = 0.0055  # conductance of calm, heated air
EMISSIVITY = {"green": 0.985, "soil": 0.96, "city": 0.95, "flooded": 0.985}
# Share of net radiation that goes into the ground.
GROUND_HEAT = {"green": 0.06, "soil": 0.28, "city": 0.38, "flooded": 0.28}
# Smallest cosine of the sun's zenith angle at which sunlight counts.
LOWEST_SUN = 0.05
# Diurnal cycle of the air: amplitude, UTC hour of the maximum, UTC hour of the weather.
DIURNAL_K, WARMEST_H, MORNING_H = 4.5, 5.5, 2.17
NIGHT_COOLING_K_PER_H = -0.4
# Kernels of Vinnikov et al. (2012), Geophysical Research Letters 39, L02802: emissivity, solar.
KERNEL_EMISSIVITY, KERNEL_SOLAR = -0.0138, 0.0140


@dataclass(frozen=True)
class World:
    """One place at one moment, on a grid of 30 m; fields are (rows, columns).

    ``lst_k`` is the skin temperature seen from above and ``warming_k_per_h`` its rate of change.
    ``rough`` (0..1) is the share of ground that casts shade within a pixel, ``cover`` the share of
    each land cover, ``light`` the illumination relative to flat ground, and ``air_k`` the air
    temperature near the ground at sea level.
    """

    grid: Grid
    elevation_m: Floats
    lst_k: Floats
    warming_k_per_h: Floats
    water: Mask
    sun_elevation_deg: float
    sun_azimuth_deg: float
    rough: Floats
    cover: dict[str, Floats]
    moisture: Floats
    bright: Floats
    light: Floats
    air_k: float

    def reflectance(self, wavelength_nm: float) -> Floats:
        """Surface reflectance of a narrow band, 380 to 2200 nm: covers mixed by their shares.

        Soil is darker if wet. Slopes keep their illumination, because neither Landsat's nor
        GOCI-II's products correct it.
        """
        total = np.zeros(self.grid.shape, np.float32)
        for name, share in self.cover.items():
            total += share * _spectrum_at(name, wavelength_nm)
        soil = self.cover["soil"] * _spectrum_at("soil", wavelength_nm)
        total += soil * (0.12 * self.bright - 0.35 * self.moisture)
        return np.clip(total * self.light, 0.003, 1.0)

    def directional_k(self, view_zenith_deg: float, view_azimuth_deg: float) -> Floats:
        """Skin temperature as seen from a direction (azimuth from north), kelvin.

        T (1 + A phi + D psi) with the emissivity and solar kernels of Vinnikov et al. (2012), eq. 4
        and 5, weighted by ``rough``: smooth water and soil look the same from all directions.
        """
        view, sun = np.radians(view_zenith_deg), np.radians(90 - self.sun_elevation_deg)
        between = np.radians(view_azimuth_deg - self.sun_azimuth_deg)
        emissive = 1 - np.cos(view)
        solar = (
            np.sin(view)
            * max(np.cos(sun), 0.0)
            * np.sin(sun)
            * np.cos(sun - view)
            * np.cos(between)
        )
        change = self.rough * (KERNEL_EMISSIVITY * emissive + KERNEL_SOLAR * solar)
        return self.lst_k * (1 + change).astype(np.float32)


def world_of(grid: Grid, place: int, time: datetime, seed: int) -> World:
    """The place number ``place`` at a moment; equal arguments give equal worlds."""
    ground = surface_of(grid, place, seed)
    moment = time.astimezone(UTC)
    day = moment.timetuple().tm_yday
    rng = np.random.default_rng([seed, place, time.year, day])
    # weather at sea level on a clear day at 11 h local time; rounded climate of southern Korea
    season = sin(2 * pi * (day - 115) / 365)
    morning_air_k = KELVIN + 14.5 + 12.0 * season + rng.normal(0, 2.0)
    mean_water_k = KELVIN + 15.5 + 8.5 * sin(2 * pi * (day - 145) / 365) + rng.normal(0, 0.7)
    wind_m_s = float(np.clip(rng.gamma(6, 0.5), 1.0, 7.0))
    wetness = float(np.clip(0.45 + 0.15 * season + rng.normal(0, 0.15), 0.1, 0.9))
    transmissivity = float(np.clip(rng.normal(0.72, 0.04), 0.6, 0.8))
    hours = np.array([moment.hour + moment.minute / 60 + moment.second / 3600, MORNING_H])
    now, morning = np.cos(2 * pi * (hours - WARMEST_H) / 24)
    level_k = morning_air_k + float(DIURNAL_K * (now - morning))

    zenith, azimuth = _sun(grid, time)
    green, cover = _cover(ground, day)
    moisture = _moisture(rng, ground, wetness)
    slope, turn = ground.slope_rad, azimuth - ground.aspect_rad
    incidence = np.cos(zenith) * np.cos(slope) + np.sin(zenith) * np.sin(slope) * np.cos(turn)
    direct, diffuse = _irradiance(zenith, day, transmissivity)
    shortwave = direct * np.clip(incidence, 0, None) + diffuse
    air_k = level_k - LAPSE_K_PER_M * ground.elevation_m + 0.2 * power_law(grid.shape, 3.4, rng, 8)
    flooded = cover["water"] - ground.water
    excess_k = skin_minus_air_k(ground, green, flooded, moisture, shortwave, air_k, wind_m_s)
    water_k = mean_water_k + 0.3 * power_law(grid.shape, 3.0, rng, 4)
    land = 1 - ground.water
    lst_k = (land * (air_k + excess_k) ** 4 + ground.water * water_k**4) ** 0.25
    level = direct * max(cos(zenith), 0.0) + diffuse
    return World(
        grid,
        ground.elevation_m,
        lst_k.astype(np.float32),
        (land * _warming_k_per_h(grid, time, zenith, excess_k)).astype(np.float32),
        ground.water > 0.5,
        float(90 - np.degrees(zenith)),
        float(np.degrees(azimuth)),
        np.clip(ground.forest + ground.city + 0.4 * green, 0, 1).astype(np.float32),
        cover,
        moisture,
        ground.bright,
        (shortwave / level if level else np.ones(grid.shape)).astype(np.float32),
        float(level_k),
    )


def skin_minus_air_k(
    ground: Surface,
    green: Floats,
    flooded: Floats,
    moisture: Floats,
    shortwave: Floats,
    air_k: Floats,
    wind_m_s: float,
) -> Floats:
    """Skin minus air temperature that closes the energy balance, kelvin (rows, columns).

    With Rn = (1 - albedo) S + e (L - s T_air^4) - 4 e s T_air^3 d, G = g Rn, LE = f (Rn - G) and
    H = C d / r, the result is d = (1 - f)(1 - g) Rn0 / (C / r + (1 - f)(1 - g) 4 e s T^3). The
    evaporative fraction f grows with green vegetation and moisture. 1 / r is the sum of two
    conductances: neutral, k^2 u / (ln(z / z0) ln(z / z0h)), and free convection.
    """
    sealed = ground.city
    bare = np.clip(1 - green - sealed - flooded, 0, 1)
    albedo = 0.17 * green + (0.22 + 0.025 * ground.bright - 0.07 * moisture) * bare + 0.14 * sealed
    albedo = albedo + 0.08 * flooded
    cover = {"green": green, "soil": bare, "city": sealed, "flooded": flooded}
    emissivity, ground_heat = (
        sum(table[name] * share for name, share in cover.items())
        for table in (EMISSIVITY, GROUND_HEAT)
    )
    ground_heat = ground_heat * (1 + 0.28 * ground.hidden * (bare + sealed))
    # clear sky (Brutsaert 1975, Water Resources Research 11, 742) at about half saturation
    sky = 0.80 * STEFAN_BOLTZMANN * air_k**4
    net = (1 - albedo) * shortwave + emissivity * (sky - STEFAN_BOLTZMANN * air_k**4)
    evaporative = np.clip(
        green * (0.66 + 0.12 * moisture)
        + bare * (0.04 + 0.28 * moisture)
        + 0.04 * ground.hidden * (green + bare)
        + 0.05 * sealed
        + 0.75 * flooded,
        0,
        0.92,
    )
    kept = (1 - evaporative) * (1 - ground_heat)
    # the logarithm of roughness is mixed by cover
    rough = {"forest": ground.forest, "city": ground.city, "field": ground.field + ground.water}
    log_z0 = sum(share * np.float32(np.log(ROUGHNESS_M[name])) for name, share in rough.items())
    log_momentum = np.log(BLENDING_M) - log_z0
    log_heat = log_momentum - np.log(HEAT_ROUGHNESS)
    neutral = VON_KARMAN**2 * wind_m_s / (log_momentum * log_heat)
    conductance = (neutral + FREE_CONVECTION_M_S).astype(np.float32)
    radiative = kept * 4 * emissivity * STEFAN_BOLTZMANN * air_k**3
    return kept * net / (AIR_HEAT_CAPACITY * conductance + radiative)


def _spectrum_at(cover: str, wavelength_nm: float) -> np.float32:
    return np.float32(np.interp(wavelength_nm, WAVELENGTHS_NM, SPECTRA[cover]))


def _sun(grid: Grid, time: datetime) -> tuple[float, float]:
    """Zenith and azimuth (clockwise from north) of the sun over the middle of the grid, radians."""
    lon, lat = grid.lonlat_at(grid.height / 2, grid.width / 2)
    zenith, azimuth = sun_position(time, lon, lat)
    return float(zenith), float(azimuth)


def _warming_k_per_h(grid: Grid, time: datetime, zenith: float, excess_k: Floats) -> Floats | float:
    """Warming of the land: by day, skin minus air follows the sun; by night, both cool."""
    if cos(zenith) < LOWEST_SUN:
        return NIGHT_COOLING_K_PER_H
    later, _ = _sun(grid, time + timedelta(minutes=30))
    return 1.0 + 2 * (cos(later) / cos(zenith) - 1) * excess_k


def _irradiance(zenith: float, day: int, transmissivity: float) -> tuple[float, float]:
    """Direct (normal to the beam) and diffuse irradiance under a clear sky, W m-2.

    Campbell & Norman (1998), An Introduction to Environmental Biophysics, eq. 11.11 and 11.13.
    """
    extraterrestrial = SOLAR_CONSTANT * (1 + 0.033 * cos(2 * pi * day / 365))
    if cos(zenith) < LOWEST_SUN:
        return 0.0, 0.0
    through = transmissivity ** (1 / cos(zenith))
    return extraterrestrial * through, 0.3 * (1 - through) * extraterrestrial * cos(zenith)


def _rises(day: int, middle: int, width: float) -> float:
    return 1 / (1 + exp(-(day - middle) / width))


def _cover(ground: Surface, day: int) -> tuple[Floats, dict[str, Floats]]:
    """Green share of each pixel's ground, and the share of each land cover, at a day of the year.

    Leaves unfold about 25 April and fall about 5 November. Paddies are flooded from mid-May, green
    from July and cut in October. Each other parcel of farmland has its own growing season.
    """
    leaf = _rises(day, 115, 7) * (1 - _rises(day, 309, 8))
    vigour = ground.vigour
    density = 0.88 * ground.conifer + (0.22 + 0.68 * leaf) * (1 - ground.conifer)
    forest_green = ground.forest * vigour * density
    flood = _rises(day, 137, 4) * (1 - _rises(day, 178, 7))
    rice = 0.9 * _rises(day, 182, 9) * (1 - _rises(day, 280, 7))
    when = 120 + 130 * ground.parcel
    grown = np.exp(-(((day - when) / 55) ** 2)).astype(np.float32)
    season = _rises(day, 95, 12) * (1 - _rises(day, 310, 12))
    dry_land = 0.12 + 0.75 * grown * np.float32(season)
    crop = np.where(ground.paddy, np.float32(rice) * (0.8 + 0.2 * ground.parcel), dry_land)
    field_green = ground.field * vigour * crop
    city_green = ground.city * np.float32(0.08 + 0.12 * leaf)
    green = (forest_green + field_green + city_green).astype(np.float32)
    flooded = ground.field * ground.paddy * np.float32(0.7 * flood) * (1 - crop)
    cover = {
        "conifer": forest_green * ground.conifer,
        "leaf": forest_green * (1 - ground.conifer) + field_green + city_green,
        "city": ground.city - city_green,
        "water": ground.water + flooded,
    }
    cover["soil"] = np.clip(1 - sum(cover.values()), 0, 1)
    assert set(cover) == set(SPECTRA)
    return green, {name: share.astype(np.float32) for name, share in cover.items()}


def _moisture(rng: np.random.Generator, ground: Surface, wetness: float) -> Floats:
    """Wetness of the root zone, 0..1, from weather, showers, paddies and hidden properties."""
    showers = power_law(ground.elevation_m.shape, 3.0, rng, 8)
    roots = power_law(ground.elevation_m.shape, 2.4, rng, 2)
    wet = wetness + 0.04 * showers + 0.10 * roots + 0.05 * ground.hidden
    wet = wet + 0.25 * ground.paddy * ground.field
    return cv2.GaussianBlur(np.clip(wet, 0, 1).astype(np.float32), (0, 0), 1.0)
