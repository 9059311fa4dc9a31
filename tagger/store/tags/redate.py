"""Pictures dated anew where the config reads their paths, or their cameras' clocks, in another way than before.

All that it takes is in the database, so no picture is read for it. Page by page, so that new files are stored between.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from sqlalchemy import Connection, Integer, bindparam, select, update

from tagger.config.path_rules import PathRules
from tagger.store.core.database import Database
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import file, source
from tagger.store.core.write_retry import retried
from tagger.store.tags import readings
from tagger.store.tags.file_metadata import place_of, put

_PAGE = 1000
_SOME = Prepared(
    select(file.c.id, file.c.captured_at, file.c.path, file.c.taken_at, file.c.mtime_ns)
    .where(
        file.c.source_id + 0 == bindparam("source"),  # in the order of their ids, not of the source's index
        file.c.id > bindparam("after", type_=Integer),
        file.c.captured_at.is_not(None),
    )
    .order_by(file.c.id)
    .limit(_PAGE)
)


class Redate:
    """Of one source. `now` gives UTC."""

    def __init__(self, database: Database, name: str, place: PathRules, now: Callable[[], datetime]) -> None:
        self._database, self._name, self._place, self._now = database, name, place, now

    def is_due(self) -> bool:
        """Whether its pictures were dated in another way."""
        with self._database.read() as connection:
            by = connection.scalar(select(source.c.place).where(source.c.name == self._name))
        return (by or "") != str(self._place)

    def pages(self) -> Iterator[int]:
        """Dates all of them anew; yields the number of each page's. Cut short, it begins again the next time."""
        after, count = 0, _PAGE
        while count == _PAGE:
            after, count = self._page(after)
            yield count
        self._finish()

    @retried
    def _page(self, after: int) -> tuple[int, int]:
        """Gives the last file's id, and the number of files."""
        with self._database.write() as connection:
            id_ = connection.scalar(select(source.c.id).where(source.c.name == self._name))
            rows = _SOME.rows(connection, source=id_, after=after)
            for row in rows:
                self._date(connection, *row)
        return (rows[-1][0] if rows else after), len(rows)

    def _date(
        self,
        connection: Connection,
        file_id: int,
        dated: str,
        path: str,
        taken_at: str | None,
        mtime_ns: int,
    ) -> None:
        taken = datetime.fromisoformat(taken_at) if taken_at else None
        columns, attributes = place_of(self._place, path, taken, mtime_ns, self._now())
        if columns["captured_at"] != dated:
            readings.date(connection, file_id, columns["captured_at"])
        put(connection, file_id, columns, attributes)

    @retried
    def _finish(self) -> None:
        with self._database.write() as connection:
            done = update(source).where(source.c.name == self._name)
            connection.execute(done.values(place=str(self._place)))
