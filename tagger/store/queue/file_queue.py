"""What is to be done, what is being done, and what is next.

The journal is also the priority queue: what waits is a row, and the most urgent is found by an index.
A million files waiting cost no memory, and a kill loses nothing. Rejected: heaps in memory beside the
table, which must be filled at each start and can disagree with it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Integer, and_, bindparam, case, func, or_, select, update
from sqlalchemy.dialects.sqlite import Insert, insert

from tagger.errors import DatabaseError
from tagger.records import Origin, Stamp
from tagger.store.core.columns import instant_text
from tagger.store.core.control import paused_since
from tagger.store.core.database import Database
from tagger.store.core.prepared import Prepared
from tagger.store.core.registry import Registered
from tagger.store.core.schema import State, file, in_state, source
from tagger.store.core.write_retry import patiently
from tagger.store.queue.missing import MissingFiles
from tagger.store.queue.stamps import COLUMNS, Roots, find, unknown

CRASHES = 3
"""A file that kills whoever looks at it is quarantined after so many times alone: once may be chance."""

LAST_RETRY = timedelta(days=1)
"""The longest time that a failed file rests."""

_SOME = 100


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


_MOST_URGENT = (file.c.urgency.desc(), file.c.mtime_ns.desc())


def _claim(sources: Sequence[int]) -> Prepared:
    next_up = select(file.c.id).where(in_state(State.PENDING), file.c.source_id.in_(sources))
    next_up = next_up.order_by(*_MOST_URGENT).limit(bindparam("limit", type_=Integer, required=False))
    take = update(file).where(file.c.id.in_(next_up)).values(state=State.BUSY)
    return Prepared(take.returning(*COLUMNS, file.c.urgency), columns=())


def _suspects(sources: Sequence[int]) -> Prepared:
    some = select(*COLUMNS).where(in_state(State.SUSPECT), file.c.source_id.in_(sources))
    return Prepared(some.order_by(*_MOST_URGENT).limit(_SOME))


_NEW = (*COLUMNS, file.c.seen_at, file.c.state, file.c.urgency, file.c.attempts)
_ADMIT = Prepared(_admission(), columns=[column.name for column in _NEW])
_REGISTER = _registration()


class FileQueue:
    """Every file's state. Threads may share it."""

    def __init__(
        self,
        database: Database,
        roots: Mapping[str, str],
        now: Callable[[], datetime],
        registered: Registered | None = None,
    ) -> None:
        """Registers the sources: name → root. `now` gives UTC. Tags of another model than is `registered` are stale.

        A source keeps its files where its folder has moved, and where its folder goes by another name.

        Work that waits in other sources, of an earlier config, is left alone.
        Raises DatabaseError for a name that stands for another folder, which is still there.
        """
        self._database, self._now = database, now
        self._roots = self._register(roots)
        ours = [self._roots.id(name) for name in roots]
        self._current = _current(registered, roots) if registered else {}
        self._stale = self._sources_of_others(roots) if registered else set()
        self._ours, self._claim, self._suspects = file.c.source_id.in_(ours), _claim(ours), _suspects(ours)

    @patiently
    def differences(self, stamps: Sequence[Stamp], met: Callable[[int], object] | None = None) -> list[Stamp]:
        """Those that need tags: not journalled, or no longer as journalled, or thought gone, or with stale tags.

        `met` is told the row of each path that is journalled, of whatever state.
        """
        if not stamps:
            return []
        with self._database.read() as connection:
            some_are_stale = self._stale and not self._stale.isdisjoint(stamp.source for stamp in stamps)
            current = {self._roots.id(name): ids for name, ids in self._current.items()}
            return unknown(connection, self._roots, stamps, met, current if some_are_stale else None)

    @patiently
    def all_seen(self, source_name: str) -> None:
        """All of a source's files were compared: what was stale is work now, and need not be looked for again."""
        if source_name not in self._stale:
            return
        current = self._current[source_name]
        ids = {"model_id": current["model"], "taxonomy_id": current["taxonomy"]}
        with self._database.write() as connection:
            connection.execute(update(source).where(source.c.name == source_name).values(ids))
        self._stale.remove(source_name)

    def roll_call(self, source_name: str) -> MissingFiles:
        """Begins one: who does not answer may be missing."""
        return MissingFiles(self._database, source_name, self._now)

    @patiently
    def admit(self, stamps: Sequence[Stamp], origin: Origin) -> None:
        """They are to be tagged. Urgency only rises; a change forgets the attempts that failed."""
        if not stamps:
            return
        seen = (instant_text(self._now()), State.PENDING, origin.urgency, 0)
        names = [column.name for column in _NEW]
        rows = [dict(zip(names, self._roots.values(stamp) + seen, strict=True)) for stamp in stamps]
        with self._database.write() as connection:
            _ADMIT.each(connection, rows)

    @patiently
    def claim(self, limit: int) -> list[Stamp]:
        """The most urgent files, now busy: what people asked for, then new, then backlog, newest first."""
        with self._database.write() as connection:
            rows = self._claim.rows(connection, limit=limit)
        stamps = [(urgency, self._roots.stamp(*values)) for *values, urgency in rows]
        stamps.sort(key=lambda claimed: (claimed[0], claimed[1].mtime_ns), reverse=True)
        return [stamp for _, stamp in stamps]

    def release(self, stamps: Sequence[Stamp]) -> None:
        """Busy files that were not begun wait again."""
        self._turn(stamps, State.BUSY, {"state": State.PENDING})

    @patiently
    def recover(self) -> int:
        """At start: what was in hand when an earlier worker died is suspect. Gives their number."""
        with self._database.write() as connection:
            left = update(file).where(in_state(State.BUSY)).values(state=State.SUSPECT)
            return connection.execute(left).rowcount

    @patiently
    def suspects(self) -> list[Stamp]:
        """Some of them, the most urgent first."""
        with self._database.read() as connection:
            return [self._roots.stamp(*values) for values in self._suspects.rows(connection)]

    def acquit(self, stamps: Sequence[Stamp]) -> None:
        """Suspects that harmed nobody wait again, their slate clean."""
        self._turn(
            stamps, State.SUSPECT, {"state": State.PENDING, "attempts": 0, "stage": None, "error": None}
        )

    def blame(self, stamp: Stamp, reason: str) -> None:
        """A suspect killed a process in which it was alone: the third time it is quarantined."""
        final = file.c.attempts >= CRASHES - 1
        verdict = {
            "attempts": file.c.attempts + 1,
            "state": case((final, State.QUARANTINED), else_=State.SUSPECT),
            "urgency": case((final, 0), else_=file.c.urgency),
            "stage": "trial",
            "error": reason,
        }
        self._turn([stamp], State.SUSPECT, verdict)

    @patiently
    def requeue_due(self) -> int:
        """Failed files whose time to be tried again has come wait again. Gives their number.

        So do those that rest for longer than any failure calls for: the clock was set back.
        """
        now = self._now()
        at = file.c.next_try_at
        due = and_(in_state(State.FAILED), self._ours, or_(at <= now, at > now + LAST_RETRY))
        with self._database.write() as connection:
            return connection.execute(update(file).where(due).values(state=State.PENDING)).rowcount

    @patiently
    def is_paused(self) -> bool:
        """Whether people want no file to be taken."""
        with self._database.read() as connection:
            return paused_since(connection) is not None

    @patiently
    def waiting(self, state: State = State.PENDING) -> int:
        """How many files of these sources are in a state."""
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).where(in_state(state), self._ours)) or 0

    @patiently
    def _register(self, roots: Mapping[str, str]) -> Roots:
        with self._database.write() as connection:
            _refuse_other_folders(connection, self._database.name, roots)
            _rename(connection, roots)
            for name, root in roots.items():
                connection.execute(_REGISTER, {"name": name, "root": root})
            return Roots(connection)

    @patiently
    def _sources_of_others(self, names: Iterable[str]) -> set[str]:
        with self._database.read() as connection:
            rows = connection.execute(select(source.c.name, source.c.model_id, source.c.taxonomy_id))
            read = {row.name: {"model": row.model_id, "taxonomy": row.taxonomy_id} for row in rows}
        return {name for name in names if read.get(name) != self._current[name]}

    @patiently
    def _turn(self, stamps: Sequence[Stamp], state: State, values: Mapping[str, object]) -> None:
        """New values for those of the stamps that are in `state` and are still their files'."""
        if not stamps:
            return
        with self._database.write() as connection:
            ids = [row.id for row in find(connection, stamps).values()]
            connection.execute(update(file).where(in_state(state), file.c.id.in_(ids)).values(values))


def judge_roots(database: Database, roots: Mapping[str, str]) -> None:
    """Raises DatabaseError for a source, name → root, whose name stands for another folder, which is still there."""
    with database.read() as connection:
        _refuse_other_folders(connection, database.name, roots)


def _current(registered: Registered, names: Iterable[str]) -> dict[str, dict[str, int]]:
    """By what each source's pictures are to be tagged."""
    return {name: {"model": registered.model_of(name), "taxonomy": registered.taxonomy} for name in names}


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
