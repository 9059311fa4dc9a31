"""A copy of a whole database, taken while it is in use."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection

from tagger.store.core.location import files_in_words
from tagger.store.core.prepared import driver


def back_up(connection: Connection, copy: Path) -> None:
    """Write all that the transaction sees into the file `copy`, which is never there in part. Raises DatabaseError."""
    part = copy.with_name(copy.name + ".part")
    with files_in_words(copy):
        part.unlink(missing_ok=True)
        part.touch()
        try:
            with closing(sqlite3.connect(part)) as target:
                driver(connection).backup(target)
                # Else it would be in the log's mode too, and could be read only where it could be written.
                target.execute("PRAGMA journal_mode = DELETE")
            part.replace(copy)
        finally:
            part.unlink(missing_ok=True)
