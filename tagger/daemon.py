"""The composition root: builds the road for `run`, `scan` and `tag`, and ends it.

The main thread waits for a reason to stop; everything else happens in the stages' threads.
"""

import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from tagger.config import Settings, cache_home, data_home
from tagger.errors import ConfigError, TaggerError
from tagger.ingest.filters import Filters
from tagger.ingest.settle import Settling
from tagger.ingest.watch import Watch
from tagger.pipeline.channel import Channel
from tagger.pipeline.intake import Intake, Tally
from tagger.pipeline.pipeline import Pipeline, Steps, Supply
from tagger.pipeline.report import Report
from tagger.pipeline.scanner import Scanner
from tagger.pipeline.stage import Stage
from tagger.records import Outcome, Stamp, shown
from tagger.stops import Stops
from tagger.store import queries
from tagger.store.database import Database
from tagger.store.journal import Journal
from tagger.store.lock import lock
from tagger.store.writer import Writer
from tagger.vision import cores
from tagger.vision.budget import PixelBudget
from tagger.vision.classify import Classifier
from tagger.vision.decode import SUFFIXES, Decoder, read
from tagger.vision.engines import Batching
from tagger.vision.load import load_classifier
from tagger.vision.memory import give_back_what_is_freed

log = logging.getLogger(__name__)

STOP_WITHIN = 9.0
"""Seconds that a stop may take: a second less than users were promised."""

SCAN_PATIENCE = 30.0
"""Seconds that `scan` waits for a file that goes on changing; `run` waits as long as it takes."""


class Worker:
    """Everything between the folders and the database, wired; nothing runs until `working`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        classifier: Classifier,
        hold: Callable[[Mapping[str, float]], Settling],
        stops: Stops,
    ) -> None:
        """`hold` makes what holds files until they are still, from each source's settling time."""
        self.sources = settings.with_names(queries.roots(database)).sources
        roots = {source.name: str(source.path) for source in self.sources}
        settling = hold({source.name: source.settle for source in self.sources})
        filters = Filters(self.sources, SUFFIXES)
        journal = Journal(database, roots, _now)
        self._writer = Writer(database, classifier.identity, classifier.labels, classifier.description, _now)
        self.intake = Intake(journal, settling, lambda folder: self.scanner.seen(folder))
        self.watch = Watch(self.sources, filters, self.intake.see)
        self.scanner = Scanner(self.sources, filters, self.intake, settings.rescan, self.watch.arm)
        self._report = Report(lambda: self.intake.in_flight)
        self._stops = stops
        is_known = partial(journal.knows, classifier.identity)
        steps = _steps(settings, classifier, is_known, self._store)
        self._pipeline = _pipeline(
            settings, self.intake, steps, classifier.engine.batching, self._stops.crashed
        )

    @contextmanager
    def working(self, scan: Callable[[], None]) -> Iterator[Stops]:
        """Everything runs inside this block; `scan` is the scanner's step. Gives the reasons to stop.

        On leaving, what is in hand is finished, in the order of the road; after an error nothing is.
        """
        _collect_what_comes()
        scanning = Stage("scan", scan, self._stops.crashed)
        settling = Stage("intake", self.intake.step, self._stops.crashed)
        for part in (self._pipeline, settling, scanning):
            part.start()
        yield self._stops
        deadline = time.monotonic() + STOP_WITHIN
        self.watch.close()
        self.scanner.close()
        self.intake.close()
        ended = [scanning.join(deadline), settling.join(deadline), self._pipeline.drain(deadline)]
        if not all(ended):
            log.warning("some files in hand were not finished in time; the next start tags them")

    def _store(self, outcomes: Sequence[Outcome]) -> None:
        self._writer.write(outcomes)
        self.intake.done(outcomes)
        self._report.stored(outcomes)


def run(settings: Settings) -> None:
    """Watches and tags until SIGTERM or SIGINT. Raises TaggerError where it cannot start."""
    with _worker(settings, "run", Settling) as worker, worker.working(worker.scanner.step) as stops:
        for source in worker.sources:
            log.info("watching %s: %s", source.name, shown(str(source.start)))
        _raise_error(stops.wait())
        log.info("stopping; what is in hand is finished first")


def scan(settings: Settings, progress: Callable[[Tally], None]) -> tuple[Tally, int]:
    """Tags once what is new; gives the tally and the exit code. Raises TaggerError where it cannot start.

    `progress` is told the tally ten times a second.
    """
    hold = partial(Settling, patience=SCAN_PATIENCE, give_up=True)
    with _worker(settings, "scan", hold) as worker:
        with worker.working(worker.scanner.once) as stops:
            interrupted = _await_finish(worker.intake, stops, progress)
        for source in worker.scanner.away:
            log.error("%s: no such folder, or it cannot be read: %s", source.name, shown(str(source.start)))
        tally = worker.intake.tally
        progress(tally)
        return tally, 130 if interrupted else int(tally.failed > 0 or bool(worker.scanner.away))


def tag(settings: Settings, files: Sequence[Path]) -> Iterator[tuple[Path, Outcome]]:
    """What the model says of each file, in the order given; no database. Raises TaggerError."""
    give_back_what_is_freed()
    classifier = load_classifier(settings, data_home(), cache_home())
    stamps = [_stamp(file) for file in files]
    supply: Channel[Stamp] = Channel(len(stamps))
    for stamp in stamps:
        supply.put(stamp)
    supply.close()
    arrivals: SimpleQueue[BaseException | Sequence[Outcome]] = SimpleQueue()
    steps = _steps(settings, classifier, lambda _: False, arrivals.put)
    pipeline = _pipeline(settings, supply, steps, classifier.engine.batching, arrivals.put)
    _collect_what_comes()
    pipeline.start()
    yield from zip(files, _in_order(stamps, arrivals), strict=True)
    pipeline.drain(time.monotonic() + STOP_WITHIN)


@contextmanager
def _worker(
    settings: Settings, command: str, hold: Callable[[Mapping[str, float]], Settling]
) -> Iterator[Worker]:
    if not settings.sources:
        raise ConfigError("sources", "no folder to work on", f"name one: tagger {command} FOLDER")
    give_back_what_is_freed()
    stops = Stops()
    # Before the model is loaded, which takes seconds: a stop in the meantime is an orderly one too.
    stops.listen((signal.SIGTERM, signal.SIGINT))
    with lock(settings.database, command):
        database = Database.open(settings.database, create=True)
        try:
            classifier = load_classifier(settings, data_home(), cache_home())
            log.info("model: %s", classifier.description)
            yield Worker(settings, database, classifier, hold, stops)
        finally:
            database.close()


def _steps(
    settings: Settings,
    classifier: Classifier,
    is_known: Callable[[str], bool],
    sink: Callable[[Sequence[Outcome]], None],
) -> Steps:
    decoder = Decoder(
        classifier.preprocessing, settings.decode.max_pixels, PixelBudget(), settings.decode.mode
    )
    reader = partial(read, max_bytes=settings.decode.max_bytes)
    return Steps(reader, is_known, decoder.decode, classifier.classify, sink)


def _pipeline(
    settings: Settings,
    supply: Supply,
    steps: Steps,
    batching: Batching,
    crashed: Callable[[BaseException], None],
) -> Pipeline:
    threads, max_size, max_wait_ms = (
        settings.decode.threads,
        settings.batch.max_size,
        settings.batch.max_wait_ms,
    )
    decoders = cores.available() if threads == "auto" else threads
    largest = batching.max_size if max_size == "auto" else max_size
    wait = batching.max_wait_ms if max_wait_ms == "auto" else max_wait_ms
    return Pipeline(supply, steps, largest, wait / 1000, decoders, batching.at_once, crashed)


def _await_finish(intake: Intake, stops: Stops, progress: Callable[[Tally], None]) -> bool:
    """Whether a signal came before all was done."""
    while not intake.finished:
        progress(intake.tally)
        if reason := stops.wait(timeout=0.1):
            _raise_error(reason)
            return True
    return False


def _collect_what_comes() -> None:
    """The garbage collector is on from here, but leaves alone what is there already: it is code and the model, and
    to go through it takes a tenth of a second each time, during which nothing else runs.
    """
    gc.freeze()
    gc.enable()


def _raise_error(reason: BaseException | int | None) -> None:
    if isinstance(reason, BaseException):
        raise TaggerError("stopped by an error", str(reason), "the log above says where") from reason


def _stamp(file: Path) -> Stamp:
    """The file as it is now; one that is not there gets an empty stamp, and `read` finds it gone."""
    path = Path(os.path.realpath(file))  # which, unlike Path.resolve, takes a loop of links for what it is
    try:
        return Stamp.of(str(path), "", path.stat())
    except OSError:
        return Stamp(str(path), "", 0, 0, 0)


def _in_order(
    stamps: Sequence[Stamp], arrivals: SimpleQueue[BaseException | Sequence[Outcome]]
) -> Iterator[Outcome]:
    arrived: dict[Stamp, Outcome] = {}
    for stamp in stamps:
        while stamp not in arrived:
            outcomes = arrivals.get()
            if isinstance(outcomes, BaseException):
                _raise_error(outcomes)
            else:
                arrived |= {outcome.stamp: outcome for outcome in outcomes}
        yield arrived[stamp]


def _now() -> datetime:
    return datetime.now(UTC)
