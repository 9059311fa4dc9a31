"""Statements that run for every file: compiled once, and handed to the driver as they are.

SQLAlchemy works out a statement's text and each value's conversion anew at every execution, which takes
several times as long as SQLite's own work. Here the text is its compiler's too, but is kept; values go in
and out as the database holds them: times by `columns.instant_text`, paths by `pathtext`.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, cast

from sqlalchemy import ClauseElement, Connection
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.sql.compiler import SQLCompiler

_NAMED = dialect(paramstyle="named")


class Prepared:
    """A statement with the values that it fixes. `columns` are those that an INSERT or UPDATE sets besides."""

    def __init__(self, statement: ClauseElement, columns: Iterable[str] | None = None) -> None:
        keys = None if columns is None else list(columns)
        compiled = statement.compile(
            dialect=_NAMED, column_keys=keys, compile_kwargs={"render_postcompile": True}
        )
        binds = cast("SQLCompiler", compiled).binds
        awaited = {name: None for name, bind in binds.items() if bind.required}
        fixed = compiled.construct_params(awaited) or {}
        self._text = str(compiled)
        self._fixed = {name: value for name, value in fixed.items() if name not in awaited}

    def rows(self, connection: Connection, **values: object) -> list[tuple[Any, ...]]:
        """Run it once, and return its rows. Raises sqlite3.Error, as `each` does."""
        return driver(connection).execute(self._text, self._fixed | values).fetchall()

    def pages(self, connection: Connection, size: int, **values: object) -> Iterator[list[tuple[Any, ...]]]:
        """Run it once, and yield its rows `size` at a time, so that millions need no memory."""
        found = driver(connection).execute(self._text, self._fixed | values)
        while page := found.fetchmany(size):
            yield page

    def each(self, connection: Connection, rows: Iterable[dict[str, Any]]) -> None:
        """Run it for each row of values."""
        rows = (self._fixed | row for row in rows) if self._fixed else rows
        driver(connection).executemany(self._text, rows)


def driver(connection: Connection) -> sqlite3.Connection:
    """Return the connection of Python's sqlite3 module beneath SQLAlchemy's."""
    return cast("sqlite3.Connection", connection.connection.driver_connection)
