"""What others have put into a database of ours, in place of what is ours, or upon it.

Views, tables and indexes of a user's own are theirs to have. A trigger upon our tables would run with each write of ours,
whoever wrote it; a table in place of a view, or the other way round, answers what was never asked.
"""

from sqlalchemy import Connection

from tagger.errors import DatabaseError
from tagger.store.core.schema import metadata
from tagger.store.core.views import VIEWS
from tagger.wording.escape import cut, shown

_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master"
_TABLES = {name.casefold() for name in metadata.tables} | {"alembic_version"}
_VIEWS = {name.casefold() for name in VIEWS}


def refuse(connection: Connection, database: str) -> None:
    """Raises DatabaseError where there is any; it names what is not ours and how it is removed."""
    for kind, name, upon, sql in connection.exec_driver_sql(_SCHEMA):
        called = cut(shown(str(name)), 100)
        if kind == "trigger" and upon.casefold() in _TABLES | _VIEWS:
            what = f"has a trigger '{called}' upon {shown(upon)}, which Tagger never makes, and which each write would run"
            raise DatabaseError(
                database, what, f"if nobody needs it: sqlite3 FILE 'DROP TRIGGER \"{called}\"'"
            )
        if _is_other(name.casefold(), kind, sql or ""):
            what = f"'{called}' in it is not the {'view' if name.casefold() in _VIEWS else 'table'} that Tagger makes"
            raise DatabaseError(database, what, "restore a copy, or name another with --database")


def _is_other(name: str, kind: str, sql: str) -> bool:
    if name in _TABLES:
        return kind != "table" or sql.upper().startswith("CREATE VIRTUAL")
    return name in _VIEWS and kind != "view"
