"""`tagger run` and `tagger scan`: what they stand on, a worker on top, and an orderly end.

The main thread waits for a reason to stop; everything else happens in the stages' threads.
"""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from tagger.config import defaults
from tagger.config.folders import cache_home, data_home
from tagger.config.settings import Settings
from tagger.errors import ConfigError, TaggerError
from tagger.host import garbage
from tagger.host.priority import be_nice
from tagger.pipeline.predict_queue import PredictQueue
from tagger.pipeline.stats import Counts
from tagger.records import Standing
from tagger.runtime import model_choice, systemd
from tagger.runtime.build import CHECK_EVERY
from tagger.runtime.reload import Config, judged
from tagger.runtime.signals import Signals, StoppedError
from tagger.runtime.worker import Worker
from tagger.store.core.control import DaemonAnswer, DaemonAnswers
from tagger.store.core.database import Database
from tagger.store.core.earlier_release import has_uncalibrated_tags
from tagger.store.core.lock import lock
from tagger.store.tags.room import with_features_that_fit
from tagger.vision.classify import Classifier
from tagger.vision.load import adapted
from tagger.vision.memory import give_back_what_is_freed
from tagger.wording.escape import shown

log = logging.getLogger(__name__)

WAITING = 64
"""Pictures that people may have handed in and wait for: a second's work, or little more."""

SERVED_WITHIN = 3.0
"""Seconds that whoever is being served over the web has when Tagger stops."""

_INTERRUPTED = 130
"""The exit code of a scan that was stopped."""


def run(settings: Settings, reread: Callable[[], Settings], taken: Callable[[Settings], None]) -> None:
    """Watch and tags until SIGTERM or SIGINT. Raises TaggerError where it cannot start, or go on.

    SIGHUP has it work on by the settings that `reread` gives; `taken` is told them.
    """
    try:
        with _ground(settings, "run", signal.SIGHUP) as ground:
            config = Config(ground.settings, ground.classifier)
            while other := _watch(config, ground, reread):
                config = other
                taken(config.settings)
                garbage.remove_all()  # what is over is garbage, and none of it is to stay for ever
    except StoppedError:
        log.info("stopped before it had begun; nothing was in hand")


def _watch(config: Config, ground: "Runtime", reread: Callable[[], Settings]) -> Config | None:
    """Work until a signal: None where it is one to stop, else by what to go on."""
    ground.stops.check()
    settings = config.settings
    predict_queue = PredictQueue(WAITING) if settings.web.enabled else None
    worker = Worker(settings, ground.database, config.classifier, ground.stops, predict_queue)
    with _serving(settings, worker, predict_queue, ground.standing) as address:
        for source in worker.sources:
            log.info("watching %s: %s", source.name, shown(str(source.start)))
        systemd.starting("the folders are watched")
        worker.claims.look()  # before any file is taken: a pause outlives a restart
        with worker.working():
            ground.answer(config, address)
            tidings = systemd.SystemdStatus()
            while not (number := worker.stopped(CHECK_EVERY)) or number == signal.SIGHUP:
                tidings.tell(worker.health_check.begun, worker.hung, worker.summary())
                ground.answers.tell_untold()
                if number and ground.stops.hung_up:
                    break
                if number and (other := ground.reloaded(config, reread)):
                    return other
            systemd.stopping()
            log.info("stopping; what is in hand is finished first")
    return None


@contextmanager
def _serving(
    settings: Settings, worker: Worker, predict_queue: PredictQueue | None, standing: Standing
) -> Iterator[str]:
    """Yield the address of the web; empty where it is not wanted. It ends last, so that those who wait are told that nobody answers."""
    if predict_queue is None:
        yield ""
        return
    from tagger.web import token
    from tagger.web.app import create_app
    from tagger.web.context import TaggerContext
    from tagger.web.server import Server
    from tagger.web.thumbnails import Thumbnails

    token.ensure(settings.web)
    with closing(Database.open(settings.database, create=False)) as database:
        classifier = worker.classifier
        thumbnails = Thumbnails(cache_home() / "thumbnails", settings.decode)
        context = TaggerContext(
            database=database,
            min_score=settings.search.min_score,
            top_k=classifier.top_k,
            thumbnails=thumbnails,
            standing=standing,
            predict_queue=predict_queue,
            model=classifier.identity,
            taxonomy=classifier.taxonomy,
            conditions=settings.conditions,
            stats=worker.stats,
            worker_status=worker.status,
            recent_events=worker.recent_events,
            unready=worker.unready,
        )
        server = Server(settings.web, create_app(settings.web, context))
        server.start()
        try:
            yield server.address
        finally:
            thumbnails.close()
            server.close(SERVED_WITHIN)


def scan(settings: Settings, progress: Callable[[Counts], None]) -> tuple[Counts, int]:
    """Tag once what is new; gives the tally and the exit code. Raises TaggerError where it cannot start, or go on.

    `progress` is told the tally ten times a second.
    """
    try:
        with _ground(settings, "scan") as ground:
            return _scan(ground, progress)
    except StoppedError:
        return Counts(), _INTERRUPTED


def _scan(ground: "Runtime", progress: Callable[[Counts], None]) -> tuple[Counts, int]:
    worker = Worker(ground.settings, ground.database, ground.classifier, ground.stops, once=True)
    with worker.working():
        interrupted = False
        while not (interrupted or worker.is_finished):
            progress(worker.counts())
            interrupted = bool(worker.stopped(0.1))
    for source in worker.scanner.away:
        log.error("%s: no such folder, or it cannot be read: %s", source.name, shown(str(source.start)))
    tally = worker.counts()
    progress(tally)
    return tally, _INTERRUPTED if interrupted else int(tally.failed > 0 or bool(worker.scanner.away))


@dataclass
class Runtime:
    """What stays, whatever is built on it. `reloads` were asked for so far; `web` is where it answers over HTTP."""

    settings: Settings
    database: Database
    classifier: Classifier
    standing: Standing
    stops: Signals
    answers: DaemonAnswers
    reloads: int = 0
    web: str = ""

    def reloaded(self, config: Config, reread: Callable[[], Settings]) -> Config | None:
        """Return what the config says now; None where it cannot be taken, and all goes on as before."""
        self.reloads += 1
        systemd.say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            other = judged(config, reread(), self.settings, self.database)
        except TaggerError as error:
            log.error("the config is not taken, and the one before goes on: %s", error)
            self.answers.tell(DaemonAnswer(self.web, self.reloads, refused=str(error)))
            systemd.say("READY=1")
            return None
        if not be_nice(other.settings.limits.nice):
            other = replace(other, restart=(*other.restart, "limits.nice"))
        log.info("config reloaded: %s", other.words)
        return other

    def answer(self, config: Config, web: str) -> None:
        """Tell whoever asked for this config that all works by it, and whoever asks where the web is."""
        self.web = web
        self.answers.tell(DaemonAnswer(web, self.reloads, config.changed, config.restart))


@contextmanager
def _ground(settings: Settings, command: str, *signals: int) -> Iterator[Runtime]:
    """`signals` are heard besides those to stop."""
    if not settings.sources:
        raise ConfigError("sources", "no folder to work on", f"name one: tagger {command} FOLDER")
    stops = Signals()
    # Before anything that takes seconds: a stop in the meantime is an orderly one too.
    stops.listen((signal.SIGTERM, signal.SIGINT, *signals))
    _tell_what_an_earlier_release_left(settings)
    give_back_what_is_freed()
    if not be_nice(settings.limits.nice):
        log.warning("limits.nice: the system refuses it; where a service manager runs Tagger, set it there")
    with closing(stops), lock(settings.database, command) as who:
        systemd.starting("the database is opened")
        database = Database.open(settings.database, create=True, sleep=stops.rest)
        try:
            stops.check()
            for warning in database.warnings():
                log.warning("%s", warning)
            systemd.starting("the model is loaded")
            settled, classifier = model_choice.loaded(settings, database, data_home(), cache_home())
            stops.check()
            stands = model_choice.standing(settings, database, data_home())
            log.info("model: %s, because %s", classifier.description, stands.why)
            if stands.other:
                log.info("another model: %s", stands.other)
            fitting = with_features_that_fit(settled, database, classifier.identity)
            if fitting.features != settled.features:
                classifier = adapted(classifier, fitting)
            yield Runtime(fitting, database, classifier, stands, stops, DaemonAnswers(database, who))
        finally:
            database.close()


def _tell_what_an_earlier_release_left(settings: Settings) -> None:
    """In keys of the config: old defaults, and thresholds from before scores were calibrated."""
    if old := defaults.told(settings.pinned):
        log.info("old defaults are kept: %s; what is left out follows the default", old)
    if settings.thresholds and has_uncalibrated_tags(settings.database):
        log.info("thresholds: scores mean something else since 0.2.0; tagger calibrate suggests new ones")
