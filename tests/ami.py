"""GK2A files of all areas and channels. The simulated sample has KO LST and three LA channels."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import netCDF4
import numpy as np

from lstsr.grid import Grid
from lstsr.sensors.ami.channels import CHANNELS, Calibration
from lstsr.sensors.ami.grids import AREAS
from lstsr.simulate import gk2a

# Gain, offset and coefficients of KMA's conversion table v3.0 of 2019-04-15.
COEFFICIENTS = """
vi004  0.363545805215835    -7.27090454101562  0.001558245
vi005  0.343625485897064    -6.87249755859375  0.0016595767
vi006  0.154856294393539    -6.19424438476562  0.001924484
vi008  0.0457241721451282   -3.65792846679687  0.0032723873
nr013  0.0346878096461296   -1.38751220703125  0.0087081313
nr016  0.0498007982969284   -0.996017456054687 0.0129512876
sw038 -0.00108296517282724  17.699987411499   -0.447843939824124  1.00065568090389 -6.33824089912448e-08
wv063 -0.0108914673328399   44.1777038574218  -1.76279494011147   1.00414910562278 -9.83310914319385e-07
wv069 -0.00818779878318309  66.7480773925781  -0.334311414359106  1.00097359874468 -4.94603070252304e-07
wv073 -0.0096982717514038   79.0608520507812  -0.0613124859696595 1.00019008722941 -1.05863656750499e-07
ir087 -0.0144806550815701   118.050903320312  -0.141418528203155  1.00052232906885 -3.6287276076109e-07
ir096 -0.0178435463458299   145.464874267578  -0.114017728158198  1.00047380585402 -3.74931509928403e-07
ir133 -0.0243037566542625   198.224365234375  -0.0938521568527657 1.00053982112966 -5.94913715312849e-07
"""  # noqa: E501 a table
CALIBRATIONS = gk2a.CALIBRATIONS | {
    # 12 is assumed for channels whose bits are unknown
    name: Calibration(name, CHANNELS[name].bits or 12, gain, offset, tuple(others))
    for name, *numbers in map(str.split, COEFFICIENTS.strip().splitlines())
    for gain, offset, *others in [map(float, numbers)]
}
DISK = {
    "grid_mapping_name": "geostationary",
    "longitude_of_projection_origin": 128.2,
    "perspective_point_height": 35_785_863.0,
    "semi_major_axis": 6_378_137.0,
    "semi_minor_axis": 6_356_752.3,
    "column_scale_factor": 20425338.903339352,
    "line_scale_factor": -20425338.903339352,
    "column_offset": 2750.5,
    "line_offset": 2750.5,
}


def write_lst(
    folder: Path, time: datetime, area: str, lst_k: np.ndarray, quality: np.ndarray
) -> Path:
    """The LST file of one slot; ``area`` is ko, ea or fd. EA and FD lack global attributes."""
    if area == "ko":
        return gk2a.write_lst(folder, time, lst_k, quality)
    code = {"ea": "ea020lc", "fd": "fd020ge"}[area]
    path = folder / f"gk2a_ami_le2_lst_{code}_{time:%Y%m%d%H%M}.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        for name, length in zip(("dim_y", "dim_x"), lst_k.shape, strict=True):
            dataset.createDimension(name, length)
        stored = np.where(np.isfinite(lst_k), np.round(lst_k * 100), 65535).astype(np.uint16)
        for name, kind, values in (("DQF_LST", "u1", quality), ("LST", "u2", stored)):
            dataset.createVariable(name, kind, ("dim_y", "dim_x"), zlib=True)[:] = values
        lambert = {
            "grid_mapping_name": "lambert_conformal_conic",
            **gk2a.lambert_attributes(AREAS[area]),
        }
        projection = dataset.createVariable("gk2a_imager_projection", "i4")
        projection.setncatts(DISK if area == "fd" else lambert)
    return path


def level_1_name(channel: str, area: str, time: datetime) -> str:
    """The name of a Level 1B file: ``area`` is fd, la, ko or ea."""
    size = {"vi006": "005", "vi004": "010", "vi005": "010", "vi008": "010"}.get(channel, "020")
    code = "lc" if area in ("ko", "ea") else "ge"
    return f"gk2a_ami_le1b_{channel}_{area}{size}{code}_{time.astimezone(UTC):%Y%m%d%H%M}.nc"


def write_l1b(
    folder: Path,
    time: datetime,
    area: str,
    channel: str,
    grid: Grid,
    values: np.ndarray,
    quality: np.ndarray,
) -> Path:
    """One channel of one slot like the public bucket (fd, la) or KMA (ko, ea).

    The grid of fd and la is geostationary, and can be a smaller disk or another sector. It is
    Lambert for ko and ea, whose files have no calibration and no times.
    """
    path, calibration = folder / level_1_name(channel, area, time), CALIBRATIONS[channel]
    if area in ("fd", "la"):
        with TemporaryDirectory(dir=folder) as made:
            scan = gk2a.write_l1b(Path(made), time, calibration, grid, values, quality)
            with netCDF4.Dataset(scan, "a") as dataset:
                dataset.file_name, dataset.observation_mode = path.name, area.upper()
                if area == "fd":
                    dataset.observation_end_time += timedelta(minutes=9).total_seconds()
            return scan.replace(path)
    with netCDF4.Dataset(path, "w") as dataset:
        source = level_1_name(channel, "fd", time).replace("_fd", "_ela")
        dataset.setncatts({"satellite_name": "GK-2A", "instrument_name": "AMI"})
        dataset.origianl_sourece_file = source  # spelled so in KMA's files
        dataset.projection_type = "lambert_conformal_conic"
        dataset.setncatts(gk2a.lambert_attributes(grid))
        axes = ("dim_y", "dim_x")
        for name, length in zip(axes, grid.shape, strict=True):
            dataset.createDimension(name, length)
        image = dataset.createVariable("image_pixel_values", "u2", axes, fill_value=False)
        image.channel_name = channel.upper()
        image.number_of_total_bits_per_pixel = np.uint8(16)
        image.number_of_valid_bits_per_pixel = np.uint8(calibration.bits)
        image[:] = gk2a.image_words(values, quality, calibration)
    return path
