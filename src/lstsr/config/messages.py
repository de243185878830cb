"""Faults that pydantic reports, as one-line messages: key, what is wrong, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

from pydantic import BaseModel, ValidationError

from lstsr.config.sensors import PRODUCTS


def message(error: ValidationError, run: type[BaseModel]) -> str:
    """All faults of a configuration of type ``run``, each in one clause."""
    return "; ".join(_clause(fault, run) for fault in error.errors())


def _clause(fault: Any, run: type[BaseModel]) -> str:
    """One fault: the key's path, what is wrong and what is allowed."""
    parts = [
        part for part in fault["loc"] if part in PRODUCTS or not str(part).startswith(("[", "<"))
    ]
    path = ".".join(str(part) for part in parts if part not in PRODUCTS)
    text = fault["msg"].replace("Input should be", "must be").partition(", unable to parse")[0]
    kind = fault["type"]
    if kind == "missing":
        return f"config key {path} is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        allowed = ", ".join(_options(_section_at(parts[:-1], run)))
        return f"config key {path} is unknown: allowed there are {allowed}"
    if kind == "value_error":  # of a section, whose message begins with a key, or of one key
        dot = "." if isinstance(fault["input"], (Mapping, BaseModel)) else ": "
        return f"config key {path + dot if path else ''}{text.removeprefix('Value error, ')}"
    section = kind in ("model_type", "dataclass_type", "dict_type")
    if section and (allowed := ", ".join(_options(_section_at(parts, run)))):
        where = f"config key {path}" if path else "config"
        return f"{where} must be a section with keys of {allowed}"
    return f"config key {path} = {fault['input']!r}: {text}"


def _section_at(path: Sequence[str | int], section: Any) -> Any:
    """The section that ``path`` leads to from ``section``."""
    for part in path:
        if part in PRODUCTS:
            section = PRODUCTS[part]
        elif isinstance(part, str):  # an index stays in the section of its list
            section = _section_in(_options(section).get(part)) or section
    return section


def _section_in(annotation: Any) -> Any:
    """The first section in a type, such as the one in ``list[ModelConfig]``; None without one."""
    if _options(annotation):
        return annotation
    sections = (_section_in(part) for part in getattr(annotation, "__args__", ()))
    return next((section for section in sections if section), None)


def _options(section: Any) -> dict[str, Any]:
    """Name to type of the keys of a section; empty for any other type."""
    if isinstance(section, type) and issubclass(section, BaseModel):
        return {name: field.annotation for name, field in section.model_fields.items()}
    if isinstance(section, type) and hasattr(section, "__pydantic_config__"):
        hints = get_type_hints(section)
        return {name: hint for name, hint in hints.items() if not name.startswith("_")}
    return {}
