"""The config: YAML → frozen settings.

Three layers, the later ones win: the file, `TAGGER_…` variables, the command line. pydantic checks
the sum of them once, so that a value is judged the same wherever it came from.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tagger.config import defaults, documents, environment, sources
from tagger.config.explain import explain
from tagger.config.section import below
from tagger.config.settings import Settings
from tagger.errors import ConfigError
from tagger.host import regular


def load(
    file: Path | None = None,
    folders: Iterable[Path] = (),
    database: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the settings of this run. Raises ConfigError, which names each wrong key.

    `folders` take the place of the configured sources; one inside a configured source keeps
    that source's settings, and sources inside a folder keep theirs.
    """
    written, variables = _read(file) if file else {}, environment.overrides(environ)
    data = _overlay(written, variables)
    if database is not None:
        data["database"] = database if "://" in database else str(below(Path.cwd(), Path(database)))
    base = file.absolute().parent if file else Path.cwd()
    try:
        settings = Settings.model_validate(data, context={"base": base})
        pinned = defaults.pinned(written, str(file), variables, environment.PREFIX, Settings())
        return _limited(
            settings.with_pinned(tuple(pinned)), [below(Path.cwd(), folder) for folder in folders]
        )
    except ValidationError as error:
        raise ConfigError(str(file or "config"), explain(error, Settings), _see(file)) from None


def _limited(settings: Settings, folders: list[Path]) -> Settings:
    if not folders:
        return settings
    return settings.model_copy(update={"sources": sources.limited(settings.sources, folders)})


def _read(file: Path) -> dict[str, Any]:
    if file == Path(os.devnull):  # as whoever wants none says it
        return {}
    try:
        data = documents.read(regular.text(file, documents.LARGEST))
    except FileNotFoundError:
        raise ConfigError(str(file), "no such file", "name another with --config") from None
    except PermissionError:
        hint = "`ls -l` says who may: a service's is for its group, so join that and log in anew, or name another with --config"
        raise ConfigError(str(file), "you may not read it", hint) from None
    except OSError as error:
        raise ConfigError(str(file), f"cannot be read: {error.strerror or error}", _see(file)) from None
    except documents.NotYamlError as error:
        raise ConfigError(str(file), f"is not YAML: {error.what}", error.hint) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(str(file), "must hold keys such as 'sources:'", _see(file))
    return data


def _overlay(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """Return both; `upper` wins. Sections are merged key by key, lists are replaced whole."""
    merged = dict(lower)
    for key, value in upper.items():
        under = merged.get(key)
        both = isinstance(value, dict) and isinstance(under, dict)
        merged[key] = _overlay(under, value) if both else value  # type: ignore[arg-type]
    return merged


def _see(file: Path | None) -> str:
    return "config/tagger.yaml in the project explains every key" if file else ""
