"""What is to be done, what is being done, and what is next.

The journal is also the priority queue: what waits is a row, and the most urgent is found by an index.
A million files waiting cost no memory, and a kill loses nothing. Rejected: heaps in memory beside the
table, which must be filled at each start and can disagree with it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Integer, and_, bindparam, case, func, select, update
from sqlalchemy.dialects.sqlite import Insert, insert

from tagger.errors import DatabaseError
from tagger.records import ModelIdentity, Origin, Stamp
from tagger.store.columns import instant_text
from tagger.store.database import Database
from tagger.store.prepared import Prepared
from tagger.store.registry import MODEL_ID, columns_of
from tagger.store.schema import State, file, in_state, reading, source
from tagger.store.stamps import COLUMNS, Roots, find, unknown


def _admission() -> Insert:
    admission = insert(file)
    new = admission.excluded
    same = and_(*(file.c[name] == new[name] for name in ("size", "mtime_ns", "ctime_ns")))
    return admission.on_conflict_do_update(
        index_elements=[file.c.source_id, file.c.path],
        set_={
            "size": new.size,
            "mtime_ns": new.mtime_ns,
            "ctime_ns": new.ctime_ns,
            # A file in hand is not handed out twice; one that changed meanwhile is, and its first result is stale.
            "state": case((and_(same, file.c.state == State.BUSY), State.BUSY), else_=State.PENDING),
            "urgency": case((file.c.urgency > new.urgency, file.c.urgency), else_=new.urgency),
            "attempts": case((same, file.c.attempts), else_=0),
            "next_try_at": None,
            "missing_since": None,
        },
    )


def _registration() -> Insert:
    registration = insert(source)
    root = {"root": registration.excluded.root}
    return registration.on_conflict_do_update(index_elements=[source.c.name], set_=root)


def _claim(sources: Sequence[int]) -> Prepared:
    most_urgent = (file.c.urgency.desc(), file.c.mtime_ns.desc())
    next_up = select(file.c.id).where(in_state(State.PENDING), file.c.source_id.in_(sources))
    next_up = next_up.order_by(*most_urgent).limit(bindparam("limit", type_=Integer, required=False))
    take = update(file).where(file.c.id.in_(next_up)).values(state=State.BUSY)
    return Prepared(take.returning(*COLUMNS, file.c.urgency), columns=())


_NEW = (*COLUMNS, file.c.seen_at, file.c.state, file.c.urgency, file.c.attempts)
_ADMIT = Prepared(_admission(), columns=[column.name for column in _NEW])
_REGISTER = _registration()
_TAGGED = select(file.c.id).join(reading, reading.c.file_id == file.c.id)
_KNOWS = Prepared(
    _TAGGED.where(file.c.sha256 == bindparam("sha256"), reading.c.model_id == MODEL_ID).limit(1)
)


class Journal:
    """Every file's state. Threads may share it."""

    def __init__(self, database: Database, roots: Mapping[str, str], now: Callable[[], datetime]) -> None:
        """Registers the sources: name → root. `now` gives UTC.

        A source keeps its files where its folder has moved, and where its folder goes by another name.

        Work that waits in other sources, of an earlier config, is left alone.
        Raises DatabaseError for a name that stands for another folder, which is still there.
        """
        self._database, self._now = database, now
        with database.write() as connection:
            _refuse_other_folders(connection, database.name, roots)
            _rename(connection, roots)
            for name, root in roots.items():
                connection.execute(_REGISTER, {"name": name, "root": root})
            self._roots = Roots(connection)
        ours = [self._roots.id(name) for name in roots]
        self._ours, self._claim = file.c.source_id.in_(ours), _claim(ours)

    def differences(self, stamps: Sequence[Stamp]) -> list[Stamp]:
        """Those that need tags: not journalled, or no longer as journalled, or thought gone."""
        if not stamps:
            return []
        with self._database.read() as connection:
            return unknown(connection, self._roots, stamps)

    def admit(self, stamps: Sequence[Stamp], origin: Origin) -> None:
        """They are to be tagged. Urgency only rises; a change forgets the attempts that failed."""
        if not stamps:
            return
        seen = (instant_text(self._now()), State.PENDING, origin.urgency, 0)
        names = [column.name for column in _NEW]
        rows = [dict(zip(names, self._roots.values(stamp) + seen, strict=True)) for stamp in stamps]
        with self._database.write() as connection:
            _ADMIT.each(connection, rows)

    def claim(self, limit: int) -> list[Stamp]:
        """The most urgent files, now busy: what people asked for, then new, then backlog, newest first."""
        with self._database.write() as connection:
            rows = self._claim.rows(connection, limit=limit)
        stamps = [(urgency, self._roots.stamp(*values)) for *values, urgency in rows]
        stamps.sort(key=lambda claimed: (claimed[0], claimed[1].mtime_ns), reverse=True)
        return [stamp for _, stamp in stamps]

    def release(self, stamps: Sequence[Stamp]) -> None:
        """Busy files that were not begun wait again."""
        if not stamps:
            return
        with self._database.write() as connection:
            ids = [row.id for row in find(connection, stamps).values()]
            begun = and_(in_state(State.BUSY), file.c.id.in_(ids))
            connection.execute(update(file).where(begun).values(state=State.PENDING))

    def recover(self) -> int:
        """At start: what an earlier worker left busy waits again. Gives their number."""
        with self._database.write() as connection:
            left = update(file).where(in_state(State.BUSY)).values(state=State.PENDING)
            return connection.execute(left).rowcount

    def requeue_due(self) -> int:
        """Failed files whose time to be tried again has come wait again. Gives their number."""
        due = and_(in_state(State.FAILED), self._ours, file.c.next_try_at <= self._now())
        with self._database.write() as connection:
            return connection.execute(update(file).where(due).values(state=State.PENDING)).rowcount

    def waiting(self) -> int:
        """How many files of these sources are pending."""
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).where(in_state(State.PENDING), self._ours)) or 0

    def knows(self, identity: ModelIdentity, sha256: str) -> bool:
        """Whether this model has tagged this content, in whatever file."""
        with self._database.read() as connection:
            return bool(_KNOWS.rows(connection, sha256=sha256, **columns_of(identity)))


def _refuse_other_folders(connection: Connection, database: str, roots: Mapping[str, str]) -> None:
    """Two folders of one name would pass for one that moved, and the first one's tags for the second's."""
    for row in connection.execute(select(source.c.name, source.c.root)):
        if row.root != roots.get(row.name, row.root) and Path(row.root).is_dir():
            raise DatabaseError(
                database,
                f"the source {row.name!r} in it is {row.root}, not {roots[row.name]}",
                "give the new folder another name in the config, or another --database",
            )


def _rename(connection: Connection, roots: Mapping[str, str]) -> None:
    """A folder under a new name is the source it was: else all its files would be there twice."""
    known = {row.root: row.name for row in connection.execute(select(source.c.root, source.c.name))}
    for name, root in roots.items():
        if name not in known.values() and known.get(root, name) not in roots:
            rename = update(source).where(source.c.name == known[root])
            connection.execute(rename.values(name=name))
