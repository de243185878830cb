"""How the files of each image are read: one section for each product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AllowInfNan, Discriminator, Field, Tag, field_validator, model_validator

from lstsr.config.section import Crs, Section, first_twice, option
from lstsr.manifest import ROLES

THERMAL = ("lst", "brightness_temperature")
_Visible = Literal["coastal", "blue", "green", "red", "nir08", "swir16", "swir22"]
LandsatBand = Literal["lst", "brightness_temperature", _Visible]
LandsatFlag = Literal["dilated_cloud", "cirrus", "cloud", "cloud_shadow", "snow", "water"]

Index = Literal["ndvi", "ndwi"]
_RhocBlue = Literal["rhoc_380", "rhoc_412", "rhoc_443", "rhoc_490", "rhoc_510", "rhoc_555"]
_RhocRed = Literal["rhoc_620", "rhoc_660", "rhoc_680", "rhoc_709", "rhoc_745", "rhoc_865"]
Goci2Band = Literal[_RhocBlue, _RhocRed, Index]
_ToaBlue = Literal["toa_380", "toa_412", "toa_443", "toa_490", "toa_510", "toa_555"]
_ToaRed = Literal["toa_620", "toa_660", "toa_680", "toa_709", "toa_745", "toa_865"]
Goci2L1bBand = Literal[_ToaBlue, _ToaRed, Index]
_AmiSolar = Literal["vi004", "vi005", "vi006", "vi008", "nr013", "nr016"]
_AmiVapour = Literal["sw038", "wv063", "wv069", "wv073"]
_AmiInfrared = Literal["ir087", "ir096", "ir105", "ir112", "ir123", "ir133"]
AmiBand = Literal["lst", _AmiSolar, _AmiVapour, _AmiInfrared]


def _number_or_name(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    return {int: "<number>", str: "<name>"}.get(type(value))


# Messages leave out tags in angle brackets.
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
    sensor: str = Field(description="sensor name in every raster")
    unit: Literal["kelvin", "celsius", "reflectance", "index", "metre"]
    bands: list[BandChoice] | None = option(
        None, "numbers (from 1) or names of bands or NetCDF variables", min_length=1
    )
    names: list[str] = option(["lst"], "one name per band", min_length=1)
    scale: float | None = option(None, "default: as the file states, or 1")
    offset: float | None = option(None, "default: as the file states, or 0")
    nodata: list[Annotated[float, AllowInfNan(True)]] = option(
        [], "stored values that are no-data, in addition to those that the file masks"
    )
    valid_min: float | None = option(None, "in `unit`; lower values are masked")
    valid_max: float | None = option(None, "in `unit`; higher values are masked")
    rim_erosion: int = option(0, "pixels removed around the valid area", ge=0, le=64)
    crs: Crs | None = option(None, "replaces the file's own coordinate system")

    @field_validator("nodata", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        """A single value needs no list."""
        values = [] if value is None else value
        return values if isinstance(values, (list, tuple)) else [values]

    @field_validator("scale")
    @classmethod
    def _check_scale(cls, value: float | None) -> float | None:
        if value == 0:
            raise ValueError("the scale cannot be 0. Give another number")
        return value

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if self.bands is not None and len(self.bands) != len(self.names):
            raise ValueError(
                f"names has {len(self.names)} entries for {len(self.bands)} bands. Give one name "
                "per band"
            )
        for key in ("names", "bands"):
            listed = getattr(self, key) or []
            if len(set(listed)) < len(listed):
                raise ValueError(f"{key}: {first_twice(listed)} is named twice")
        if not all(name.strip() for name in self.names):
            raise ValueError("names: a name is empty. Give one name per band")
        low, high = self.valid_min, self.valid_max
        if low is not None and high is not None and low >= high:
            raise ValueError(f"valid_min = {low} must be below valid_max = {high}")
        return self


class ProductConfig(Section):
    """An agency's product: the names of its bands are fixed."""

    if TYPE_CHECKING:
        bands: Any

    @property
    def names(self) -> list[str]:
        """One name per band."""
        return list(self.bands)


class LandsatConfig(ProductConfig):
    """Landsat 8/9 Collection-2 Level-2 (L2SP), or Level 1 for brightness temperature."""

    product: Literal["landsat"]
    sensor: str = option("Landsat", "sensor name in every raster")
    bands: list[LandsatBand] = option(["lst"], "bands of one unit", min_length=1)
    masked: list[LandsatFlag] = option(
        ["dilated_cloud", "cirrus", "cloud", "cloud_shadow"],
        "bits of QA_PIXEL (BQA for Level 1) that mask a pixel; fill always does",
    )
    masked_saturation: bool = option(True, "mask pixels with any bit of QA_RADSAT")
    max_uncertainty_k: float | None = option(3.0, "highest ST_QA of lst, kelvin", gt=0)
    valid_min: float | None = option(None, "lowest valid value, in the unit of the bands")
    valid_max: float | None = option(None, "highest valid value, in that unit")

    @model_validator(mode="after")
    def _check_bands(self) -> Self:
        thermal = [band for band in self.bands if band in THERMAL]
        if thermal and len(self.bands) > 1:
            raise ValueError(f"bands = {self.bands}: {thermal[0]} has another unit. Read it alone")
        return self

    @property
    def unit(self) -> str:
        """Kelvin for temperatures."""
        return "kelvin" if self.bands[0] in THERMAL else "reflectance"


class Gk2aConfig(Section):
    """GK2A/AMI Level-2 LST (KO, EA or FD)."""

    product: Literal["gk2a"]
    sensor: str = option("GK2A/AMI", "sensor name in every raster")
    accepted: list[Annotated[int, Field(ge=0, le=255)]] = option(
        [0], "values of DQF_LST of valid pixels", min_length=1
    )
    valid_min: float = option(200.0, "kelvin; lower values are masked")
    valid_max: float = option(360.0, "kelvin; higher values are masked")
    unit: ClassVar[str] = "kelvin"
    names: ClassVar[list[str]] = ["lst"]
    bands: ClassVar[list[str]] = ["lst"]


class CloudTestConfig(Section):
    """Cloud test by brightness temperature at 11 um (IR112), for files without a cloud mask."""

    coldest_k: float = option(250.0, "colder pixels are cloud", gt=0)
    depression_k: float = option(
        8.0, "pixels are cloud if the warmest 3 x 3 mean around them is warmer by more", gt=0
    )
    reach_px: int = option(12, "how far away this mean may lie", ge=1, le=100)
    difference_k: float = option(5.0, "a larger IR112 - IR123 is thin cloud", gt=0)


class Gk2aL1bConfig(ProductConfig):
    """GK2A/AMI Level 1B (FD, LA, KO or EA): LST by split window, or one channel.

    For lst, the scene names the file of IR112 or IR123, and the other file lies in the same folder.
    Channels up to nr016 are reflectance factors, and from sw038 on brightness temperatures, kelvin.
    """

    product: Literal["gk2a-l1b"]
    sensor: str = option("GK2A/AMI", "sensor name in every raster")
    bands: list[AmiBand] = option(["lst"], "lst or one channel", min_length=1, max_length=1)
    accepted: list[Annotated[int, Field(ge=0, le=3)]] = option(
        [0], "valid flags: 0 good, 1 conditional, 2 not seen, 3 error", min_length=1
    )
    max_residual_px: float = option(0.75, "largest mean navigation residual, pixels", gt=0)
    emissivity: float = option(0.978, "mean of IR112 and IR123 (lst)", gt=0.8, le=1)
    emissivity_difference: float = option(
        -0.003, "IR112 - IR123: -0.005 bare soil, 0 leaves (lst)", ge=-0.05, le=0.05
    )
    water_vapour_g_cm2: float = option(
        2.5, "water vapour along the line of sight (lst)", ge=0, le=8
    )
    cloud: CloudTestConfig = option(CloudTestConfig(), "cloud test of lst")
    valid_min: float | None = option(None, "lowest valid value, in the unit of the band")
    valid_max: float | None = option(None, "highest valid value, in that unit")

    @property
    def unit(self) -> str:
        """Kelvin for temperatures."""
        return "reflectance" if self.bands[0].startswith(("vi", "nr")) else "kelvin"


class Goci2Config(ProductConfig):
    """GK2B/GOCI-II Level-2 AC: Rayleigh-corrected reflectance, a slot or a mosaic."""

    product: Literal["goci2"]
    sensor: str = option("GK2B/GOCI-II", "sensor name in every raster")
    bands: list[Goci2Band] = Field(["rhoc_660", "rhoc_865", "ndvi"], min_length=1)
    masked: list[str] = option(["CLOUD", "CLOUD_SHADOW", "HIGH_GLINT"], "flags that mask a pixel")
    flag_bits: dict[str, Annotated[int, Field(ge=0, le=31)]] = option(
        {"CLOUD": 2, "HIGH_GLINT": 3, "CLOUD_SHADOW": 4},
        "bit of each flag, for files that do not name their flags",
    )
    valid_min: float = option(-1.0, "reflectance; lower values are masked")
    valid_max: float = option(2.0, "reflectance; higher values are masked")
    unit: ClassVar[str] = "reflectance"


class Goci2L1bConfig(ProductConfig):
    """GK2B/GOCI-II Level-1B: top-of-atmosphere reflectance, a slot or a mosaic."""

    product: Literal["goci2-l1b"]
    sensor: str = option("GK2B/GOCI-II", "sensor name in every raster")
    bands: list[Goci2L1bBand] = Field(["toa_660", "toa_865", "ndvi"], min_length=1)
    min_sun_elevation_deg: float = option(15.0, "pixels with a lower sun are masked", ge=1, lt=90)
    cloud_brightness: float = option(
        0.28, "cloud: reflectance at 412 nm x cos(sun zenith) is higher ...", gt=0, le=2
    )
    cloud_ndvi: float = option(0.2, "... and the NDVI is not higher", ge=-1, le=1)
    valid_min: float = option(0.0, "reflectance; lower values are masked")
    valid_max: float = option(2.0, "reflectance; higher values are masked")
    unit: ClassVar[str] = "reflectance"


def _product(value: Any) -> str:
    """The tag of a section. Without `product` it is a GeoTIFF."""
    if isinstance(value, Mapping):
        return f"<{value.get('product', 'geotiff')}>"
    return f"<{getattr(value, 'product', None)}>"


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
PRODUCTS: Mapping[Any, type[Section]] = {
    get_args(kind)[1].tag: get_args(kind)[0] for kind in get_args(get_args(SensorConfig)[0])
}
"""Section of each tag in `SensorConfig`."""


class SensorsConfig(Section):
    """The three images of a triplet, or the target alone if it is an optical image."""

    input: SensorConfig | None = None
    reference: SensorConfig | None = None
    target: SensorConfig

    @property
    def roles(self) -> tuple[str, ...]:
        """The images for which a scene has files."""
        return tuple(role for role in ROLES if getattr(self, role))

    @property
    def alone(self) -> bool:
        """Whether a scene is one image, from which its input is made."""
        return self.roles == ("target",)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.alone:
            self._check_alone()
            return self
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

    def _check_alone(self) -> None:
        if self.target.unit != "reflectance":
            raise ValueError(
                f"target.unit = '{self.target.unit}': a target alone must be reflectance. LST also "
                "needs sensors.input and sensors.reference"
            )
        for name in ("ndvi", "ndwi"):
            if name in self.target.names:
                raise ValueError(f"target.bands: {name} is not a reflectance. Remove it")
