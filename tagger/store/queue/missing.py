"""Which files are missing: a scan of a whole source against the files that the queue believes to be there.

A row whose file was not met is only perhaps missing, and the caller looks again. What it then reports is marked as far as
`absence` believes it. What was met is kept as one byte per row: a set of paths would take a hundred times as much.
"""

import logging
from collections.abc import Collection, Iterator, Set

from sqlalchemy import Integer, bindparam, func, select

from tagger.host.mounts import Volume
from tagger.store.core import file_moves
from tagger.store.core.listed import as_list
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import file
from tagger.store.core.write_retry import retried
from tagger.store.queue.absence import Found, believe, keep, remembered
from tagger.store.queue.file_queue import FileQueue
from tagger.store.queue.stamps import Roots
from tagger.store.queue.transitions import AT_REST

log = logging.getLogger(__name__)

_PAGE = 1000
_BELIEVED = file.c.missing_since.is_(None)
_OURS = file.c.source_id == bindparam("source", type_=Integer)
_KNOWN = file.c.id <= bindparam("newest", type_=Integer)
_NEWEST = Prepared(select(func.max(file.c.id)))
_ALL = Prepared(select(func.count()).where(_OURS, _KNOWN))
_MISSING = Prepared(select(func.count()).where(_OURS, _KNOWN, file.c.missing_since.is_not(None)))
# The zero keeps the planner from the source's index: the rows are wanted in the order of their ids.
_PRESENT = select(file.c.id, file.c.path).where(
    file.c.id > bindparam("after", type_=Integer), _KNOWN, file.c.source_id + 0 == bindparam("source")
)
_PRESENT_PAGE = Prepared(_PRESENT.where(_BELIEVED, AT_REST).order_by(file.c.id).limit(_PAGE))


class MissingFiles:
    """Compares one scan with the queue. Not thread-safe."""

    def __init__(self, queue: FileQueue, name: str) -> None:
        """`name` is the source's. Files that come into the queue from now on need not be met."""
        self._queue, self._database, self._name = queue, queue.database, name
        self._roots, newest, self._moves = self._begin()
        self._known = {"source": self._roots.id(name), "newest": newest}
        self._met = bytearray(newest + 1)

    def met(self, id_: int) -> None:
        """Note that the file of this row was met."""
        if id_ < len(self._met):
            self._met[id_] = 1

    def unmet(self) -> Iterator[list[tuple[int, str]]]:
        """Yield pages of those that were not met: row and path. They may have been met too late, or not been looked for."""
        if self._met.count(1) >= self._believed():
            return
        after = 0
        while page := self._page(after):
            after = page[-1][0]
            yield [(id_, path) for id_, path in page if not self._met[id_]]

    def mark(self, missing: Collection[int], volume: Volume) -> None:
        """Mark those of these rows as gone of which it is believed that their files are not there, in a folder on this volume."""
        believed = sorted(self._believed_missing(frozenset(missing), volume))
        for start in range(0, len(believed), _PAGE):
            self._queue.mark_missing(as_list(believed[start : start + _PAGE]), self._moves)
        if believed:
            log.info("%s: gone: %d; their tags are kept until tagger prune", self._name, len(believed))

    @retried
    def _begin(self) -> tuple[Roots, int, int]:
        """Return the sources, the newest row, and the newest move."""
        with self._database.read() as connection:
            return Roots(connection), _NEWEST.rows(connection)[0][0] or 0, file_moves.newest(connection)

    @retried
    def _believed_missing(self, missing: frozenset[int], volume: Volume) -> Set[int]:
        """Return what is believed. It is remembered in the database, so that two runs of `tagger scan` count as two scans."""
        found, source_id = Found(self._queue.now(), volume, missing, self._believed()), self._known["source"]
        with self._database.write() as connection:
            last = remembered(connection, source_id, len(self._met))
            belief = believe(last, found)
            if belief.memory != last:
                keep(connection, source_id, belief.memory)
        if belief.words:
            log.warning("%s: %s", self._name, belief.words)
        return belief.believed

    @retried
    def _believed(self) -> int:
        with self._database.read() as connection:
            counts = (query.rows(connection, **self._known)[0][0] for query in (_ALL, _MISSING))
            return int(next(counts) - next(counts))

    @retried
    def _page(self, after: int) -> list[tuple[int, str]]:
        with self._database.read() as connection:
            rows = _PRESENT_PAGE.rows(connection, after=after, **self._known)
        return [(id_, self._roots.whole(self._known["source"], path)) for id_, path in rows]
