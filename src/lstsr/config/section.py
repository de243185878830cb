"""What all sections of the configuration share: strict keys, names, coordinate systems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pyproj import CRS

Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]*(-[A-Za-z0-9_.]+)*$")]


class Section(BaseModel):
    """A part of the configuration. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def option(default: Any, description: str, **limits: Any) -> Any:
    """A key with its default, description and limits (``ge``, ``lt``, ``pattern``, ...)."""
    return Field(default, description=description, **limits)


def first_twice(names: Sequence[Any]) -> Any:
    """The first of ``names`` that appears twice; None if all differ."""
    return next((name for name in names if names.count(name) > 1), None)


def read_crs(text: str) -> CRS:
    """The coordinate system that ``text`` names. Raises ValueError if PROJ cannot read it."""
    from pyproj import CRS  # imported here because few of the jobs that read the config need it
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_user_input(text)
    except CRSError:
        raise ValueError(f"'{text}' is not a coordinate system that PROJ reads") from None


def _check_crs(text: str) -> str:
    read_crs(text)
    return text


Crs = Annotated[str, AfterValidator(_check_crs)]
