"""`tagger run` and `tagger scan`: a worker on what was started for it, and an orderly end.

The main thread waits for a reason to stop; everything else happens in the stages' threads.
"""

import logging
import signal
from collections.abc import Callable

from tagger.config.settings import Settings
from tagger.host import garbage
from tagger.pipeline.predict_queue import PredictQueue
from tagger.pipeline.stats import Counts
from tagger.runtime import systemd
from tagger.runtime.build import CHECK_EVERY
from tagger.runtime.reload import Config, Reloads
from tagger.runtime.serving import serving
from tagger.runtime.signals import StoppedError
from tagger.runtime.start import Runtime, started
from tagger.runtime.worker import Worker
from tagger.wording.escape import shown

log = logging.getLogger(__name__)

WAITING = 64
"""Pictures that people may have handed in and wait for: a second's work, or little more."""

_INTERRUPTED = 130
"""The exit code of a scan that was stopped."""


def run(settings: Settings, reread: Callable[[], Settings], taken: Callable[[Settings], None]) -> None:
    """Watch and tag until SIGTERM or SIGINT. Raises TaggerError where it cannot start, or go on.

    SIGHUP has it work on by the settings that `reread` gives; `taken` is told them.
    """
    try:
        with started(settings, "run", signal.SIGHUP) as runtime:
            config, reloads = Config(runtime.settings, runtime.classifier), Reloads(runtime, reread)
            while other := _watch(config, runtime, reloads):
                config = other
                taken(config.settings)
                garbage.remove_all()  # what is over is garbage, and none of it is to stay for ever
    except StoppedError:
        log.info("stopped before it had begun; nothing was in hand")


def _watch(config: Config, runtime: Runtime, reloads: Reloads) -> Config | None:
    """Work until a signal; return None where it is one to stop, else the config to go on by."""
    runtime.signals.check()
    settings = config.settings
    predict_queue = PredictQueue(WAITING) if settings.web.enabled else None
    worker = Worker(settings, runtime.database, config.classifier, runtime.signals, predict_queue)
    worker.queue.start()
    with serving(settings, worker, predict_queue, runtime.standing) as address:
        for source in worker.sources:
            log.info("watching %s: %s", source.name, shown(str(source.start)))
        systemd.starting("the folders are watched")
        worker.claims.look()  # before any file is taken: a pause outlives a restart
        with worker.working():
            reloads.done(config, address)
            if other := _until_signal(worker, runtime, reloads, config):
                return other
            systemd.stopping()
            log.info("stopping; what is in hand is finished first")
    return None


def _until_signal(worker: Worker, runtime: Runtime, reloads: Reloads, config: Config) -> Config | None:
    status = systemd.SystemdStatus()
    while not (number := worker.stopped(CHECK_EVERY)) or number == signal.SIGHUP:
        status.tell(worker.health_check.begun, worker.hung, worker.summary())
        runtime.answers.tell_untold()
        if number and runtime.signals.hung_up:
            break
        if number and (other := reloads.reload(config)):
            return other
    return None


def scan(settings: Settings, progress: Callable[[Counts], None]) -> tuple[Counts, int]:
    """Tag what is new, once; return the counts and the exit code. Raises TaggerError where it cannot start, or go on.

    `progress` is told the counts ten times a second.
    """
    try:
        with started(settings, "scan") as runtime:
            return _scan(runtime, progress)
    except StoppedError:
        return Counts(), _INTERRUPTED


def _scan(runtime: Runtime, progress: Callable[[Counts], None]) -> tuple[Counts, int]:
    worker = Worker(runtime.settings, runtime.database, runtime.classifier, runtime.signals, once=True)
    worker.queue.start()
    with worker.working():
        interrupted = False
        while not (interrupted or worker.is_finished):
            progress(worker.counts())
            interrupted = bool(worker.stopped(0.1))
    away, counts = worker.scanner.away, worker.counts()
    for source in away:
        log.error("%s: no such folder, or it cannot be read: %s", source.name, shown(str(source.start)))
    progress(counts)
    return counts, _INTERRUPTED if interrupted else int(counts.failed > 0 or bool(away))
