"""`tagger pause`: among the limits of the config, a number that is none of them says since when files wait.

It is in the database because it is to outlive every process that it concerns, and because whoever asks how the work
stands asks there. Rejected: a signal, which a daemon forgets with its end.
"""

from datetime import UTC, datetime

from sqlalchemy import Connection, delete, insert, select

from tagger.store.core.database import Database
from tagger.store.core.schema import limit

NAME = "paused_since"
_THIS = limit.c.name == NAME


def pause(database: Database, now: datetime) -> datetime:
    """From now on no file is taken. Gives since when: who pauses twice has paused the first time."""
    with database.write() as connection:
        since = paused_since(connection)
        if since is None:
            connection.execute(insert(limit).values(name=NAME, value=now.timestamp()))
    return since or now


def resume(database: Database) -> bool:
    """Files are taken again; whether they were not."""
    with database.write() as connection:
        return connection.execute(delete(limit).where(_THIS)).rowcount > 0


def paused_since(connection: Connection) -> datetime | None:
    seconds = connection.scalar(select(limit.c.value).where(_THIS))
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
