"""Everything between the folders and the database, put together and watched over.

The constructor is the whole way of a file, in order: each part is given those before it, and knows none of those after it.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from tagger.config.path_rules import PathRules
from tagger.config.settings import Settings
from tagger.config.sources import Source
from tagger.host import garbage
from tagger.ingest.filters import Filters
from tagger.ingest.inbox import Inbox
from tagger.ingest.scanner import Scanner
from tagger.ingest.settle import Settling, look_beneath
from tagger.ingest.settler import Settler
from tagger.ingest.watch import Watch
from tagger.pipeline.claims import Claims
from tagger.pipeline.crash_isolation import CrashIsolation
from tagger.pipeline.health_check import HealthCheck
from tagger.pipeline.maintenance import Maintenance
from tagger.pipeline.predict_queue import PredictQueue
from tagger.pipeline.recent_events import RecentEvents
from tagger.pipeline.report import Report
from tagger.pipeline.sink import Sink
from tagger.pipeline.stage import Stage
from tagger.pipeline.stats import Counts, Stats
from tagger.pipeline.worker_status import WorkerStatus
from tagger.runtime import build
from tagger.runtime.signals import Signals
from tagger.store.core.database import Database
from tagger.store.queue import queries
from tagger.store.queue.file_queue import FileQueue
from tagger.store.queue.retention import Retention
from tagger.store.tags.moves import Moves
from tagger.store.tags.redate import Redate
from tagger.supervision import Supervisor
from tagger.vision.classify import Classifier
from tagger.vision.decode import SUFFIXES

log = logging.getLogger(__name__)

SCAN_PATIENCE, RUN_PATIENCE = 30.0, 300.0
"""Seconds that `scan` waits for a file that goes on changing; `run` waits as long as it takes, and says so after so many."""


class Worker:
    """Everything between the folders and the database; nothing runs until `working`."""

    _troubles: Mapping[str, str]

    def __init__(
        self,
        settings: Settings,
        database: Database,
        classifier: Classifier,
        signals: Signals,
        predict_queue: PredictQueue | None = None,
        once: bool = False,
    ) -> None:
        """With `once` the folders are scanned, and not watched."""
        self._database, self._signals, self._once, self.classifier = database, signals, once, classifier
        self.sources = sources = settings.with_names(queries.roots(database)).sources
        roots = {source.name: str(source.path) for source in sources}
        rules = {source.name: PathRules(source.path_pattern, source.timezone) for source in sources}
        filters, self.inbox = Filters(sources, SUFFIXES), Inbox()
        self.watch = Watch(sources, filters, self.inbox)
        writer = build.writer(settings, database, classifier, sources, rules, now)
        retention = Retention({source.name: source.keep_days for source in sources})
        self.queue = queue = FileQueue(database, roots, now, writer.registered, retention)
        settling = _settling(sources, once)
        redates = {name: Redate(database, name, rule, now) for name, rule in rules.items()}
        moves = Moves(queue, redates, {source.name: source.reach for source in sources})
        self._settler = Settler(self.inbox, settling, queue, moves)
        parts = (self.watch, settling, queue, redates, moves, settings.rescan, settings.poll)
        self.scanner = Scanner(sources, filters, self.inbox, *parts)
        self.claims, self.supervisor = Claims(queue, settings.limits.rate), Supervisor()
        self.stats, self.recent_events = Stats(roots), RecentEvents()
        self._report = Report(classifier.taxonomy, settings.search.min_score)
        self.labelling = build.labelling(settings, writer, classifier, sources, self.recent_events)
        self.teaching = build.teaching(settings, self.labelling, self.recent_events)
        sink = Sink(writer, self.stats, self.recent_events, self._report, self.inbox, self.claims)
        steps = build.steps(settings, classifier, sources, writer, sink.store)
        self._pipeline = build.pipeline(
            settings, self.claims, steps, classifier.engine.batching, self.stats, self.supervisor,
            signals.crashed, predict_queue,
        )  # fmt: skip
        self._isolation = CrashIsolation(queue, self.claims, build.runner(settings), steps.read)
        self.health_check = HealthCheck(sources, self.watch, self.inbox, queue, self.claims, self._isolation)
        self._maintenance = Maintenance(database, retention)
        self._check_at, self.hung, self._troubles = 0.0, "", {}

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run everything during the block.

        On leaving, what is in hand is finished, in the order of the way; after an error nothing is.
        """
        garbage.look_for_new()
        self._database.write_retry.give_up_at(math.inf)
        stages = [
            Stage(name, step, self.supervisor, self._signals.crashed) for name, step in self._steps().items()
        ]
        self._pipeline.start()
        for stage in stages:
            stage.start()
        yield
        deadline = time.monotonic() + build.STOP_WITHIN
        self._database.write_retry.give_up_at(deadline - build.STOP_WITHIN / 2)
        for part in (
            self.health_check, self.watch, self.inbox, self._maintenance, self.labelling, self.teaching,
            self._isolation, self.claims,
        ):  # fmt: skip
            part.close()
        ended = [*(stage.join(deadline) for stage in stages), self._pipeline.drain(deadline)]
        if not all(ended):
            log.warning("some files in hand were not finished in time; the next start tags them")
        if error := self._signals.failure:
            build.raise_error(error)

    def _steps(self) -> dict[str, Callable[[], None]]:
        """Return what runs besides the pipeline, by name."""
        always = {"settle": self._settler.step, "isolate": self._isolation.step}
        if self._once:
            return {"scan": self.scanner.once, "label": self.labelling.once, **always}
        watched = {"health-check": self.health_check.step, "scan": self.scanner.step}
        besides = {"maintain": self._maintenance.step, "teach": self.teaching.step}
        return {**watched, **besides, "label": self.labelling.step, **always}

    def stopped(self, within: float) -> int:
        """Return the signal that comes `within` so many seconds, else 0. Raises TaggerError where the work cannot go on."""
        reason = self._signals.wait(within)
        if isinstance(reason, BaseException):
            build.raise_error(reason)
        if time.monotonic() >= self._check_at:
            self._check_at = time.monotonic() + build.CHECK_EVERY
            self._check()
        return reason or 0

    def _check(self) -> None:
        """Look for what no thread would notice by itself."""
        self._database.check()
        self._compare_troubles(self.watch.troubles)
        self._report.look(max(0, self.counts().waiting - self.claims.in_flight))
        findings = self.supervisor.check()
        self.hung = findings.hung
        if findings.overdue:
            build.end_at_once(findings.overdue)

    def _compare_troubles(self, troubles: Mapping[str, str]) -> None:
        for source, trouble in troubles.items():
            if trouble != self._troubles.get(source, ""):
                self.recent_events.post("source", source=source, trouble=trouble)
        self._troubles = troubles

    def counts(self) -> Counts:
        """Return how many files were scanned, are new, were tagged and failed, since the start."""
        return self.stats.snapshot(self.scanner.scanned, self.queue.admitted)

    @property
    def is_finished(self) -> bool:
        """Return whether all that the only scan found has been dealt with.

        Asked in the order in which a file moves on, and once more where it may come back to: each part knows of a file before
        the one before it forgets it.
        """
        seen = self.inbox.seen
        done = self.inbox.is_finished and not self.queue.has_suspects and self.claims.is_done
        return done and self.inbox.seen == seen and self.labelling.is_done

    def unready(self) -> list[str]:
        """Return what is missing for pictures to be tagged; nothing, as a rule."""
        missing = [] if self.health_check.begun else ["the folders are not watched yet"]
        return missing + (["the database cannot be written"] if self._database.write_retry.is_waiting else [])

    def status(self) -> WorkerStatus:
        """Return how the work stands at this moment."""
        counts, troubles = self.counts(), self._troubles
        away = {name for name, trouble in troubles.items() if trouble} - self.watch.polled
        unsettled_for = self._settler.unsettled_for
        return WorkerStatus(
            troubles, self._pipeline.waiting, counts.tagged, counts.failed, away, unsettled_for
        )

    def summary(self) -> str:
        """Return the same in a line."""
        counts = self.counts()
        words = f"{counts.tagged} tagged, {counts.waiting} waiting, {counts.failed} failed since the start"
        paused = ["paused"] if self.claims.is_paused else []
        away = [f"{name}: {trouble}" for name, trouble in self._troubles.items() if trouble]
        return "; ".join([words, *paused, *self.unready(), *away])


def _settling(sources: Sequence[Source], once: bool) -> Settling:
    by_name = {source.name: source for source in sources}
    patience = SCAN_PATIENCE if once else RUN_PATIENCE
    times = {source.name: source.settle for source in sources}
    return Settling(times, partial(look_beneath, by_name), patience=patience, give_up=once)


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)
