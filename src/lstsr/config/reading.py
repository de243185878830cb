"""Read and write the configuration: YAML files, and the JSON schema."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lstsr.config.messages import message
from lstsr.config.run import Config
from lstsr.config.section import first_twice
from lstsr.errors import LstsrError
from lstsr.files import whole


def validate(data: Mapping[str, Any]) -> Config:
    """The configuration in ``data``. Raises LstsrError with one clause per fault."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise LstsrError(message(error, Config)) from None


def load(path: Path) -> Config:
    """The configuration in a YAML file. Raises LstsrError if the file is missing or wrong."""
    import yaml

    check_keys(path)
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise LstsrError(f"{path}: {error.strerror}. Name an existing config file") from None
    except yaml.YAMLError as error:
        raise LstsrError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    return validate(data or {})


def check_keys(path: Path) -> None:
    """Raise LstsrError if a YAML file names a key twice. PyYAML keeps only the last one."""
    import yaml

    try:
        waiting = [yaml.compose(path.read_text())]
    except (OSError, ValueError, yaml.YAMLError):
        return  # the reader of the file reports the fault
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            waiting += [value for _, value in node.value]
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if (twice := first_twice(keys)) is not None:
                raise LstsrError(
                    f"{path}: config key {twice} is named twice in the section that begins in line "
                    f"{node.start_mark.line + 1}. Remove one"
                )


def schema() -> str:
    """The JSON schema of the configuration."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def resolved(config: Config) -> str:
    """The configuration as YAML with every option, defaults filled in."""
    import yaml

    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def resolved_path(config: Config) -> Path:
    """The copy of the resolved configuration that the jobs of a run read.

    Its name contains a digest of its content, so runs with different settings can share a results
    folder, and no job reads the settings of another run.
    """
    digest = hashlib.sha256(resolved(config).encode()).hexdigest()[:12]
    return Path(config.results) / "work" / "config" / f"{digest}.yaml"


def save_resolved(config: Config) -> None:
    """Write the resolved configuration for the jobs, and as ``config.resolved.yaml`` for people."""
    for path in (resolved_path(config), Path(config.results) / "config.resolved.yaml"):
        with whole(path) as partial:
            partial.write_text(resolved(config))
