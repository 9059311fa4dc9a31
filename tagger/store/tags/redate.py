"""Pictures dated anew, where the config, or this release, reads their paths or their cameras' clocks in another way than before.

All that it takes is in the database, so no picture is read for it. It goes page by page, so that new files are stored between.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, Integer, bindparam, select, update

from tagger.config.path_rules import PathRules
from tagger.store.core.database import Database
from tagger.store.core.listed import as_list, listed
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import file, source
from tagger.store.core.write_retry import retried
from tagger.store.tags import file_metadata, readings

_PAGE = 1000
_DATED = select(
    file.c.id, file.c.captured_at, file.c.path, file.c.taken_at, file.c.taken_from, file.c.mtime_ns
).where(file.c.captured_at.is_not(None))
_THESE_FILES = Prepared(_DATED.where(file.c.id.in_(listed("ids"))))
_NEXT_FILES = Prepared(
    _DATED.where(
        file.c.source_id + 0 == bindparam("source"),  # in the order of their ids, not of the source's index
        file.c.id > bindparam("after", type_=Integer),
    )
    .order_by(file.c.id)
    .limit(_PAGE)
)


class Redate:
    """Dates the pictures of the source `name` as `rules` say. `now` gives UTC."""

    def __init__(self, database: Database, name: str, rules: PathRules, now: Callable[[], datetime]) -> None:
        self._database, self._name, self._rules, self._now = database, name, rules, now

    def is_due(self) -> bool:
        """Return whether its pictures were dated by other rules."""
        with self._database.read() as connection:
            dated_by = connection.scalar(select(source.c.place).where(source.c.name == self._name))
        return (dated_by or "") != str(self._rules)

    def pages(self) -> Iterator[int]:
        """Date all of them anew, and yield how many each page has. Cut short, it begins again the next time."""
        after, count = 0, _PAGE
        while count == _PAGE:
            after, count = self._page(after)
            yield count
        self._finish()

    def moved(self, connection: Connection, ids: Sequence[int]) -> None:
        """Date these files anew, within a transaction: their paths are others now, and may tell something else."""
        for row in _THESE_FILES.rows(connection, ids=as_list(ids)):
            self._date(connection, *row)

    @retried
    def _page(self, after: int) -> tuple[int, int]:
        """Date the page of files `after` that id. Return the last one's id, and how many there were."""
        with self._database.write() as connection:
            id_ = connection.scalar(select(source.c.id).where(source.c.name == self._name))
            rows = _NEXT_FILES.rows(connection, source=id_, after=after)
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
        taken_from: str | None,
        mtime_ns: int,
    ) -> None:
        taken = file_metadata.taken(taken_at, taken_from)
        columns, attributes = file_metadata.metadata_of(self._rules, path, taken, mtime_ns, self._now())
        if columns["captured_at"] != dated:
            readings.date(connection, file_id, columns["captured_at"])
        file_metadata.update_file(connection, file_id, columns, attributes)

    @retried
    def _finish(self) -> None:
        with self._database.write() as connection:
            done = update(source).where(source.c.name == self._name)
            connection.execute(done.values(place=str(self._rules)))
