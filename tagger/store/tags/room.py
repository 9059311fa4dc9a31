"""Room on the disk of the database for features, which take about as much of it as tags do."""

import logging
import os

from sqlalchemy import func, select

from tagger.config.settings import Settings
from tagger.records import ModelIdentity
from tagger.store.core.database import Database
from tagger.store.core.schema import State, in_state, model, reading
from tagger.store.core.schema import file as files
from tagger.wording.escape import shown
from tagger.wording.plural import counted

log = logging.getLogger(__name__)

BYTES = 2_600
"""That a picture's features take in the database, as measured with the default model's 1,280 numbers, packed (see `vectors`)."""

SPARE = 500_000_000
"""Bytes that features leave free, for the tags and for whatever else is on the disk."""

_WAITING = (State.PENDING, State.BUSY, State.SUSPECT)


def with_features_that_fit(settings: Settings, database: Database, identity: ModelIdentity) -> Settings:
    """Return the settings, without `features` where the disk has no room for those of this model; a warning says so."""
    if not (short := shortage(settings, database, identity)):
        return settings
    log.warning("pictures are tagged without features for now: %s", short)
    return settings.model_copy(update={"features": False})


def shortage(settings: Settings, database: Database, identity: ModelIdentity | None = None) -> str:
    """Return why features of all pictures that wait are too much for the disk, and what to do.

    It is empty where they fit, or are not wanted. With `identity`, pictures that another model has tagged wait, too: they are
    tagged anew.
    """
    if not settings.features or database.path is None:
        return ""
    folder = database.path.parent
    try:
        found = os.statvfs(folder)
    except OSError:
        return ""  # whoever writes to the database next says what is wrong
    return told(shown(str(folder)), found.f_bavail * found.f_frsize, _waiting(database, identity))


def told(where: str, free: int, waiting: int) -> str:
    """Return the same, from the free bytes of the folder `where` and how many pictures wait."""
    if free >= waiting * BYTES + SPARE:
        return ""
    those = f"features of {counted(waiting, 'waiting picture')} would take {_mb(waiting * BYTES)} and "
    return (
        f"the disk of the database ({where}) has {_mb(free)} left, where {those if waiting else ''}{_mb(SPARE)} are to"
        " stay free; make room and start again (tagger retag then makes what was left out), or set `features: false`"
    )


def _waiting(database: Database, identity: ModelIdentity | None) -> int:
    """Count the pictures that are known and will be tagged. Those that no scan has met yet are not known."""
    queries = [select(func.count()).select_from(files).where(in_state(state)) for state in _WAITING]
    if identity:
        ours = (model.c.name == identity.name) & (model.c.weights_sha256 == identity.weights_sha256)
        others = reading.c.model_id.not_in(select(model.c.id).where(ours))
        queries.append(select(func.count()).select_from(reading).where(others))
    with database.read() as connection:
        return sum(connection.execute(query).scalar_one() for query in queries)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
