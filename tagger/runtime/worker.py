"""Everything between the folders and the database, wired and watched over.

Each part knows its neighbours by functions that are given to it here, and nobody else knows them all.
"""

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from tagger.config.path_rules import PathRules
from tagger.config.settings import Settings, environment
from tagger.host import beneath, confinement, failpoints
from tagger.ingest.filters import Filters
from tagger.ingest.settle import Settling
from tagger.ingest.watch import Watch
from tagger.pipeline.crash_isolation import CrashIsolation, SubprocessRunner
from tagger.pipeline.health_check import HealthCheck
from tagger.pipeline.intake import Intake
from tagger.pipeline.maintenance import Maintenance
from tagger.pipeline.overdue import Overdue
from tagger.pipeline.pipeline import Steps
from tagger.pipeline.predict_queue import PredictQueue
from tagger.pipeline.recent_events import RecentEvents
from tagger.pipeline.report import Report
from tagger.pipeline.retention import Retention
from tagger.pipeline.scanner import Scanner
from tagger.pipeline.stage import Stage
from tagger.pipeline.stats import Stats
from tagger.pipeline.worker_status import WorkerStatus
from tagger.records import Failed, Outcome, Sighting
from tagger.runtime import build
from tagger.runtime.signals import Signals
from tagger.store.core.database import Database
from tagger.store.queue import queries
from tagger.store.queue.file_queue import FileQueue
from tagger.store.tags.redate import Redate
from tagger.store.tags.writer import Writer
from tagger.supervision import Supervisor
from tagger.vision.classify import Classifier
from tagger.vision.decode import SUFFIXES

log = logging.getLogger(__name__)

LOAD_WITHIN = 60
"""Seconds that loading a model may take, its graph written anew included."""

STILL_FOR = 20
"""Seconds that a stage may neither advance nor be excused; with the unit's WatchdogSec, a hang ends within a minute."""


class Worker:
    """Everything between the folders and the database, wired; nothing runs until `working`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        classifier: Classifier,
        hold: Callable[[Mapping[str, float], Callable[[Sighting], os.stat_result]], Settling],
        stops: Signals,
        desk: PredictQueue | None = None,
    ) -> None:
        """`hold` makes what holds files until they are still, from each source's settling time and a way to look."""
        self.sources = settings.with_names(queries.roots(database)).sources
        roots = {source.name: str(source.path) for source in self.sources}
        crops = {source.name: source.crop for source in self.sources}
        places = {source.name: PathRules(source.path_pattern, source.timezone) for source in self.sources}
        _warn_of_groups(places)
        filters = Filters(self.sources, SUFFIXES)
        self._writer = Writer(
            database,
            classifier.identity,
            classifier.labels,
            classifier.taxonomy,
            classifier.description,
            _now,
            identities=classifier.identities(crops),
            places=places,
            thresholds=settings.thresholds,
            limits=_limits(settings),
            keep_old=settings.keep_old_models,
        )
        registered = self._writer.registered
        journal = FileQueue(database, roots, _now, registered)
        settling = hold(
            {source.name: source.settle for source in self.sources},
            lambda sighting: beneath.stat(roots[sighting.source], sighting.path),
        )
        retention = Retention({source.name: source.keep_days for source in self.sources})
        self.intake = Intake(
            journal,
            settling,
            lambda folder: self.scanner.seen(folder),
            rate=settings.limits.rate,
            retention=retention,
        )
        self.care = Maintenance(database, retention)
        self.watch = Watch(self.sources, filters, self.intake.see, lambda: self.scanner.hurry())
        self.scanner = Scanner(
            self.sources,
            filters,
            self.intake,
            journal,
            settings.rescan,
            settings.poll,
            lambda: self.watch.polled,
            lambda name: Redate(database, name, places[name], _now),
        )
        self.meters = Stats(roots)
        self._report = Report(
            lambda: self.intake.in_flight, self._not_begun, classifier.taxonomy, settings.search.min_score
        )
        self.classifier, self.bulletin = classifier, RecentEvents()
        self._troubles: Mapping[str, str] = {}
        self._database, self._stops, self._look_at = database, stops, 0.0
        self.supervisor, self.hung = Supervisor((), 0), ""
        steps = build.steps(
            settings, classifier, crops, registered.model_of, self._writer.knows, self._store, roots
        )
        steps, self._write = _measured(steps, self.meters), self.meters.commit.timing(self._writer.write)
        self._trial = CrashIsolation(self.intake, _court(settings), steps.read)
        self.patrol = HealthCheck(self.sources, self.watch, self.scanner, self.intake, self._trial)
        self._overdue = Overdue(int(settings.decode.deadline / build.LOOK_EVERY))
        batching = classifier.engine.batching
        self._pipeline = build.pipeline(
            settings, self.intake, steps, batching, self._overdue, stops.crashed, desk
        )

    def unready(self) -> list[str]:
        """What is missing for pictures to be tagged; nothing, as a rule."""
        missing = [] if self.patrol.begun else ["the folders are not watched yet"]
        return missing + (["the database cannot be written"] if self._database.patience.tried else [])

    def vitals(self) -> WorkerStatus:
        tally, troubles = self.intake.tally, self._troubles
        away = {name for name, trouble in troubles.items() if trouble} - self.watch.polled
        counts = (tally.tagged, tally.failed)
        return WorkerStatus(troubles, self._pipeline.waiting, *counts, away, self.intake.unsettled_for)

    def _not_begun(self) -> int:
        tally = self.intake.tally
        return max(0, tally.new - tally.tagged - tally.failed - self.intake.in_flight)

    def summary(self) -> str:
        """The same in a line."""
        tally = self.intake.tally
        waiting = max(0, tally.new - tally.tagged - tally.failed)
        counts = f"{tally.tagged} tagged, {waiting} waiting, {tally.failed} failed since the start"
        paused = ["paused"] if self.intake.paused else []
        away = [f"{name}: {trouble}" for name, trouble in self._troubles.items() if trouble]
        return "; ".join([counts, *paused, *self.unready(), *away])

    @contextmanager
    def working(self, *sights: tuple[str, Callable[[], None]]) -> Iterator[None]:
        """Everything runs inside this block; `sights` are the steps, by name, that find files.

        On leaving, what is in hand is finished, in the order of the road; after an error nothing is.
        """
        build.spare_what_is_there()
        self._database.patience.end(math.inf)
        steps = {**dict(sights), "intake": self.intake.step, "trial": self._trial.step}
        stages = [Stage(name, step, self._stops.crashed) for name, step in steps.items()]
        pulses = [pulse for stage in (*stages, *self._pipeline.stages) for pulse in stage.pulses]
        self.supervisor = Supervisor(pulses, int(STILL_FOR / build.LOOK_EVERY))
        self._pipeline.start()
        for stage in stages:
            stage.start()
        yield
        deadline = time.monotonic() + build.STOP_WITHIN
        self._database.patience.end(deadline - build.STOP_WITHIN / 2)
        for part in (self.patrol, self.watch, self.scanner, self.care, self._trial, self.intake):
            part.close()
        ended = [*(stage.join(deadline) for stage in stages), self._pipeline.drain(deadline)]
        if not all(ended):
            log.warning("some files in hand were not finished in time; the next start tags them")
        if error := self._stops.failure:
            build.raise_error(error)

    def stopped(self, within: float) -> int:
        """The signal that comes `within` so many seconds, else 0. Raises TaggerError where the work cannot go on."""
        reason = self._stops.wait(within)
        if isinstance(reason, BaseException):
            build.raise_error(reason)
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + build.LOOK_EVERY
            self._look()
        return reason or 0

    def _look(self) -> None:
        """What no thread would notice by itself."""
        self._database.check()
        self._compare_troubles(self.watch.troubles)
        self._report.look()
        self.hung = self.supervisor.look()
        if late := self._overdue.look():
            build.end_at_once(late)

    def _compare_troubles(self, troubles: Mapping[str, str]) -> None:
        for source, trouble in troubles.items():
            if trouble != self._troubles.get(source, ""):
                self.bulletin.post("source", source=source, trouble=trouble)
        self._troubles = troubles

    def _store(self, outcomes: Sequence[Outcome]) -> None:
        self._write(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, Failed):
                stamp = outcome.stamp
                self.bulletin.post("failed", path=stamp.path, source=stamp.source, error=outcome.reason)
        self.intake.done(outcomes)
        self._report.stored(outcomes, self.meters.stored(outcomes))


def _measured(steps: Steps, meters: Stats) -> Steps:
    decode, classify = meters.decode.timing(steps.decode), meters.classifying(steps.classify)
    return replace(steps, decode=decode, classify=classify)


def _court(settings: Settings) -> SubprocessRunner:
    """`tagger tag` with these settings and no right but to read files. It ends by itself past the deadline; if it cannot, the kernel
    ends it.
    """
    seconds = int(settings.decode.deadline) + LOAD_WITHIN
    command = (
        f"import signal; signal.alarm({seconds}); from tagger.host import confinement as c;"
        "c.give_up_capabilities([c.READ_FILES]); from tagger.cli import main; main()"
    )
    failing = {key: value for key, value in os.environ.items() if key == failpoints.VARIABLE}
    known = confinement.without_settings(os.environ) | failing | environment(settings)
    return SubprocessRunner((sys.executable, "-P", "-c", command, "tag", "--config", os.devnull), known)


def _warn_of_groups(places: Mapping[str, PathRules]) -> None:
    for source, place in places.items():
        for word in sorted(place.shadows):
            log.warning(
                "source %r: the group (?P<%s>…) of path_pattern takes the place of a word of searches, so that %s:night and "
                "the other conditions are not found; give the group another name to have both",
                source,
                word,
                word,
            )


def _limits(settings: Settings) -> dict[str, float]:
    """What views compare with, by section and key."""
    sections = {
        "health": settings.health,
        "conditions": settings.conditions,
        "sessions": settings.sessions,
        "search": settings.search,
    }
    return {
        f"{section}.{name}": value
        for section, values in sections.items()
        for name, value in values.model_dump().items()
    }


def _now() -> datetime:
    return datetime.now(UTC)
