"""Of which version a database is, and how an older one is brought up to date."""

import re

from sqlalchemy import Connection, inspect, text

from tagger.errors import DatabaseError
from tagger.store.core import strangers
from tagger.store.core.schema import VERSION
from tagger.store.core.views import mend_views
from tagger.wording.escape import cut, shown


def version_of(connection: Connection, name: str) -> str:
    """Return the version of the tables in the database `name`; empty where there are none yet.

    Raises DatabaseError where it is another program's, a newer Tagger's, or was changed by others.
    """
    version = _recorded(connection, name)
    strangers.refuse(connection, name)
    if version > VERSION:
        raise DatabaseError(name, "was written by a newer Tagger", "upgrade Tagger")
    return version


def bring_up_to_date(connection: Connection, name: str) -> None:
    """Make or migrate the tables where that is due, and make views anew that somebody has replaced."""
    if _recorded(connection, name) == VERSION:
        mend_views(connection)
        return
    from tagger.store.core.migrations import upgrade  # Alembic is slow to import and seldom needed

    upgrade(connection)


def _recorded(connection: Connection, name: str) -> str:
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        versions = list(connection.scalars(text("SELECT version_num FROM alembic_version")))
        if len(versions) == 1 and re.fullmatch(r"(?!0000)\d{4}", str(versions[0])):
            return str(versions[0])
        what = f"its version, {cut(shown(str(versions)), 60)}, is none of Tagger's"
        raise DatabaseError(name, what, "restore a copy, or name another with --database")
    if tables:
        raise DatabaseError(name, "belongs to another program", "name another with --database")
    return ""
