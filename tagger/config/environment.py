"""`TAGGER_…` variables: those that this process was given, and those for another that is to come to the same tags."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from tagger.config import documents
from tagger.config.settings import Settings
from tagger.errors import ConfigError

PREFIX = "TAGGER_"
NOT_SETTINGS = {"TAGGER_CONFIG", "TAGGER_FAILPOINTS", "TAGGER_PHOTOS", "TAGGER_SETS"}
"""Variables of ours that are no keys: where the config is, what tests let fail, where they find photos and labelled sets."""


def overrides(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the keys that variables give, such as `TAGGER_MODEL__TOP_K=3` → `{"model": {"top_k": 3}}`.

    Their values are read as YAML. Raises ConfigError, which names the variable.
    """
    found: dict[str, Any] = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        *names, key = variable.removeprefix(PREFIX).lower().split("__")
        section = found
        for name in names:
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise ConfigError(
                    variable, f"{name!r} has been given a value of its own", "unset one of the two"
                )
        section[key] = _value(variable, environ[variable])
    return found


def _value(variable: str, text: str) -> Any:
    try:
        return documents.read(text)
    except documents.NotYamlError as error:
        raise ConfigError(variable, f"is not a YAML value: {error.what}", "quote it") from None


def environment(settings: Settings) -> dict[str, str]:
    """Return variables that bring another process to the same tags.

    They tell what is made of a picture, not where one is found.
    """
    crops = {str(source.path): source.crop for source in settings.sources if source.crop != "center"}
    cropped = [{"path": path, "crop": crop} for path, crop in crops.items()]
    return {f"{PREFIX}SOURCES": yaml.safe_dump(cropped, default_flow_style=True)} | {
        f"{PREFIX}{section}__{key}".upper(): json.dumps(value)
        for section in ("model", "engine", "decode", "batch", "limits")
        for key, value in getattr(settings, section).model_dump().items()
    }


def library(settings: Settings) -> dict[str, str]:
    """Return variables that bring another process to the same database, and have it know the sources and their heads."""
    sources = [
        {
            "path": str(source.path),
            "name": source.name,
            "crop": source.crop,
            "heads": settings.heads_of(source),
        }
        for source in settings.sources
    ]
    values = {"sources": sources, "database": settings.database, "none": settings.none.model_dump()}
    return {f"{PREFIX}{key.upper()}": json.dumps(value) for key, value in values.items()}
