"""A roll call: a scan of a whole source against the files that the journal believes to be there.

A row that nobody answered for is only perhaps missing, and the caller looks again. What it then reports is marked as far as
`absence` believes it. Who answered is kept as one byte per row: a set of paths would take a hundred times as much.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from datetime import datetime

from sqlalchemy import Integer, bindparam, func, or_, select, update

from tagger.host.mounts import Volume
from tagger.store.core.columns import instant_text
from tagger.store.core.database import Database
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import State, file, in_state
from tagger.store.core.write_retry import patiently
from tagger.store.queue.absence import Found, judge, keep, remembered
from tagger.store.queue.stamps import Roots

log = logging.getLogger(__name__)

_PAGE = 1000
_BELIEVED = file.c.missing_since.is_(None)
# What is pending or in hand is left out: the road finds out by itself.
_AT_REST = or_(
    file.c.state == State.DONE,
    *(in_state(state) for state in (State.FAILED, State.QUARANTINED, State.GONE)),
)
_OURS = file.c.source_id == bindparam("source", type_=Integer)
_KNOWN = file.c.id <= bindparam("newest", type_=Integer)
_NEWEST = Prepared(select(func.max(file.c.id)))
_ALL = Prepared(select(func.count()).where(_OURS, _KNOWN))
_MISSING = Prepared(select(func.count()).where(_OURS, _KNOWN, file.c.missing_since.is_not(None)))
# The zero keeps the planner from the source's index: the rows are wanted in the order of their ids.
_PRESENT = select(file.c.id, file.c.path).where(
    file.c.id > bindparam("after", type_=Integer), _KNOWN, file.c.source_id + 0 == bindparam("source")
)
_PRESENT_PAGE = Prepared(_PRESENT.where(_BELIEVED, _AT_REST).order_by(file.c.id).limit(_PAGE))
_IDS = func.json_each(bindparam("ids")).table_valued("value")
_MARK = Prepared(
    update(file)
    .where(file.c.id.in_(select(_IDS.c.value)), _BELIEVED, _AT_REST)
    .values(state=State.GONE, urgency=0),
    ["missing_since"],
)


class MissingFiles:
    """One scan's. Not thread-safe."""

    def __init__(self, database: Database, name: str, now: Callable[[], datetime]) -> None:
        """`name` is the source's; `now` gives UTC. Files that are journalled from now on need not answer."""
        self._database, self._now, self._name = database, now, name
        self._roots, newest = self._begin()
        self._known = {"source": self._roots.id(name), "newest": newest}
        self._answered = bytearray(newest + 1)

    def answer(self, id_: int) -> None:
        """The file of this row was met."""
        if id_ < len(self._answered):
            self._answered[id_] = 1

    def absent(self) -> Iterator[list[tuple[int, str]]]:
        """Those who did not answer, in pages: row and path. They may have been met too late, or not been looked for."""
        if self._answered.count(1) >= self._believed():
            return
        after = 0
        while page := self._page(after):
            after = page[-1][0]
            yield [(id_, path) for id_, path in page if not self._answered[id_]]

    def mark(self, missing: Collection[int], volume: Volume) -> None:
        """These rows' files are not there, in a folder on this volume. Those are marked of which that is believed."""
        believed = sorted(self._believed_missing(frozenset(missing), volume))
        for start in range(0, len(believed), _PAGE):
            self._mark_page(believed[start : start + _PAGE])
        if believed:
            log.info("%s: gone: %d; their tags are kept until tagger prune", self._name, len(believed))

    @patiently
    def _begin(self) -> tuple[Roots, int]:
        with self._database.read() as connection:
            return Roots(connection), _NEWEST.rows(connection)[0][0] or 0

    @patiently
    def _mark_page(self, missing: Sequence[int]) -> None:
        since = instant_text(self._now())
        with self._database.write() as connection:
            _MARK.rows(connection, ids=json.dumps(list(missing)), missing_since=since)

    @patiently
    def _believed_missing(self, missing: frozenset[int], volume: Volume) -> Set[int]:
        """Remembered in the database, so that two runs of `tagger scan` are two roll calls."""
        found, source_id = Found(self._now(), volume, missing, self._believed()), self._known["source"]
        with self._database.write() as connection:
            last = remembered(connection, source_id, len(self._answered))
            ruling = judge(last, found)
            if ruling.memory != last:
                keep(connection, source_id, ruling.memory)
        if ruling.words:
            log.warning("%s: %s", self._name, ruling.words)
        return ruling.believed

    @patiently
    def _believed(self) -> int:
        with self._database.read() as connection:
            counts = (query.rows(connection, **self._known)[0][0] for query in (_ALL, _MISSING))
            return int(next(counts) - next(counts))

    @patiently
    def _page(self, after: int) -> list[tuple[int, str]]:
        with self._database.read() as connection:
            rows = _PRESENT_PAGE.rows(connection, after=after, **self._known)
        return [(id_, self._roots.whole(self._known["source"], path)) for id_, path in rows]
