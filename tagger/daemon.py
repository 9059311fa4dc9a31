"""The composition root: builds the road for `run`, `scan` and `tag`, and ends it.

The main thread waits for a reason to stop; everything else happens in the stages' threads.
"""

import gc
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NoReturn

from tagger import notify
from tagger.config import Crop, Settings, cache_home, data_home, environment
from tagger.errors import ConfigError, TaggerError
from tagger.ingest.filters import Filters
from tagger.ingest.settle import Settling
from tagger.ingest.watch import Watch
from tagger.pipeline.bulletin import Bulletin
from tagger.pipeline.care import Care
from tagger.pipeline.channel import Channel
from tagger.pipeline.desk import Desk
from tagger.pipeline.intake import Intake, Tally
from tagger.pipeline.meters import Meters
from tagger.pipeline.overdue import Overdue
from tagger.pipeline.patrol import Patrol
from tagger.pipeline.pipeline import Pipeline, Steps, Supply
from tagger.pipeline.report import Report
from tagger.pipeline.retention import Retention
from tagger.pipeline.scanner import Scanner
from tagger.pipeline.stage import Stage
from tagger.pipeline.trial import TOO_LATE, Court, Trial
from tagger.pipeline.vitals import Vitals
from tagger.place import Place
from tagger.priority import be_nice
from tagger.progress import Supervisor
from tagger.records import Failed, ModelIdentity, Outcome, Stamp, shown
from tagger.reload import Config, judged
from tagger.stops import Stops
from tagger.store import queries
from tagger.store.database import Database
from tagger.store.journal import Journal
from tagger.store.lock import Held, lock
from tagger.store.writer import Writer
from tagger.vision import cores
from tagger.vision.budget import PixelBudget
from tagger.vision.classify import Classifier
from tagger.vision.decode import SUFFIXES, Decoder, read
from tagger.vision.engines import Batching
from tagger.vision.load import load_classifier
from tagger.vision.memory import give_back_what_is_freed

log = logging.getLogger(__name__)

Arrivals = SimpleQueue[BaseException | Sequence[Outcome]]

STOP_WITHIN = 9.0
"""Seconds that a stop may take: a second less than users were promised."""

LOAD_WITHIN = 60
"""Seconds that loading a model may take, converting it included."""

LOOK_EVERY = 1.0
"""Seconds between two looks at what no thread would notice by itself."""

STILL_FOR = 20
"""Seconds that a stage may neither advance nor be excused; with the unit's WatchdogSec, a hang ends within a minute."""

WAITING = 64
"""Pictures that people may have handed in and wait for: a second's work, or little more."""

SERVED_WITHIN = 3.0
"""Seconds that whoever is being served over the web has when Tagger stops."""

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
        desk: Desk | None = None,
    ) -> None:
        """`hold` makes what holds files until they are still, from each source's settling time."""
        self.sources = settings.with_names(queries.roots(database)).sources
        roots = {source.name: str(source.path) for source in self.sources}
        crops = {source.name: source.crop for source in self.sources}
        places = {source.name: Place(source.path_pattern, source.timezone) for source in self.sources}
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
        journal = Journal(database, roots, _now, registered, places)
        settling = hold({source.name: source.settle for source in self.sources})
        retention = Retention({source.name: source.keep_days for source in self.sources})
        self.intake = Intake(
            journal,
            settling,
            lambda folder: self.scanner.seen(folder),
            rate=settings.limits.rate,
            retention=retention,
        )
        self.care = Care(database, retention)
        self.watch = Watch(self.sources, filters, self.intake.see, lambda: self.scanner.hurry())
        self.scanner = Scanner(
            self.sources,
            filters,
            self.intake,
            journal,
            settings.rescan,
            settings.poll,
            lambda: self.watch.polled,
        )
        self.meters = Meters(roots)
        self._report = Report(lambda: self.intake.in_flight, self._depths)
        self.classifier, self.bulletin = classifier, Bulletin()
        self._troubles: Mapping[str, str] = {}
        self._database, self._stops, self._look_at = database, stops, 0.0
        self.supervisor, self.hung = Supervisor((), 0), ""
        steps = _steps(settings, classifier, crops, registered.model_of, self._writer.knows, self._store)
        steps, self._write = _measured(steps, self.meters), self.meters.commit.timing(self._writer.write)
        self._trial = Trial(self.intake, _court(settings), steps.read)
        self.patrol = Patrol(self.sources, self.watch, self.scanner, self.intake, self._trial)
        self._overdue = Overdue(int(settings.decode.deadline / LOOK_EVERY))
        batching = classifier.engine.batching
        self._pipeline = _pipeline(settings, self.intake, steps, batching, self._overdue, stops.crashed, desk)

    def unready(self) -> list[str]:
        """What is missing for pictures to be tagged; nothing, as a rule."""
        missing = [] if self.patrol.begun else ["the folders are not watched yet"]
        return missing + (["the database cannot be written"] if self._database.patience.tried else [])

    def vitals(self) -> Vitals:
        tally, troubles = self.intake.tally, self._troubles
        away = {name for name, trouble in troubles.items() if trouble} - self.watch.polled
        counts = (tally.tagged, tally.failed)
        return Vitals(troubles, self._pipeline.waiting, *counts, away, self.intake.unsettled_for)

    def _depths(self) -> dict[str, int]:
        tally = self.intake.tally
        return {
            "waiting": max(0, tally.new - tally.tagged - tally.failed - self.intake.in_flight),
            "in hand": self.intake.in_flight,
            **self._pipeline.waiting,
        }

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
        _collect_what_comes()
        self._database.patience.end(math.inf)
        steps = {**dict(sights), "intake": self.intake.step, "trial": self._trial.step}
        stages = [Stage(name, step, self._stops.crashed) for name, step in steps.items()]
        pulses = [pulse for stage in (*stages, *self._pipeline.stages) for pulse in stage.pulses]
        self.supervisor = Supervisor(pulses, int(STILL_FOR / LOOK_EVERY))
        self._pipeline.start()
        for stage in stages:
            stage.start()
        yield
        deadline = time.monotonic() + STOP_WITHIN
        self._database.patience.end(deadline - STOP_WITHIN / 2)
        for part in (self.patrol, self.watch, self.scanner, self.care, self._trial, self.intake):
            part.close()
        ended = [*(stage.join(deadline) for stage in stages), self._pipeline.drain(deadline)]
        if not all(ended):
            log.warning("some files in hand were not finished in time; the next start tags them")
        if error := self._stops.failure:
            _raise_error(error)

    def stopped(self, within: float) -> int:
        """The signal that comes `within` so many seconds, else 0. Raises TaggerError where the work cannot go on."""
        reason = self._stops.wait(within)
        if isinstance(reason, BaseException):
            _raise_error(reason)
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_EVERY
            self._look()
        return reason or 0

    def _look(self) -> None:
        """What no thread would notice by itself."""
        self._database.check()
        self._compare_troubles(self.watch.troubles)
        self._report.look()
        self.hung = self.supervisor.look()
        if late := self._overdue.look():
            _end_at_once(late)

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


def run(settings: Settings, reread: Callable[[], Settings], taken: Callable[[Settings], None]) -> None:
    """Watches and tags until SIGTERM or SIGINT. Raises TaggerError where it cannot start, or go on.

    SIGHUP has it work on by the settings that `reread` gives; `taken` is told them.
    """
    with _ground(settings, "run", signal.SIGHUP) as ground:
        config = Config(settings, ground.classifier)
        while other := _watch(config, ground, reread):
            config = other
            taken(config.settings)
            gc.unfreeze()  # what is over is garbage, and none of it is to stay for ever
            gc.collect()


def _watch(config: Config, ground: "_Ground", reread: Callable[[], Settings]) -> Config | None:
    """Works until a signal: None where it is one to stop, else by what to go on."""
    settings = config.settings
    desk = Desk(WAITING) if settings.web.enabled else None
    worker = Worker(settings, ground.database, config.classifier, Settling, ground.stops, desk)
    with _serving(settings, worker, desk):
        for source in worker.sources:
            log.info("watching %s: %s", source.name, shown(str(source.start)))
        notify.starting("the folders are watched")
        worker.intake.look()  # before any file is taken: a pause outlives a restart
        sights = (("patrol", worker.patrol.step), ("scan", worker.scanner.step), ("care", worker.care.step))
        with worker.working(*sights):
            ground.answer(config)
            tidings = notify.Tidings()
            while not (number := worker.stopped(LOOK_EVERY)) or number == signal.SIGHUP:
                tidings.tell(worker.patrol.begun, worker.hung, worker.summary())
                if number and ground.stops.hung_up:
                    break
                if number and (other := ground.reloaded(config, reread)):
                    return other
            notify.stopping()
            log.info("stopping; what is in hand is finished first")
    return None


@contextmanager
def _serving(settings: Settings, worker: Worker, desk: Desk | None) -> Iterator[None]:
    """The web, where it is wanted. It ends last, so that those who wait at the desk are told that nobody answers."""
    if desk is None:
        yield
        return
    from tagger.web import token
    from tagger.web.app import create_app
    from tagger.web.house import House
    from tagger.web.server import Server
    from tagger.web.thumbnails import Thumbnails

    token.ensure(settings.web)
    with closing(Database.open(settings.database, create=False)) as database:
        classifier = worker.classifier
        thumbnails = Thumbnails(cache_home() / "thumbnails", settings.decode)
        house = House(
            database, settings.search.min_score, classifier.top_k, classifier.taxonomy, worker.unready,
            desk, classifier.identity, worker.bulletin, worker.vitals, thumbnails, worker.meters,
        )  # fmt: skip
        server = Server(settings.web, create_app(settings.web, house))
        server.start()
        try:
            yield
        finally:
            thumbnails.close()
            server.close(SERVED_WITHIN)


def scan(settings: Settings, progress: Callable[[Tally], None]) -> tuple[Tally, int]:
    """Tags once what is new; gives the tally and the exit code. Raises TaggerError where it cannot start, or go on.

    `progress` is told the tally ten times a second.
    """
    hold = partial(Settling, patience=SCAN_PATIENCE, give_up=True)
    with _ground(settings, "scan") as ground:
        worker = Worker(settings, ground.database, ground.classifier, hold, ground.stops)
        with worker.working(("scan", worker.scanner.once)):
            interrupted = False
            while not (interrupted or worker.intake.finished):
                progress(worker.intake.tally)
                interrupted = bool(worker.stopped(0.1))
        for source in worker.scanner.away:
            log.error("%s: no such folder, or it cannot be read: %s", source.name, shown(str(source.start)))
        tally = worker.intake.tally
        progress(tally)
        return tally, 130 if interrupted else int(tally.failed > 0 or bool(worker.scanner.away))


def tag(
    settings: Settings, files: Sequence[Path], crop: Crop | None = None
) -> Iterator[tuple[Path, Outcome]]:
    """What the model says of each file, in the order given; no database. Raises TaggerError.

    A file is cropped as its source's are, or as `crop` says.
    """
    give_back_what_is_freed()
    yield from _tagged(settings, load_classifier(settings, data_home(), cache_home()), files, crop)


def look(settings: Settings, file: Path) -> tuple[ModelIdentity, Outcome]:
    """Which model looks at a file, and what it says of it, features included. Raises TaggerError."""
    wanted = settings.model_copy(update={"features": True})
    classifier = load_classifier(wanted, data_home(), cache_home())
    [(_, outcome)] = _tagged(settings, classifier, [file])
    return classifier.identity, outcome


def _tagged(
    settings: Settings, classifier: Classifier, files: Sequence[Path], crop: Crop | None = None
) -> Iterator[tuple[Path, Outcome]]:
    sources = () if crop else settings.sources
    crops = {"": crop or classifier.preprocessing.frame} | {source.name: source.crop for source in sources}
    filters = Filters(sources, SUFFIXES)
    stamps = [_stamp(file, filters) for file in files]
    supply: Channel[Stamp] = Channel(len(stamps))
    for stamp in stamps:
        supply.put(stamp)
    supply.close()
    arrivals: Arrivals = SimpleQueue()
    steps = _steps(settings, classifier, crops, lambda _: None, lambda *_: False, arrivals.put)
    overdue = Overdue(int(settings.decode.deadline / LOOK_EVERY))
    pipeline = _pipeline(settings, supply, steps, classifier.engine.batching, overdue, arrivals.put)
    _collect_what_comes()
    pipeline.start()
    yield from zip(files, _in_order(stamps, arrivals, overdue), strict=True)
    pipeline.drain(time.monotonic() + STOP_WITHIN)


@dataclass
class _Ground:
    """What stays, whatever is built on it. `reloads` were asked for so far."""

    settings: Settings
    database: Database
    classifier: Classifier
    stops: Stops
    held: Held
    reloads: int = 0

    def reloaded(self, config: Config, reread: Callable[[], Settings]) -> Config | None:
        """What the config says now; None where it cannot be taken, and all goes on as before."""
        self.reloads += 1
        notify.say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            other = judged(config, reread(), self.settings, self.database)
        except TaggerError as error:
            log.error("the config is not taken, and the one before goes on: %s", error)
            self.held.answer({"reload": self.reloads, "refused": str(error)})
            notify.say("READY=1")
            return None
        if not be_nice(other.settings.limits.nice):
            other = replace(other, restart=(*other.restart, "limits.nice"))
        log.info("the config is taken: %s", other.words)
        return other

    def answer(self, config: Config) -> None:
        """To whoever asked for this config, now that all works by it."""
        if self.reloads:
            self.held.answer({"reload": self.reloads, "changed": config.changed, "restart": config.restart})


@contextmanager
def _ground(settings: Settings, command: str, *signals: int) -> Iterator[_Ground]:
    """`signals` are heard besides those to stop."""
    if not settings.sources:
        raise ConfigError("sources", "no folder to work on", f"name one: tagger {command} FOLDER")
    give_back_what_is_freed()
    stops = Stops()
    # Before the model is loaded, which takes seconds: a stop in the meantime is an orderly one too.
    stops.listen((signal.SIGTERM, signal.SIGINT, *signals))
    if not be_nice(settings.limits.nice):
        log.warning("limits.nice: the system refuses it; where a service manager runs Tagger, set it there")
    with closing(stops), lock(settings.database, command) as held:
        notify.starting("the database is opened")
        database = Database.open(settings.database, create=True)
        try:
            for hazard in database.hazards():
                log.warning("%s", hazard)
            notify.starting("the model is loaded")
            classifier = load_classifier(settings, data_home(), cache_home())
            log.info("model: %s", classifier.description)
            yield _Ground(settings, database, classifier, stops, held)
        finally:
            database.close()


def _steps(
    settings: Settings,
    classifier: Classifier,
    crops: Mapping[str, Crop],
    model_of: Callable[[str], Hashable],
    is_known: Callable[[str, str], bool],
    sink: Callable[[Sequence[Outcome]], None],
) -> Steps:
    limits = settings.decode
    decoder = Decoder(
        classifier.preprocessing,
        limits.max_pixels,
        PixelBudget(),
        limits.mode,
        max_frames=limits.max_frames,
        max_memory=limits.max_memory,
        crops=crops,
    )
    reader = partial(read, max_bytes=limits.max_bytes)
    return Steps(reader, model_of, is_known, decoder.decode, classifier.classify, sink)


def _measured(steps: Steps, meters: Meters) -> Steps:
    decode, classify = meters.decode.timing(steps.decode), meters.classifying(steps.classify)
    return replace(steps, decode=decode, classify=classify)


def _court(settings: Settings) -> Court:
    """`tagger tag` with these settings. It ends by itself past the deadline; if it cannot, the kernel ends it."""
    seconds = int(settings.decode.deadline) + LOAD_WITHIN
    command = f"import signal; signal.alarm({seconds}); from tagger.cli import main; main()"
    nothing = {key: value for key, value in os.environ.items() if key != "TAGGER_CONFIG"}
    return Court(
        (sys.executable, "-c", command, "tag", "--config", os.devnull), nothing | environment(settings)
    )


def _pipeline(
    settings: Settings,
    supply: Supply,
    steps: Steps,
    batching: Batching,
    overdue: Overdue,
    crashed: Callable[[BaseException], None],
    desk: Desk | None = None,
) -> Pipeline:
    threads, max_size, max_wait_ms = (
        settings.decode.threads,
        settings.batch.max_size,
        settings.batch.max_wait_ms,
    )
    most = settings.limits.cores
    wanted = cores.available() if threads == "auto" else threads
    decoders = wanted if most == "auto" else min(wanted, most)
    inferrers = min(batching.at_once, cores.allowed(most))
    largest = batching.max_size if max_size == "auto" else max_size
    wait = batching.max_wait_ms if max_wait_ms == "auto" else max_wait_ms
    return Pipeline(supply, steps, largest, wait / 1000, decoders, inferrers, overdue, crashed, desk)


def _limits(settings: Settings) -> dict[str, float]:
    """What views compare with, by section and key."""
    sections = {"health": settings.health, "sessions": settings.sessions}
    return {
        f"{section}.{name}": value
        for section, values in sections.items()
        for name, value in values.model_dump().items()
    }


def _collect_what_comes() -> None:
    """The garbage collector is on from here, but leaves alone what is there already: it is code and the model, and
    to go through it takes a tenth of a second each time, during which nothing else runs.
    """
    gc.freeze()
    gc.enable()


def _raise_error(reason: BaseException) -> NoReturn:
    if isinstance(reason, TaggerError):
        raise reason
    raise TaggerError("stopped by an error", str(reason), "the log above says where") from reason


def _end_at_once(late: str) -> NoReturn:
    """A thread that hangs in a library can neither be stopped nor, perhaps, outlived: exit handlers may wait for it."""
    log.error(
        "%s takes longer than decode.deadline allows; Tagger ends, and its next start tries it alone", late
    )
    logging.shutdown()
    os._exit(TOO_LATE)


def _stamp(file: Path, filters: Filters) -> Stamp:
    """The file as it is now; one that is not there gets an empty stamp, and `read` finds it gone."""
    owner = filters.owner(os.path.abspath(file))
    source = owner.name if owner else ""
    path = Path(os.path.realpath(file))  # which, unlike Path.resolve, takes a loop of links for what it is
    try:
        return Stamp.of(str(path), source, path.stat())
    except OSError:
        return Stamp(str(path), source, 0, 0, 0)


def _in_order(stamps: Sequence[Stamp], arrivals: Arrivals, overdue: Overdue) -> Iterator[Outcome]:
    arrived: dict[Stamp, Outcome] = {}
    for stamp in stamps:
        while stamp not in arrived:
            arrived |= {outcome.stamp: outcome for outcome in _arrivals(arrivals, overdue)}
        yield arrived[stamp]


def _arrivals(arrivals: Arrivals, overdue: Overdue) -> Sequence[Outcome]:
    try:
        outcomes = arrivals.get(timeout=LOOK_EVERY)
    except Empty:
        if late := overdue.look():
            _end_at_once(late)
        return ()
    if isinstance(outcomes, BaseException):
        _raise_error(outcomes)
    return outcomes


def _now() -> datetime:
    return datetime.now(UTC)
