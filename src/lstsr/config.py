"""The run's configuration: every option with its unit, range and default, written here once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from lstsr.errors import LstsrError
from lstsr.manifest import ROLES
from lstsr.registry import (
    ADVERSARIAL,
    BASELINES,
    CLASSICAL,
    MODELS,
    RELEASED,
    UNGUIDED,
    band_options,
)
from lstsr.split import SPLITS, splits_of

if TYPE_CHECKING:
    from pyproj import CRS

Origin = Literal["simulated", "observed"]
Track = Literal["observed", "degraded-block", "degraded-psf"]
PATH = r"^[^{}$]*$"
"""Braces and dollars mean something to the workflow and to shells."""
Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]*(-[A-Za-z0-9_.]+)*$")]


LandsatBand = Literal[
    "lst",
    "brightness_temperature",
    "coastal",
    "blue",
    "green",
    "red",
    "nir08",
    "swir16",
    "swir22",
]
THERMAL = ("lst", "brightness_temperature")
LandsatFlag = Literal["dilated_cloud", "cirrus", "cloud", "cloud_shadow", "snow", "water"]
Goci2Band = Literal[
    "rhoc_380",
    "rhoc_412",
    "rhoc_443",
    "rhoc_490",
    "rhoc_510",
    "rhoc_555",
    "rhoc_620",
    "rhoc_660",
    "rhoc_680",
    "rhoc_709",
    "rhoc_745",
    "rhoc_865",
    "ndvi",
    "ndwi",
]
Goci2L1bBand = Literal[
    "toa_380",
    "toa_412",
    "toa_443",
    "toa_490",
    "toa_510",
    "toa_555",
    "toa_620",
    "toa_660",
    "toa_680",
    "toa_709",
    "toa_745",
    "toa_865",
    "ndvi",
    "ndwi",
]


Layer = Literal[
    "elevation",
    "slope",
    "northness",
    "eastness",
    "water",
    "view_zenith",
    "sun_zenith",
    "illumination",
    "history",
]
HISTORY = ("history", "history_age", "history_count")
"""The channels of layer history."""
AlignedLayer = Literal[Layer, "unregistered"]
Covariate = Literal["view_zenith", "sun_zenith", "hour", "season", "ndvi", "elevation", "water"]
AmiBand = Literal[
    "lst",
    "vi004",
    "vi005",
    "vi006",
    "vi008",
    "nr013",
    "nr016",
    "sw038",
    "wv063",
    "wv069",
    "wv073",
    "ir087",
    "ir096",
    "ir105",
    "ir112",
    "ir123",
    "ir133",
]


def unregistered(band: str) -> str:
    """The channel of a dataset that holds ``band`` of the reference as it was delivered."""
    return f"unregistered_{band}"


def channels_of(layers: Sequence[str]) -> list[str]:
    """The channels that these layers add to the reference."""
    return [name for layer in layers for name in (HISTORY if layer == "history" else (layer,))]


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class AgedReferenceConfig(Section):
    """A reference of days before, under clouds of its own."""

    days: int = Field(1, ge=1, le=7, description="before the input")
    clouds: float = Field(0.4, ge=0, le=0.6, description="mean cloud share of the reference")


class GenerateConfig(Section):
    """Provider ``generate``: the simulated Korean sample, in the agencies' own formats, offline."""

    places: int = Field(8, ge=3, le=48, description="Landsat footprints, none overlapping another")
    dates: int = Field(2, ge=1, le=8, description="of each place")
    size_km: int = Field(64, ge=16, le=128, multiple_of=16, description="side of a footprint")
    clouds: float = Field(0.15, ge=0, le=0.6, description="mean cloud share")
    seed: int = Field(2023, ge=0, description="of the world: terrain, cover, weather, sensors")
    aged_reference: AgedReferenceConfig | None = Field(
        None, description="default: the reference is of the same day and clouds as the others"
    )
    level: Literal[1, 2] = Field(2, description="of the files of GK2A and GOCI-II")

    @model_validator(mode="after")
    def _in_sector(self) -> Self:
        # three abreast, 12 km apart; the sector ends 700 km south of the first
        most = 3 * (700 // (self.size_km + 12))
        if self.level == 1 and self.places > most:
            raise ValueError(
                f"places = {self.places}: the LA sector of level 1 holds {most} of {self.size_km} "
                "km; take fewer or smaller ones"
            )
        return self


class AcquireConfig(Section):
    """Where the scenes come from."""

    provider: Literal["local", "generate", "download"] = "generate"
    manifest: str = Field(
        "scenes.csv", description="CSV of scenes, relative to `data` (local, download)"
    )
    generate: GenerateConfig = GenerateConfig()


def _number_or_name(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    return {int: "<number>", str: "<name>"}.get(type(value))


# Tags are in angle brackets, so that messages leave them out.
BandChoice = Annotated[
    Annotated[int, Field(ge=1), Tag("<number>")] | Annotated[str, Tag("<name>")],
    Discriminator(
        _number_or_name,
        custom_error_type="band",
        custom_error_message="Input should be the number of a band, from 1, or its name",
    ),
]


class GeotiffConfig(Section):
    """Any raster that GDAL reads: physical = stored x scale + offset, in `unit`.

    lstsr uses the scale, offset, no-data value and unit that the file states. A key that
    contradicts the file stops the run.
    """

    product: Literal["geotiff"] = "geotiff"
    sensor: str = Field(description="name written into every raster")
    unit: Literal["kelvin", "celsius", "reflectance", "index", "metre"]
    bands: list[BandChoice] | None = Field(
        None,
        min_length=1,
        description="numbers (from 1) or names of bands or NetCDF variables; default: all bands",
    )
    names: list[str] = Field(["lst"], min_length=1, description="one name per band")
    scale: float | None = Field(None, description="default: as the file states, or 1")
    offset: float | None = Field(None, description="default: as the file states, or 0")
    nodata: list[Annotated[float, AllowInfNan(True)]] = Field(
        [], description="stored values that are no-data, in addition to those that the file masks"
    )
    valid_min: float | None = Field(None, description="in `unit`; lower values are masked")
    valid_max: float | None = Field(None, description="in `unit`; higher values are masked")
    rim_erosion: int = Field(0, ge=0, le=64, description="pixels taken off the valid area's rim")
    crs: str | None = Field(None, description="replaces the file's own coordinate system")

    @field_validator("nodata", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        """A single value needs no list."""
        if value is None:
            return []
        return value if isinstance(value, (list, tuple)) else [value]

    @field_validator("scale")
    @classmethod
    def _not_zero(cls, value: float | None) -> float | None:
        if value is not None and (value == 0 or not math.isfinite(value)):
            raise ValueError(f"{value}: give a number other than 0")
        return value

    @field_validator("crs")
    @classmethod
    def _understood(cls, value: str | None) -> str | None:
        if value is not None:
            _system(value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.bands is not None and len(self.bands) != len(self.names):
            raise ValueError(
                f"names has {len(self.names)} entries for {len(self.bands)} bands. Give one name "
                "per band"
            )
        for key in ("names", "bands"):
            listed = getattr(self, key) or []
            if len(set(listed)) < len(listed):
                raise ValueError(f"{key}: {_first_twice(listed)} is named twice")
        if not all(name.strip() for name in self.names):
            raise ValueError("names: a name is empty. Give one name per band")
        low, high = self.valid_min, self.valid_max
        if low is not None and high is not None and low >= high:
            raise ValueError(f"valid_min = {low} must be below valid_max = {high}")
        return self


def _system(text: str) -> CRS:
    """The coordinate system that ``text`` names; ValueError if PROJ does not know it."""
    from pyproj import CRS  # imported here: every job parses the config, but few need it
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_user_input(text)
    except CRSError:
        raise ValueError(f"'{text}' is not a coordinate system that PROJ reads") from None


class LandsatConfig(Section):
    """Landsat 8/9 Collection-2 Level-2 (L2SP), or Level 1 for brightness temperature."""

    product: Literal["landsat"]
    sensor: str = Field("Landsat", description="name written into every raster")
    bands: list[LandsatBand] = Field(["lst"], min_length=1, description="of one unit")
    masked: list[LandsatFlag] = Field(
        ["dilated_cloud", "cirrus", "cloud", "cloud_shadow"],
        description="bits of QA_PIXEL (BQA for Level 1) that make a pixel unusable; fill always",
    )
    masked_saturation: bool = Field(True, description="mask pixels with any bit of QA_RADSAT")
    max_uncertainty_k: float | None = Field(3.0, gt=0, description="highest ST_QA of lst")
    valid_min: float | None = Field(None, description="in the bands' unit; below is masked")
    valid_max: float | None = Field(None, description="in the bands' unit; above is masked")

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        thermal = [band for band in self.bands if band in THERMAL]
        if thermal and len(self.bands) > 1:
            raise ValueError(f"bands = {self.bands}: {thermal[0]} stands alone")
        return self

    @property
    def unit(self) -> str:
        """Kelvin for temperatures."""
        return "kelvin" if self.bands[0] in THERMAL else "reflectance"

    @property
    def names(self) -> list[str]:
        """One name a band."""
        return list(self.bands)


class Gk2aConfig(Section):
    """GK2A/AMI Level-2 LST (KO, EA or FD)."""

    product: Literal["gk2a"]
    sensor: str = Field("GK2A/AMI", description="name written into every raster")
    accepted: list[Annotated[int, Field(ge=0, le=255)]] = Field(
        [0], min_length=1, description="values of DQF_LST that make a pixel usable"
    )
    valid_min: float = Field(200.0, description="kelvin; below is masked")
    valid_max: float = Field(360.0, description="kelvin; above is masked")

    @property
    def unit(self) -> str:
        """Kelvin."""
        return "kelvin"

    @property
    def names(self) -> list[str]:
        """The one band."""
        return ["lst"]

    @property
    def bands(self) -> list[str]:
        """The one band."""
        return self.names


class CloudTestConfig(Section):
    """What counts as cloud where a file has no mask, by brightness temperature at 11 um (IR112)."""

    coldest_k: float = Field(250.0, gt=0, description="colder is cloud")
    depression_k: float = Field(
        8.0, gt=0, description="colder by more than the warmest 3 x 3 pixels around is cloud"
    )
    reach_px: int = Field(12, ge=1, le=100, description="how far around that is, pixels")
    difference_k: float = Field(5.0, gt=0, description="IR112 - IR123 of more is thin cloud")


class Gk2aL1bConfig(Section):
    """GK2A/AMI Level 1B (FD, LA, KO or EA): LST by split window, or one channel.

    For lst the scene names the file of IR112 or IR123; the other one lies beside it.
    """

    product: Literal["gk2a-l1b"]
    sensor: str = Field("GK2A/AMI", description="name written into every raster")
    bands: list[AmiBand] = Field(
        ["lst"],
        min_length=1,
        max_length=1,
        description="lst, or a channel: kelvin from sw038 on, reflectance factor before",
    )
    accepted: list[Annotated[int, Field(ge=0, le=3)]] = Field(
        [0],
        min_length=1,
        description="quality flags of usable pixels: 0 good, 1 conditional, 2 not seen, 3 error",
    )
    max_residual_px: float = Field(
        0.75, gt=0, description="largest mean navigation residual, pixels (42 urad at 2 km)"
    )
    emissivity: float = Field(0.978, gt=0.8, le=1, description="mean of IR112 and IR123 (lst)")
    emissivity_difference: float = Field(
        -0.003, ge=-0.05, le=0.05, description="IR112 - IR123: -0.005 bare soil, 0 leaves (lst)"
    )
    water_vapour_g_cm2: float = Field(
        2.5, ge=0, le=8, description="column of water vapour along the line of sight (lst)"
    )
    cloud: CloudTestConfig = Field(CloudTestConfig(), description="cloud test of lst")
    valid_min: float | None = Field(None, description="in the band's unit; below is masked")
    valid_max: float | None = Field(None, description="in the band's unit; above is masked")

    @property
    def unit(self) -> str:
        """Kelvin for temperatures."""
        return "reflectance" if self.bands[0].startswith(("vi", "nr")) else "kelvin"

    @property
    def names(self) -> list[str]:
        """The one band."""
        return list(self.bands)


class Goci2Config(Section):
    """GK2B/GOCI-II Level-2 AC: Rayleigh-corrected reflectance, a slot or a mosaic."""

    product: Literal["goci2"]
    sensor: str = Field("GK2B/GOCI-II", description="name written into every raster")
    bands: list[Goci2Band] = Field(["rhoc_660", "rhoc_865", "ndvi"], min_length=1)
    masked: list[str] = Field(
        ["CLOUD", "CLOUD_SHADOW", "HIGH_GLINT"], description="flags that make a pixel unusable"
    )
    flag_bits: dict[str, Annotated[int, Field(ge=0, le=31)]] = Field(
        {"CLOUD": 2, "HIGH_GLINT": 3, "CLOUD_SHADOW": 4},
        description="bit of each flag, where the file does not name its own",
    )
    valid_min: float = Field(-1.0, description="below is masked")
    valid_max: float = Field(2.0, description="above is masked")

    @property
    def unit(self) -> str:
        """Dimensionless."""
        return "reflectance"

    @property
    def names(self) -> list[str]:
        """One name a band."""
        return list(self.bands)


class Goci2L1bConfig(Section):
    """GK2B/GOCI-II Level-1B: top-of-atmosphere reflectance, a slot or a mosaic."""

    product: Literal["goci2-l1b"]
    sensor: str = Field("GK2B/GOCI-II", description="name written into every raster")
    bands: list[Goci2L1bBand] = Field(["toa_660", "toa_865", "ndvi"], min_length=1)
    min_sun_elevation_deg: float = Field(
        15.0, ge=1, lt=90, description="where the sun stands lower is masked"
    )
    cloud_brightness: float = Field(
        0.28,
        gt=0,
        le=2,
        description="reflectance at 412 nm times the cosine of the sun's zenith angle, above which "
        "a pixel counts as cloud ...",
    )
    cloud_ndvi: float = Field(0.2, ge=-1, le=1, description="... unless its NDVI is higher")
    valid_min: float = Field(0.0, description="reflectance; below is masked")
    valid_max: float = Field(2.0, description="reflectance; above is masked")

    @property
    def unit(self) -> str:
        """Dimensionless."""
        return "reflectance"

    @property
    def names(self) -> list[str]:
        """One name a band."""
        return list(self.bands)


PRODUCTS: Mapping[Any, type[Section]] = {
    "<geotiff>": GeotiffConfig,
    "<landsat>": LandsatConfig,
    "<gk2a>": Gk2aConfig,
    "<gk2a-l1b>": Gk2aL1bConfig,
    "<goci2>": Goci2Config,
    "<goci2-l1b>": Goci2L1bConfig,
}


def _product(value: Any) -> str | None:
    if isinstance(value, Mapping):
        return f"<{value.get('product', 'geotiff')}>"
    kinds = {kind: tag for tag, kind in PRODUCTS.items()}
    return kinds.get(type(value))


# Without `product` it is a GeoTIFF; tags stand in brackets, as above, so messages leave them out.
SensorConfig = Annotated[
    Annotated[GeotiffConfig, Tag("<geotiff>")]
    | Annotated[LandsatConfig, Tag("<landsat>")]
    | Annotated[Gk2aConfig, Tag("<gk2a>")]
    | Annotated[Gk2aL1bConfig, Tag("<gk2a-l1b>")]
    | Annotated[Goci2Config, Tag("<goci2>")]
    | Annotated[Goci2L1bConfig, Tag("<goci2-l1b>")],
    Discriminator(
        _product,
        custom_error_type="product",
        custom_error_message="product should be geotiff, landsat, gk2a, gk2a-l1b, goci2 or "
        "goci2-l1b",
    ),
]


class SensorsConfig(Section):
    """The three images of a triplet; the target alone where it is an optical image."""

    input: SensorConfig | None = None
    reference: SensorConfig | None = None
    target: SensorConfig

    @property
    def roles(self) -> tuple[str, ...]:
        """The images that a scene has files of."""
        return tuple(role for role in ROLES if getattr(self, role))

    @property
    def alone(self) -> bool:
        """Whether a scene is one image, from which its input is made."""
        return self.roles == ("target",)

    @model_validator(mode="after")
    def _units(self) -> Self:
        if self.alone:
            return self._reflectance()
        for role in ROLES:
            if role not in self.roles:
                raise ValueError(f"{role} is missing")
            unit = getattr(self, role).unit
            allowed = ("reflectance", "index") if role == "reference" else ("kelvin", "celsius")
            if unit not in allowed:
                raise ValueError(f"{role}.unit = '{unit}': allowed are {', '.join(allowed)}")
        for role in ("input", "target"):
            bands = getattr(self, role).names
            if len(bands) != 1:
                raise ValueError(f"{role}.bands = {bands}: LST has one band")
        return self

    def _reflectance(self) -> Self:
        if self.target.unit != "reflectance":
            raise ValueError(
                f"target.unit = '{self.target.unit}': an image alone has reflectance; "
                "LST needs sensors.input and sensors.reference beside it"
            )
        for name in ("ndvi", "ndwi"):
            if name in self.target.names:
                raise ValueError(f"target.bands: {name} is no reflectance, leave it out")
        return self


class Region(Section):
    """Scenes whose manifest longitude and latitude lie strictly inside, degrees.

    240 and -120 are the same longitude. A region with only one bound in longitude ends at 180.
    """

    lon_min: float | None = Field(None, ge=-360, le=360)
    lon_max: float | None = Field(None, ge=-360, le=360)
    lat_min: float | None = Field(None, ge=-90, le=90)
    lat_max: float | None = Field(None, ge=-90, le=90)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        for axis in ("lon", "lat"):
            low, high = getattr(self, f"{axis}_min"), getattr(self, f"{axis}_max")
            if low is not None and high is not None and low >= high:
                across = f". Across 180 degrees, write {high + 360:g}" if axis == "lon" else ""
                raise ValueError(f"{axis}_min = {low} must be below {axis}_max = {high}{across}")
        return self


def _region_or_share(value: Any) -> str | None:
    if isinstance(value, (Mapping, Region)):
        return "<region>"
    return "<share>" if isinstance(value, (int, float)) else None


# Tags stand in brackets, as pydantic's own names of what is no key: messages leave them out.
RegionOrShare = Annotated[
    Annotated[Region, Tag("<region>")] | Annotated[Share, Tag("<share>")],
    Discriminator(
        _region_or_share,
        custom_error_type="region_or_share",
        custom_error_message="Input should be a share between 0 and 1, or a region: "
        + ", ".join(Region.model_fields),
    ),
]


class SplitConfig(Section):
    """Test and validation by place, the rest is training; shares (0..1) keep overlaps together.

    With ``folds`` each region is the test of one fold, so every scene is tested once.
    """

    test: RegionOrShare | None = Field(
        None,
        description="required without folds; null: no test scenes, for networks to publish, which "
        "needs evaluate.split: validation",
    )
    validation: RegionOrShare | None = Field(None, description="required without folds")
    folds: int | None = Field(
        None, ge=len(SPLITS), description="regions of a cross-validation; replaces the other two"
    )
    buffer_km: float = Field(
        0.0, ge=0, description="with folds: least distance between footprints of two splits"
    )

    @model_validator(mode="after")
    def _folds_or_both(self) -> Self:
        named = [name for name in ("test", "validation") if getattr(self, name) is not None]
        if self.folds and named:
            raise ValueError(f"folds = {self.folds}: folds replace {named[0]}. Remove one of them")
        if not self.folds:
            if "test" not in self.model_fields_set:
                raise ValueError("test is missing")
            if self.validation is None:
                raise ValueError("validation is missing")
            if self.buffer_km:
                raise ValueError(f"buffer_km = {self.buffer_km:g} needs folds. Set split.folds")
        return self

    @model_validator(mode="after")
    def _same_kind(self) -> Self:
        shares = [share for share in (self.test, self.validation) if isinstance(share, float)]
        if len(shares) == 1 and self.test is not None:
            raise ValueError("test and validation must both be regions or both be shares")
        if sum(shares) >= 1:
            raise ValueError("test + validation leaves nothing to train on: keep it below 1")
        return self


class RegistrationConfig(Section):
    """Sub-pixel registration of the three images."""

    reference: bool = Field(True, description="move the reference onto the target's content")
    reference_band: str | None = Field(None, description="matched; default: the first")
    target_band: LandsatBand | None = Field(
        None, description="of a Landsat target, that the reference is matched to; default: LST"
    )
    input: bool = Field(True, description="find the input's own offset through its blur")
    input_psf_cells: float | None = Field(
        1.0, gt=0, le=4, description="FWHM of that blur in coarse cells; null: estimated by scene"
    )
    constant: dict[Literal["reference", "input"], tuple[float, float]] = Field(
        {}, description="fixed shifts (row, column), fine pixels, used instead of measured ones"
    )


class GridConfig(Section):
    """A lattice of square cells whose corners are multiples of the spacing."""

    crs: str = Field(description="projected system in metres, in any form that PROJ reads")
    spacing_m: float = Field(gt=0, description="side of a coarse cell, metres")

    @field_validator("crs")
    @classmethod
    def _in_metres(cls, value: str) -> str:
        system = _system(value)
        units = {axis.unit_name for axis in system.axis_info}
        if not system.is_projected or units - {"metre", "meter"}:
            raise ValueError(
                f"The unit of '{value}' is {' and '.join(sorted(units)) or 'unknown'}. Name a "
                "projected coordinate system in metres, such as EPSG:5179 or a UTM zone"
            )
        return value


class AlignConfig(Section):
    """The common frame: the anchor stays, the others are resampled once onto its grid."""

    anchor: Literal["input", "target"] = Field(
        "input", description="whose places are taken for true; `target` needs `grid`"
    )
    grid: GridConfig | None = Field(None, description="the coarse grid; default: the input's own")
    scale: int = Field(4, ge=2, le=16, description="input spacing / spacing of the fine grid")
    time_window_min: float | None = Field(
        None, gt=0, description="most minutes between input and target; default: not checked"
    )
    reference_max_age_h: float = Field(
        24.0, gt=0, description="most hours between reference and input, where both times are known"
    )
    registration: RegistrationConfig = RegistrationConfig()
    layers: list[AlignedLayer] = Field(
        [],
        description="channels added to the reference: terrain, water share, view and sun; "
        "unregistered: each of its bands also without its shift, for rows with that guide; "
        "history: LST of earlier targets, its age and their number",
    )
    history_max_age_days: float = Field(
        400.0,
        gt=0,
        description="layer history: most days between an earlier target and the input; the default "
        "is a year, so that the same season counts, and two repeat cycles of Landsat",
    )
    covariates: list[Covariate] = Field(
        [], description="of which the input's bias is a linear function; none: no harmonisation"
    )
    min_valid: float = Field(0.05, gt=0, le=1, description="least share of usable fine pixels")
    max_excluded_share: float = Field(
        0.2, ge=0, le=1, description="of scenes, before the run fails"
    )

    @model_validator(mode="after")
    def _grid_of_anchor(self) -> Self:
        if (self.anchor == "target") != (self.grid is not None):
            raise ValueError("anchor and grid: `target` needs a grid, `input` brings its own")
        if "history" in self.layers and self.anchor != "target":
            raise ValueError(
                "layers: history lies where the target's sensor puts it. Set anchor to target"
            )
        return self

    @property
    def reference_window(self) -> timedelta:
        """Most time between reference and input, either way: of a match, and of alignment."""
        return timedelta(hours=self.reference_max_age_h)


class DatasetConfig(Section):
    """Normalisation and masks of the packed triplets."""

    scale_k: float = Field(10.0, gt=0, description="fixed kelvin scale of the networks' units")
    scale_reflectance: float = Field(0.1, gt=0, description="the same of reflectance (optical)")
    wild_k: float = Field(15.0, gt=0, description="cells off the scene's median offset by more")
    min_cell_valid: float = Field(0.5, gt=0, le=1, description="valid share of a degraded cell")
    psf_fwhm: float = Field(1.0, ge=0.25, le=4, description="of degraded-psf, in coarse cells")
    water: Literal["kept", "masked"] = Field(
        "kept", description="whether pixels that are mostly water are trained on and scored"
    )
    without_reference: Literal["kept", "masked"] = Field(
        "masked", description="whether pixels without a valid reference are trained on and scored"
    )


class Block(Section):
    """Rows that are compared with each other: one track at one scale."""

    track: Track
    scale: int = Field(ge=2, le=16)

    @property
    def key(self) -> str:
        """Its name in files: track-xscale."""
        return f"{self.track}-x{self.scale}"


class AdversarialConfig(Section):
    """How a network is trained against a discriminator; losses of ESRGAN, weights of Real-ESRGAN.

    The weights are those of Wang et al. 2021 (Real-ESRGAN, section 4.1), whose discriminator it is.
    """

    pixel_weight: float = Field(1.0, ge=0, description="of train.loss")
    feature_weight: float = Field(1.0, ge=0, description="of the distance in features")
    adversarial_weight: float = Field(0.1, ge=0, description="of the relativistic average loss")
    features: Literal["discriminator"] = Field(
        "discriminator", description="whose encoder gives the features: no weights from elsewhere"
    )
    learning_rate: float = Field(
        1e-4, gt=0, description="of the discriminator; best below the network's"
    )
    discriminator_features: int = Field(
        32, ge=1, description="its channels at full resolution; 64 as published"
    )
    warm_up_steps: int = Field(
        500, ge=0, description="first steps, in which the network alone learns, by train.loss"
    )


class TrainConfig(Section):
    """How a network is trained. A model can override any of it."""

    steps: int = Field(3000, ge=1, description="optimiser steps")
    batch: int = Field(4, ge=1, description="crops per step")
    patch: int = Field(96, ge=16, description="side of a patch, fine pixels")
    optimizer: Literal["adamw", "muon"] = Field(
        "muon", description="muon: for the kernels of hidden layers, adamw for all others"
    )
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    warmup_steps: int = Field(30, ge=0)
    ema_decay: float = Field(0.998, ge=0, lt=1)
    clip_norm: float = Field(1.0, gt=0)
    loss: Literal["l1", "charbonnier", "ubrmse", "shift-tolerant"] = Field(
        "ubrmse",
        description="ubrmse: RMSE of each sample without its mean error, as the table scores; "
        "shift-tolerant: l1 at the best of the target's shifts by up to a fine pixel",
    )
    level: float = Field(
        0.1,
        ge=0,
        description="weight, beside the loss, of each sample's absolute mean error; ubrmse needs "
        "it, because it ignores the level",
    )
    consistency: float = Field(
        0.0, ge=0, description="weight, beside the loss, of |block mean of prediction - input|"
    )
    scene_bias: Literal["removed", "kept"] = Field(
        "removed", description="whether training targets are moved onto the level of their input"
    )
    reference_dropout: float = Field(0.05, ge=0, lt=1, description="share of samples without it")
    reference_jitter: float = Field(
        0.7,
        ge=0,
        le=2,
        description="each band r of a sample's reference, in standard deviations, becomes "
        "r exp(u) + v with u in +-jitter and v in +-2 jitter",
    )
    contrast: float = Field(
        0.6, ge=0, le=2, description="LST contrast of a sample varies between exp(-c) and exp(c)"
    )
    min_patch_valid: float = Field(0.25, gt=0, le=1, description="least scored share of a patch")
    degraded_steps: int = Field(
        0,
        ge=0,
        description="first steps of an observed row, that see the degraded-block track of its "
        "scale only: pre-training",
    )
    degraded_share: float = Field(
        0.0, ge=0, lt=1, description="share of samples of the later steps that are of that track"
    )
    validate_every: int = Field(250, ge=1, description="optimiser steps")
    save_every: int = Field(250, ge=1, description="optimiser steps")
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    initial: str | None = Field(
        None,
        min_length=1,
        pattern=PATH,
        description="file with the weights that training starts from: a checkpoint of the same "
        "model and options, or a file of `lstsr import-released`",
    )
    adversarial: AdversarialConfig | None = Field(
        None,
        description="training against a discriminator; the last weights are kept, not the best",
    )


class ModelConfig(Section):
    """One line of the table a block and seed: a network, or a variant of it."""

    model: str
    variant: Name = "base"
    blocks: list[str] | None = Field(None, description="track-xscale; default: all blocks")
    harmonised: bool = Field(
        False, description="see the input without its bias (observed blocks; align.covariates)"
    )
    guide: Literal["own", "off", "turned", "shuffled", "unregistered"] = Field(
        "own",
        description="ablation: without reference, or with the scene's turned by 180 degrees, that "
        "of another place of its split, or the scene's own not moved onto the target "
        "(align.layers: unregistered; the input stays registered)",
    )
    normalisation: Literal["input", "min-max", "statistics"] = Field(
        "input",
        description="ablation: input and target each by its own range, or mean and deviation, "
        "undone by the input's",
    )
    layers: list[Layer] = Field(
        [], description="which of align.layers it sees beside the bands of the reference"
    )
    options: dict[str, Any] = Field({}, description="constructor arguments of the model")
    self_ensemble: bool = Field(
        False,
        description="a further row, of the same training: the mean over turned and mirrored inputs",
    )
    seed_ensemble: bool = Field(
        False,
        description="a further row: the mean of the networks of all seeds (two seeds at least)",
    )
    train: TrainConfig = Field(TrainConfig(), description="what differs from the run's `train`")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.model not in MODELS:
            raise ValueError(f"model = '{self.model}' is unknown: allowed are {', '.join(MODELS)}")
        if self.model in CLASSICAL and self.train.model_fields_set:
            raise ValueError(f"train: {self.model} is not trained, leave it out")
        for key in ("self_ensemble", "seed_ensemble"):
            if self.model in CLASSICAL and getattr(self, key):
                raise ValueError(f"{key}: {self.model} is not trained, leave it out")
        if "bands" in self.options:
            raise ValueError("options.bands: follows from sensors.target, leave it out")
        if "ndvi" in self.options:
            raise ValueError("options.ndvi: follows from sensors.reference, leave it out")
        if self.model in UNGUIDED:
            self._check_unguided()
        ablated = (self.guide, self.normalisation) != ("own", "input")
        if self.variant == "base" and (self.harmonised or self.layers or ablated):
            raise ValueError(
                "variant = 'base': name the row, for it sees other than the reference and the input"
            )
        return self

    def _check_unguided(self) -> None:
        if self.guide != "own":
            raise ValueError(f"guide = '{self.guide}': {self.model} sees no reference")
        if self.options.get("base") in CLASSICAL - UNGUIDED:
            base = self.options["base"]
            raise ValueError(f"options.base = '{base}' sees the reference, {self.model} must not")

    @field_serializer("train")
    def _what_differs(self, train: TrainConfig) -> dict[str, Any]:
        return train.model_dump(exclude_unset=True)


class EvaluateConfig(Section):
    """What the table and figures show."""

    split: Literal["test", "validation"] = "test"
    bootstrap: int = Field(10_000, ge=100, description="resamplings of the paired interval")
    figure_scenes: int = Field(3, ge=1, description="scenes drawn")


class Row(Section):
    """One experiment, one row of table.csv, with all settings filled in.

    ``train`` is None for a row without training: a classical one, or an ensemble, which the
    networks of other rows predict. The seed of a seed ensemble is the first of its members.
    """

    dataset: str
    track: Track
    scale: int
    model: str
    variant: str
    seed: int
    harmonised: bool
    guide: str
    normalisation: str
    channels: list[str]
    options: dict[str, Any]
    train: TrainConfig | None
    # training and scores do not depend on the next two, so they are not part of the JSON
    predicted_by: list[str] = Field(
        [], exclude=True, description="names of the rows whose networks predict it; default: itself"
    )
    turned: bool = Field(
        False, exclude=True, description="whether it is the mean over turned and mirrored inputs"
    )
    fold: int | None = Field(None, description="whose splits and statistics it uses, if any")

    @property
    def block(self) -> str:
        """Rows of one block are compared: track-xscale."""
        return f"{self.track}-x{self.scale}"

    @property
    def experiment(self) -> str:
        """What the rows of all folds have in common: the name without the fold."""
        return f"{self.model}-{self.variant}-x{self.scale}-{self.track}-s{self.seed}"

    @property
    def name(self) -> str:
        """Its name in files."""
        return self.experiment + ("" if self.fold is None else f"-f{self.fold}")

    @property
    def members(self) -> list[str]:
        """Names of the rows whose networks predict it."""
        return self.predicted_by or [self.name]


_MISMATCH = {
    "lst": "task lst needs it and sensors.reference; an image alone is task optical",
    "optical": "task optical makes it from the target, leave it and sensors.reference out",
}


class Config(Section):
    """A whole run."""

    dataset: Name = Field(description="name of the data in every row")
    task: Literal["lst", "optical"] = Field(
        "lst", description="fine LST by a reference, or a fine image of reflectance from itself"
    )
    results: str = Field(
        "results", min_length=1, pattern=PATH, description="folder of everything the run makes"
    )
    data: str = Field(
        "data", min_length=1, pattern=PATH, description="folder of the user's files and manifest"
    )
    shard_size: int = Field(16, ge=1, description="scenes a job handles")
    threads: int = Field(2, ge=1, description="of one training or prediction job")
    gpus: int = Field(0, ge=0, le=1, description="of one training or prediction job")
    acquire: AcquireConfig = AcquireConfig()
    origin: Origin | None = Field(
        None,
        validate_default=True,
        description=(
            "whether the images of the dataset are simulated or observed; every table and figure "
            "says so. Default: simulated with provider generate, otherwise observed"
        ),
    )
    attribution: str = Field(
        "", description="who made the data and how to cite them; every checkpoint repeats it"
    )
    sensors: SensorsConfig
    split: SplitConfig
    align: AlignConfig = AlignConfig()
    packing: DatasetConfig = DatasetConfig()
    blocks: list[Block] = Field(min_length=1)
    seeds: list[Annotated[int, Field(ge=0, lt=2**31)]] = Field([0], min_length=1)
    train: TrainConfig = TrainConfig()
    models: list[ModelConfig] = []
    evaluate: EvaluateConfig = EvaluateConfig()

    @field_validator("origin")
    @classmethod
    def _origin_by_provider(cls, origin: Origin | None, info: ValidationInfo) -> Origin:
        # an invalid section acquire is absent here and raises its own error
        generated = info.data.get("acquire", AcquireConfig()).provider == "generate"
        return origin or ("simulated" if generated else "observed")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.origin == "observed" and self.acquire.provider == "generate":
            raise ValueError(
                "origin = 'observed': provider generate simulates its scenes. Set origin to "
                "simulated, or remove the key."
            )
        if self.evaluate.split not in splits_of(self.split):
            raise ValueError(
                "evaluate.split = 'test': split.test is null, so there are no test scenes. Set "
                "evaluate.split to validation"
            )
        keys = [block.key for block in self.blocks]
        if len(set(keys)) < len(keys):
            raise ValueError(f"blocks: {_first_twice(keys)} is named twice")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: {_first_twice(self.seeds)} is named twice")
        for block in self.blocks:
            if block.track == "observed" and self.align.scale % block.scale:
                raise ValueError(
                    f"blocks: observed x{block.scale} needs align.scale to be a multiple of it, "
                    f"it is {self.align.scale}"
                )
        if "data" in self.model_fields_set and "acquire" not in self.model_fields_set:
            raise ValueError(
                "data: without config key acquire the run would make its own scenes and not read "
                "this folder. Add acquire: {provider: local}"
            )
        if (self.task == "optical") != self.sensors.alone:
            raise ValueError(f"sensors.input: {_MISMATCH[self.task]}")
        if self.task == "optical":
            self._check_optical()
        else:
            self._check_sensors()
        for index, model in enumerate(self.models):
            if model.seed_ensemble and len(self.seeds) == 1:
                raise ValueError(
                    f"models.{index}.seed_ensemble: seeds has only one entry. Add a seed, or "
                    "remove this key"
                )
            for layer in model.layers:
                if layer not in self.align.layers:
                    raise ValueError(f"models.{index}.layers: {layer} is none of align.layers")
            if model.guide == "unregistered" and "unregistered" not in self.align.layers:
                raise ValueError(f"models.{index}.guide: unregistered is none of align.layers")
            for key in model.blocks or []:
                if model.harmonised and not key.startswith("observed"):
                    raise ValueError(f"models.{index}.blocks: harmonised rows are observed ones")
                if key not in keys:
                    raise ValueError(
                        f"models.{index}.blocks: '{key}' is no block, they are {', '.join(keys)}"
                    )
        if self.train.adversarial:
            raise ValueError("train.adversarial: belongs to a model's train, name it there")
        for row in self.rows():
            if row.train:
                self._check_training(row, row.train)
        if any(row.harmonised for row in self.rows()) and not self.align.covariates:
            raise ValueError("align.covariates: name some, for there are rows with harmonised")
        names = [row.name for row in self.rows()]
        if len(set(names)) < len(names):
            raise ValueError(
                f"models: {_first_twice(names)} comes twice; give one of them a variant"
            )
        return self

    def _check_training(self, row: Row, train: TrainConfig) -> None:
        if train.patch % row.scale:
            raise ValueError(
                f"train.patch = {train.patch} of {row.name} is no multiple of the scale"
            )
        if row.model in RELEASED:
            self._check_released(row, train)
        if row.model in ADVERSARIAL:
            if not train.adversarial:
                raise ValueError(f"train.adversarial: {row.name} needs it, {{}} takes the defaults")
            if train.adversarial.warm_up_steps >= train.steps:
                raise ValueError(
                    f"train.adversarial.warm_up_steps = {train.adversarial.warm_up_steps} of "
                    f"{row.name} leaves none of its {train.steps} steps to the discriminator"
                )
        if train.degraded_steps >= train.steps:
            raise ValueError(
                f"train.degraded_steps = {train.degraded_steps} of {row.name} leaves none of its "
                f"{train.steps} steps to its own track"
            )
        if train.degraded_steps or train.degraded_share:
            self._check_degraded(row)

    def _check_released(self, row: Row, train: TrainConfig) -> None:
        if row.scale != 4 or row.channels != ["ndvi"]:
            raise ValueError(
                f"models: {row.name} needs a block of x4 and the reference band ndvi alone, not "
                f"{', '.join(row.channels)}. Set blocks in its section, or remove the model"
            )
        if not train.initial:
            raise ValueError(
                f"train.initial: {row.name} needs the file that lstsr import-released made"
            )

    def _check_degraded(self, row: Row) -> None:
        if row.track != "observed":
            raise ValueError(
                f"train.degraded_steps and degraded_share: {row.name} is not observed; name them "
                "in models whose blocks all are"
            )
        if f"degraded-block-x{row.scale}" not in [block.key for block in self.blocks]:
            raise ValueError(
                f"blocks: {row.name} trains on degraded-block-x{row.scale}, too; add that block"
            )

    def _check_optical(self) -> None:
        if self.acquire.provider == "download":
            raise ValueError(
                "acquire.provider = 'download' is for triplets: have the images on disk (local)"
            )
        for block in self.blocks:
            if block.track != "degraded-block":
                raise ValueError(f"blocks: {block.key} must be degraded-block in task optical")
        if self.align.layers or self.align.covariates:
            raise ValueError("align: there are no layers and covariates in task optical")
        if self.packing.water == "masked":
            raise ValueError("packing.water = 'masked': no water is known in task optical")
        for index, model in enumerate(self.models):
            if model.normalisation != "input":
                raise ValueError(f"models.{index}.normalisation: is of task lst, leave it out")
            if model.model not in UNGUIDED:
                allowed = ", ".join(name for name in MODELS if name in UNGUIDED)
                raise ValueError(
                    f"models.{index}.model = '{model.model}': there is no reference in task "
                    f"optical, allowed are {allowed}"
                )

    def _check_sensors(self) -> None:
        assert self.sensors.input is not None and self.sensors.reference is not None
        found, reference = self.align.registration, self.sensors.reference
        for name in reference.names:
            if name in channels_of(self.align.layers):
                raise ValueError(
                    f"align.layers: {name} is also a band of sensors.reference. Rename the band"
                )
        if self.sensors.input.product.startswith("gk2a") and self.align.anchor == "input":
            raise ValueError("align.anchor = 'input': GK2A shows terrain displaced; use 'target'")
        if "ndvi" in self.align.covariates and "ndvi" not in reference.names:
            raise ValueError(
                f"align.covariates: ndvi needs the reference band ndvi, "
                f"there are {', '.join(reference.names)}"
            )
        if found.target_band and self.sensors.target.product != "landsat":
            raise ValueError("align.registration.target_band: only a Landsat target has bands")
        if found.reference_band and found.reference_band not in reference.names:
            raise ValueError(
                f"align.registration.reference_band = '{found.reference_band}': the reference has "
                f"{', '.join(reference.names)}"
            )

    def rows(self) -> Iterator[Row]:
        """Every experiment: the baselines of each block, then the configured models."""
        reference = self.sensors.reference
        fitting = BASELINES if reference else BASELINES & UNGUIDED
        classical = [ModelConfig(model=name) for name in MODELS if name in fitting]
        for block in self.blocks:
            for model in [*classical, *self.models]:
                if model.blocks is not None and block.key not in model.blocks:
                    continue
                if model.harmonised and block.track != "observed":
                    continue
                seeds = self.seeds if model.model not in CLASSICAL else [0]
                folds = range(self.split.folds) if self.split.folds else [None]
                for fold in folds:
                    rows = [self._row(block, model, seed, fold) for seed in seeds]
                    if model.seed_ensemble:
                        rows.append(_seed_ensemble(rows))
                    for row in rows:
                        yield row
                        if model.self_ensemble:
                            yield _self_ensemble(row)

    def _row(self, block: Block, model: ModelConfig, seed: int, fold: int | None) -> Row:
        return Row(
            dataset=self.dataset,
            track=block.track,
            scale=block.scale,
            model=model.model,
            variant=model.variant,
            seed=seed,
            harmonised=model.harmonised,
            guide=model.guide,
            normalisation=model.normalisation,
            channels=self._channels(model),
            options=self._options(model),
            train=self._train(model),
            fold=fold,
        )

    def _channels(self, model: ModelConfig) -> list[str]:
        bands = self.sensors.reference.names if self.sensors.reference else []
        if model.guide == "unregistered":
            bands = [unregistered(band) for band in bands]
        return [*bands, *channels_of(model.layers)]

    def _options(self, model: ModelConfig) -> dict[str, Any]:
        """The model's own, and those that follow from the bands of the images."""
        if self.sensors.reference:
            return {**band_options(model.model, self.sensors.reference.names), **model.options}
        if model.model in CLASSICAL:
            return model.options
        return {**model.options, "bands": len(self.sensors.target.names)}

    def _train(self, model: ModelConfig) -> TrainConfig | None:
        if model.model in CLASSICAL:
            return None
        differs = {name: getattr(model.train, name) for name in model.train.model_fields_set}
        return self.train.model_copy(update=differs)


def _self_ensemble(row: Row) -> Row:
    """The row that the networks of ``row`` predict from eight sides; it is not trained."""
    return _ensemble(row, "self-ensemble", predicted_by=row.members, turned=True)


def _seed_ensemble(rows: Sequence[Row]) -> Row:
    """The row that is the mean of ``rows``, one for each seed; it is not trained."""
    return _ensemble(rows[0], "seed-ensemble", predicted_by=[row.name for row in rows])


def _ensemble(row: Row, kind: str, **how: Any) -> Row:
    variant = kind if row.variant == "base" else f"{row.variant}-{kind}"
    return row.model_copy(update={"variant": variant, "train": None, **how})


def _first_twice(names: Sequence[Any]) -> Any:
    return next(name for name in names if names.count(name) > 1)


def validate(data: Mapping[str, Any]) -> Config:
    """The configuration of ``data``; LstsrError with a clause a fault: key, what is wrong, cure."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise LstsrError("; ".join(_clause(fault) for fault in error.errors())) from None


def _clause(fault: Any) -> str:
    """One fault in words: the key's path and what is allowed there."""
    parts = [part for part in fault["loc"] if not str(part).startswith("[")]
    parts = [part for part in parts if part in PRODUCTS or not str(part).startswith("<")]
    path = ".".join(str(part) for part in parts if part not in PRODUCTS)
    if fault["type"] == "missing":
        return f"config key {path} is missing"
    if fault["type"] == "extra_forbidden":
        allowed = ", ".join(_section_at(parts[:-1]).model_fields)
        return f"config key {path} is unknown: allowed there are {allowed}"
    if fault["type"] == "value_error":
        message = fault["msg"].removeprefix("Value error, ")
        return f"config key {path + '.' if path else ''}{message}"
    if fault["type"] == "model_type":
        allowed = ", ".join(_section_at(parts).model_fields)
        return f"config{' key ' + path if path else ''} must be a section with keys of {allowed}"
    message = fault["msg"].replace("Input should be", "must be").partition(", unable to parse")[0]
    return f"config key {path} = {fault['input']!r}: {message}"


def _section_at(path: Sequence[str | int]) -> type[BaseModel]:
    """The section that ``path`` leads to."""
    section: type[BaseModel] = Config
    for part in path:
        if part in PRODUCTS:
            section = PRODUCTS[str(part)]
        elif isinstance(part, str):  # an index stays in the section of its list
            section = _section_in(section.model_fields[part].annotation) or section
    return section


def _section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [_section_in(part) for part in getattr(annotation, "__args__", ())]
    return next((section for section in found if section), None)


def load(path: Path) -> Config:
    """The configuration in a YAML file; LstsrError where it is missing or wrong."""
    import yaml

    check_keys(path)
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise LstsrError(f"{path}: {error.strerror}; name an existing config file") from None
    except yaml.YAMLError as error:
        raise LstsrError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    return validate(data or {})


def check_keys(path: Path) -> None:
    """Raise LstsrError if a YAML file names a key twice. YAML itself keeps only the last one."""
    import yaml

    try:
        waiting = [yaml.compose(path.read_text())]
    except (OSError, ValueError, yaml.YAMLError):
        return  # whoever reads the file says what is wrong with it
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            waiting += [value for _, value in node.value]
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(keys)) < len(keys):
                line = node.start_mark.line + 1
                raise LstsrError(
                    f"{path}: config key {_first_twice(keys)} is named twice in the section that "
                    f"begins in line {line}. Remove one of the two"
                )


def schema() -> str:
    """The JSON schema of the configuration."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def save_resolved(config: Config) -> None:
    """Write every option, defaults filled in, to ``config.resolved.yaml`` in the results."""
    import yaml

    from lstsr.files import whole

    with whole(Path(config.results) / "config.resolved.yaml") as partial:
        partial.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
