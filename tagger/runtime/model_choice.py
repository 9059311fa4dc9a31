"""What `model.name: auto` comes to, for which database, and why.

It is decided when a database is first used, and recorded there, so that a model that arrives later changes no tags by itself:
it is told of, and `tagger models use` switches. A database of an earlier release stays with the model that wrote its tags.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tagger.config.settings import Settings
from tagger.errors import DatabaseError, ModelError
from tagger.records import ModelIdentity, Standing
from tagger.store.core.database import Database
from tagger.store.tags import model_choice as store
from tagger.store.tags.model_choice import ModelChoice
from tagger.vision import weights
from tagger.vision.models import AUTO, BUILTIN, BUILTIN_MODEL, CATALOGUE, named

if TYPE_CHECKING:  # it takes numpy, which who asks how things stand has no need of
    from tagger.vision.classify import Classifier

_REASONS = {
    "resnet18": "its ImageNet-1k weights were here when this database was first used",
    "efficientnet_lite0": "it comes with Tagger, and resnet18's ImageNet-1k weights were not here",
    BUILTIN_MODEL: "no other model could be used when this database was first used",
}
_BEFORE = "the tags of this database were made by it"
_ASKED = "tagger models use chose it"


def loaded(settings: Settings, database: Database, home: Path, cache: Path) -> tuple[Settings, "Classifier"]:
    """Return the model for this database, and the settings with its name in place of `auto`. Raises TaggerError.

    What is decided for the first time is recorded.
    """
    from tagger.vision import load

    settings = decided(settings, database, home, cache)
    return settings, load.load_classifier(settings, home, cache)


def decided(settings: Settings, database: Database, home: Path, cache: Path) -> Settings:
    """Return the settings with the model for this database, which is decided and recorded where it was not. Raises TaggerError."""
    if not _is_open(settings):
        return settings
    choice = _decision(database) or _first(settings, home, cache)
    _record(database, choice)
    return _with(settings, choice.name, home)


def settled(settings: Settings, database: Database, home: Path) -> Settings:
    """Return the settings with the model that was decided for this database; as they are where nothing was.

    Raises ModelError where that model is no longer here.
    """
    choice = _decision(database) if _is_open(settings) else None
    return _with(settings, choice.name, home) if choice else settings


def for_reading(settings: Settings, home: Path) -> Settings:
    """Return the same for a command that works on no database, but means the model of the one that the settings name."""
    if not _is_open(settings):
        return settings
    with _opened(settings) as database:
        return settled(settings, database, home) if database else settings


def use(database: Database, name: str, home: Path) -> None:
    """Record that pictures are to be tagged with this model. Raises ModelError where it is not here."""
    if name != BUILTIN_MODEL:
        weights.published(named(name), home)
    _record(database, ModelChoice(name, _ASKED, datetime.now(UTC)))


def standing(settings: Settings, database: Database | None, home: Path) -> Standing:
    """Return which model these settings, as the config has them, come to, and why. Raises ModelError."""
    if settings.engine.backend == "fake":
        return Standing("fake", "engine.backend is fake", "")
    if not _is_open(settings):
        return _as_named(settings, home)
    if choice := _decision(database) if database else None:
        return Standing(choice.name, choice.why, _other(choice.name, home))
    name = weights.resolve(settings.model, home).name
    return Standing(name, _REASONS[name], _other(name, home))


def _as_named(settings: Settings, home: Path) -> Standing:
    """Return what a model is called. A `resnet18` without fetched weights is the built-in one, and is called so; weights of one's own are named with it."""
    name, file = settings.model.name, settings.model.weights
    if file != AUTO:
        return Standing(f"{name}:{file}", "model.weights in the config", "")
    absent = _absence(name, home) if name == "resnet18" else ""
    if not absent:
        return Standing(name, "model.name in the config", "")
    why = "model.name in the config is resnet18, whose ImageNet-1k weights are not here"
    return Standing(BUILTIN_MODEL, why, f"{absent} ({_compared(name, BUILTIN_MODEL)})")


def standing_now(settings: Settings, home: Path) -> Standing:
    """Return the same for the database that the settings name, which need not be there yet."""
    with _opened(settings) as database:
        return standing(settings, database, home)


@contextmanager
def _opened(settings: Settings) -> Iterator[Database | None]:
    """Return the settings' database for reading; None where there is none yet, or it is not brought up to date."""
    try:
        database = Database.open(settings.database, create=False)
    except DatabaseError:
        yield None
        return
    with closing(database):
        yield database


def _first(settings: Settings, home: Path, cache: Path) -> ModelChoice:
    from tagger.vision import load

    name = load.first(settings, home, cache).name
    return ModelChoice(name, _REASONS[name], datetime.now(UTC))


def _other(name: str, home: Path) -> str:
    """Return what would bring a model that `auto` prefers to this one; one that is here already comes first."""
    preferred = weights.IN_ORDER[: weights.IN_ORDER.index(name)] if name in weights.IN_ORDER else ()
    absent = {better: _absence(better, home) for better in preferred}
    for better in sorted(preferred, key=lambda one: bool(absent[one])):
        use = f"tagger models use {better}"
        way = f"{absent[better]}, then {use}" if absent[better] else f"{better} is here, too: {use}"
        return f"{way} ({_compared(better, name)})"
    return ""


def _compared(better: str, name: str) -> str:
    return f"{better} has {named(better).merits}; {name} has {named(name).merits}"


def _absence(name: str, home: Path) -> str:
    """Return what brings a model that is not here; empty where it is."""
    try:
        weights.published(named(name), home)
    except ModelError as error:
        return error.hint or error.what
    return ""


def _is_open(settings: Settings) -> bool:
    return settings.model.name == AUTO and settings.engine.backend != "fake"


def _with(settings: Settings, name: str, home: Path) -> Settings:
    """Return the settings with the model that was decided on.

    Raises ModelError where that is a resnet18 whose weights are gone: the built-in ones, which a config that names it would get,
    would make all tags stale. Of any other model, whoever loads it says so.
    """
    if name == "resnet18" and not weights.fetched_path(named(name), home).exists():
        what = "its ImageNet-1k weights, by which this database's pictures are tagged, are no longer here"
        hint = "tagger models fetch resnet18; or have another model tag all anew: tagger models use efficientnet_lite0"
        raise ModelError(name, what, hint)
    return with_name(settings, name)


def with_name(settings: Settings, name: str) -> Settings:
    """Return the settings with a model's name in place of the one that they have."""
    return settings.model_copy(update={"model": settings.model.model_copy(update={"name": name})})


def _decision(database: Database) -> ModelChoice | None:
    """Return what is recorded, or follows from the tags that are there already."""
    with database.read() as connection:
        if choice := store.recorded(connection):
            return choice
        used = store.last_used(connection)
    name = _name_of(used) if used else None
    return ModelChoice(name, _BEFORE, datetime.now(UTC)) if name else None


def _name_of(identity: ModelIdentity) -> str | None:
    """By which the config asks for this model; None where it is none of ours."""
    manifest = json.loads((BUILTIN / "manifest.json").read_text(encoding="utf-8"))
    if identity.weights_sha256 in manifest.values():
        return BUILTIN_MODEL
    ours = (one for one in CATALOGUE if one.name == identity.name)
    return next((one.name for one in ours if identity.weights_sha256 == one.sha256), None)


def _record(database: Database, choice: ModelChoice) -> None:
    with database.write() as connection:
        store.record(connection, choice)
