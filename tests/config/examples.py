"""Configurations for tests: the smallest ones, and copies with one key changed."""

from __future__ import annotations

import copy
from typing import Any

MINIMAL: dict[str, Any] = {
    "dataset": "small",
    "sensors": {
        "input": {"sensor": "coarse", "unit": "kelvin"},
        "reference": {"sensor": "optical", "unit": "index"},
        "target": {"sensor": "fine", "unit": "celsius"},
    },
    "split": {"test": 0.2, "validation": 0.2},
    "blocks": [{"track": "observed", "scale": 4}, {"track": "degraded-block", "scale": 8}],
    "models": [{"model": "esrnet"}, {"model": "dctnet"}],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """``MINIMAL`` with the key at ``path`` set, or taken out where the value is None."""
    data = copy.deepcopy(MINIMAL)
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    section: Any = data
    for part in parents:
        section = section[part] if isinstance(part, int) else section.setdefault(part, {})
    if value is None:
        del section[last]
    else:
        section[last] = value
    return data


def optical(**more: Any) -> dict[str, Any]:
    """The smallest config of task optical, for an image of three bands."""
    target = {"sensor": "o", "unit": "reflectance", "bands": [1, 2, 3], "names": ["b", "g", "r"]}
    return {
        "dataset": "images",
        "task": "optical",
        "sensors": {"target": target},
        "split": {"test": 0.2, "validation": 0.2},
        "blocks": [{"track": "degraded-block", "scale": 2}],
        "models": [{"model": "esrnet"}],
    } | more
