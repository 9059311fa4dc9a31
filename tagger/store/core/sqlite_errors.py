"""What SQLite refuses, in words: what happened to which database, what to do next, and whether waiting helps."""

import sqlite3

from sqlalchemy import exc

from tagger.errors import DatabaseError
from tagger.store.core.write_retry import UnavailableError

DEFAULT_HINT = "check the permissions of the file and its folder"
NO_ROOM_HINT = "make room on its disk; nothing that was committed is lost"

_HINTS = {
    sqlite3.SQLITE_NOTADB: "name another with --database",
    sqlite3.SQLITE_CORRUPT: "restore a copy, or move it away: tagger scan builds a new one",
    sqlite3.SQLITE_BUSY: "another program is writing to it: close that, then try again",
    sqlite3.SQLITE_FULL: NO_ROOM_HINT,
    sqlite3.SQLITE_IOERR: "see whether its disk fails, or is read-only now: mount and dmesg say so",
    sqlite3.SQLITE_READONLY: "see whether its disk is read-only now, and who may write to the file and its folder",
}
_OF_OUR_STATEMENTS = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE}
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
}

REFUSALS = (exc.DatabaseError, sqlite3.DatabaseError)
"""What SQLAlchemy and the driver raise where SQLite refuses a statement."""


def was_interrupted(refusal: Exception) -> bool:
    """Return whether a statement was ended by its progress handler."""
    return _code(refusal) == sqlite3.SQLITE_INTERRUPT


def in_words(refusal: Exception, name: str) -> DatabaseError | None:
    """Return the error to raise for the database `name`; None for what our own statements get wrong, which is a bug.

    It is an UnavailableError where the same transaction may succeed later.
    """
    code = _code(refusal)
    if code in _OF_OUR_STATEMENTS:
        return None
    kind = UnavailableError if code in _PASSING else DatabaseError
    return kind(name, str(getattr(refusal, "orig", refusal)), _HINTS.get(code, DEFAULT_HINT))


def _code(refusal: Exception) -> int:
    """Return SQLite's primary result code."""
    cause = getattr(refusal, "orig", refusal)
    return int(getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF
