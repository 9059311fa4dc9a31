"""What an earlier release left in a database, asked of the file itself: an older one is opened only to be brought up to date."""

import sqlite3
from contextlib import closing

from tagger.errors import DatabaseError
from tagger.store.core.location import locate

_UNCALIBRATED = """
SELECT EXISTS (
    SELECT 1 FROM model
    WHERE description LIKE 'built-in %' AND preprocessing NOT LIKE '% temperature=%'
      AND EXISTS (SELECT 1 FROM reading WHERE reading.model_id = model.id)
)
"""


def has_uncalibrated_tags(address: str) -> bool:
    """Return whether a database has tags that the built-in model gave before scores were calibrated, in release 0.1.0.

    Of one that cannot be read, or that is not there, it is not known, and the answer is no.
    """
    try:
        path = locate(address)
        if path is None or not path.exists():
            return False
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute(_UNCALIBRATED).fetchone()[0])
    except (DatabaseError, sqlite3.Error):
        return False
