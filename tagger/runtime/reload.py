"""A reload decides whether a running daemon can take a new config, and what of it only a restart can.

All is checked before anything is touched. Then the worker is ended in good order and built anew, on the database that is open
and the model that is loaded, as at a start: what was not seen in between, the scan finds. Rejected: to change each part where
it stands, because every part would have to take every change at every moment; and to start the process
anew, which loads the model, too, and has no old config to go on with.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tagger.config.folders import data_home
from tagger.config.section import Section
from tagger.config.settings import Settings
from tagger.errors import ConfigError, DatabaseError, TaggerError
from tagger.host.priority import be_nice
from tagger.runtime import model_choice, systemd
from tagger.runtime.start import Runtime
from tagger.store.core.control import DaemonAnswer
from tagger.store.core.database import Database
from tagger.store.queue import queries
from tagger.store.queue import sources as source_rows
from tagger.store.tags.room import with_features_that_fit
from tagger.vision import cores
from tagger.vision.classify import Classifier
from tagger.vision.engines import Engine
from tagger.vision.load import adapted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    """What a daemon works by. `changed` are the keys that it was made for, `restart` those that need one."""

    settings: Settings
    classifier: Classifier
    changed: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Return what it changed, for the log."""
        taken = f"{', '.join(self.changed) or 'nothing'} changed"
        return f"{taken}; needs a restart: {', '.join(self.restart)}" if self.restart else taken


class Reloads:
    """Takes new configs, and tells whoever asked for one what came of it."""

    def __init__(self, runtime: Runtime, reread: Callable[[], Settings]) -> None:
        """`reread` gives the settings as the config has them now."""
        self._runtime, self._reread = runtime, reread
        self._number, self._web = 0, ""

    def reload(self, config: Config) -> Config | None:
        """Return what the config says now; None where it cannot be taken, and all goes on as before."""
        self._number += 1
        systemd.say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            other = taken_over(config, self._reread(), self._runtime.settings, self._runtime.database)
        except TaggerError as error:
            log.error("the config is not taken, and the one before goes on: %s", error)
            self._runtime.answers.tell(DaemonAnswer(self._web, self._number, refused=str(error)))
            systemd.say("READY=1")
            return None
        if not be_nice(other.settings.limits.nice):
            other = replace(other, restart=(*other.restart, "limits.nice"))
        log.info("config reloaded: %s", other.words)
        return other

    def done(self, config: Config, web: str) -> None:
        """Tell whoever asked for this config that all works by it, and whoever asks where the web is."""
        self._web = web
        answer = DaemonAnswer(web, self._number, config.changed, config.restart)
        self._runtime.answers.tell(answer)


def taken_over(old: Config, wanted: Settings, started: Settings, database: Database) -> Config:
    """Return what comes of another config. `started` are the settings with which database and model were opened.

    Raises TaggerError where it cannot be taken.
    """
    if not wanted.sources:
        raise ConfigError("sources", "no folder to work on", "name one in the config")
    if database.write_retry.is_waiting:
        raise DatabaseError(database.name, "cannot be written now", "reload again once it can be")
    wanted = model_choice.settled(wanted, database, data_home())
    wanted = with_features_that_fit(wanted, database, old.classifier.identity)
    settings = _without_restart(wanted, started)
    settings.web.secret  # noqa: B018 - raises where it cannot be read
    sources = settings.with_names(queries.roots(database)).sources
    source_rows.check(database, {source.name: str(source.path) for source in sources})
    classifier = adapted(old.classifier, settings)
    changed = [*_differences(old.settings, settings)]
    if classifier.taxonomy != old.classifier.taxonomy and "categories" not in changed:
        changed.append("categories")  # the file is the same, and says something else
    restart = [*_differences(settings, wanted)]
    if not _suits(classifier.engine, cores.allowed(started.limits.cores), cores.allowed(wanted.limits.cores)):
        restart.append("limits.cores, for the model")
    return Config(settings, classifier, tuple(changed), tuple(restart))


def _without_restart(wanted: Settings, started: Settings) -> Settings:
    model = started.model.model_copy(update={"top_k": wanted.model.top_k})
    return wanted.model_copy(update={"database": started.database, "engine": started.engine, "model": model})


def _suits(engine: Engine, threads: int, wanted: int) -> bool:
    """Of an engine that infers a batch in each thread, some threads can be left idle."""
    return wanted == threads or (wanted < threads == engine.batching.at_once)


def _differences(one: Section, other: Section, prefix: str = "") -> Iterator[str]:
    """Keys whose values differ, dotted."""
    for key in type(one).model_fields:
        ours, theirs = getattr(one, key), getattr(other, key)
        if isinstance(ours, Section):
            yield from _differences(ours, theirs, f"{prefix}{key}.")
        elif ours != theirs:
            yield prefix + key
