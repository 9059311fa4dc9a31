"""What a command that tags folders needs before it works: signals, the lock, the database and the model, in this order."""

import logging
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from tagger.config import defaults
from tagger.config.folders import cache_home, data_home
from tagger.config.settings import Settings
from tagger.errors import ConfigError
from tagger.host.priority import be_nice
from tagger.records import Standing
from tagger.runtime import model_choice, systemd
from tagger.runtime.signals import Signals
from tagger.store.core.control import DaemonAnswers
from tagger.store.core.database import Database
from tagger.store.core.earlier_release import has_uncalibrated_tags
from tagger.store.core.lock import lock
from tagger.store.tags.room import with_features_that_fit
from tagger.vision.classify import Classifier
from tagger.vision.load import adapted
from tagger.vision.memory import give_back_what_is_freed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runtime:
    """What stays open as long as the command runs, whatever config it works by."""

    settings: Settings
    database: Database
    classifier: Classifier
    standing: Standing
    signals: Signals
    answers: DaemonAnswers


@contextmanager
def started(settings: Settings, command: str, *numbers: int) -> Iterator[Runtime]:
    """Give what the command works with. Signals of these numbers are heard besides those to stop. Raises TaggerError."""
    if not settings.sources:
        raise ConfigError("sources", "no folder to work on", f"name one: tagger {command} FOLDER")
    signals = Signals()
    # Before anything that takes seconds: a stop in the meantime is an orderly one too.
    signals.listen((signal.SIGTERM, signal.SIGINT, *numbers))
    _tell_what_an_earlier_release_left(settings)
    give_back_what_is_freed()
    if not be_nice(settings.limits.nice):
        log.warning("limits.nice: the system refuses it; where a service manager runs Tagger, set it there")
    with closing(signals), lock(settings.database, command) as who:
        systemd.starting("the database is opened")
        with closing(Database.open(settings.database, create=True, sleep=signals.rest)) as database:
            signals.check()
            for warning in database.warnings():
                log.warning("%s", warning)
            systemd.starting("the model is loaded")
            settled, classifier = model_choice.loaded(settings, database, data_home(), cache_home())
            signals.check()
            standing = _told_standing(settings, database, classifier)
            fitting = with_features_that_fit(settled, database, classifier.identity)
            if fitting.features != settled.features:
                classifier = adapted(classifier, fitting)
            yield Runtime(fitting, database, classifier, standing, signals, DaemonAnswers(database, who))


def _told_standing(settings: Settings, database: Database, classifier: Classifier) -> Standing:
    """Return which model is in use, and why; the log says so."""
    standing = model_choice.standing(settings, database, data_home())
    log.info("model: %s, because %s", classifier.description, standing.why)
    if standing.other:
        log.info("another model: %s", standing.other)
    return standing


def _tell_what_an_earlier_release_left(settings: Settings) -> None:
    """Log old defaults among the keys of the config, and thresholds from before scores were calibrated."""
    if old := defaults.told(settings.pinned):
        log.info("old defaults are kept: %s; what is left out follows the default", old)
    if settings.thresholds and has_uncalibrated_tags(settings.database):
        log.info("thresholds: scores mean something else since 0.2.0; tagger calibrate suggests new ones")
