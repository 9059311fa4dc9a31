"""What is to be done, what is being done, and what is next.

The queue is a table: what waits is a row, and the most urgent is found by an index. A million files waiting cost no memory, and
a kill loses nothing. Rejected: heaps in memory beside the table, which must be filled at each start and can disagree with it.

`transitions` has the table of all changes of a file's state.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from threading import Condition

from sqlalchemy import func, select, update

from tagger.host.failpoints import reach
from tagger.records import Origin, Stamp
from tagger.store.core.control import paused_since
from tagger.store.core.database import Database
from tagger.store.core.registry import Registered
from tagger.store.core.schema import State, file, in_state, source
from tagger.store.core.write_retry import retried
from tagger.store.queue import sources, transitions
from tagger.store.queue.retention import Retention
from tagger.store.queue.stamps import Roots, unknown


class FileQueue:
    """Is the queue of one process that tags. Threads may share it.

    `admitted` counts files that became work since the start, those left over from before included. `changed` is notified, and
    `version` counts up, whenever there may be more work than before.
    """

    def __init__(
        self,
        database: Database,
        roots: Mapping[str, str],
        now: Callable[[], datetime],
        registered: Registered | None = None,
        retention: Retention | None = None,
    ) -> None:
        """Register the sources: name → root. `now` gives UTC. Tags of another model than is `registered` are stale; what
        `retention` would not keep is not admitted. Work that waits in other sources, of an earlier config, is left alone.

        Raises DatabaseError for a name that stands for another folder, which is still there.
        """
        self._database, self._now, self._retention = database, now, retention or Retention()
        self._roots = self._register(roots)
        ours = [self._roots.id(name) for name in roots]
        self._current = _current(registered, roots) if registered else {}
        self._stale = self._sources_of_others(roots) if registered else set()
        self._ours = file.c.source_id.in_(ours)
        self._claim, self._suspects = transitions.claim_statement(ours), transitions.suspects_statement(ours)
        self.changed, self.version = Condition(), 0
        self.admitted, self.has_suspects = 0, False

    def start(self) -> None:
        """Begin the work: what was in hand when an earlier worker died is suspect, and all that waits is counted."""
        self.suspect()
        suspects = self.waiting(State.SUSPECT)
        self.admitted, self.has_suspects = self.waiting() + suspects, suspects > 0

    @property
    def database(self) -> Database:
        """Return where the queue lies."""
        return self._database

    def now(self) -> datetime:
        """Return the time (UTC) by which the queue goes."""
        return self._now()

    @retried
    def differences(self, stamps: Sequence[Stamp], met: Callable[[int], object] | None = None) -> list[Stamp]:
        """Return those that need tags: not in the queue, or no longer as it has them, or thought gone, or with stale tags.

        `met` is told the row of each path that the queue has, in whatever state.
        """
        if not stamps:
            return []
        with self._database.read() as connection:
            some_are_stale = self._stale and not self._stale.isdisjoint(stamp.source for stamp in stamps)
            current = {self._roots.id(name): ids for name, ids in self._current.items()}
            return unknown(connection, self._roots, stamps, met, current if some_are_stale else None)

    def are_current(self, tags_by: tuple[int | None, int | None], source_name: str) -> bool:
        """Return whether tags by this model and taxonomy are what files of a source have now."""
        current = self._current.get(source_name)
        return current is None or (current["model"], current["taxonomy"]) == tags_by

    @retried
    def all_seen(self, source_name: str) -> None:
        """Note that all of a source's files were compared: what was stale is work now, and need not be looked for again."""
        if source_name not in self._stale:
            return
        current = self._current[source_name]
        ids = {"model_id": current["model"], "taxonomy_id": current["taxonomy"]}
        with self._database.write() as connection:
            connection.execute(update(source).where(source.c.name == source_name).values(ids))
        self._stale.remove(source_name)

    def admit(self, stamps: Sequence[Stamp], origin: Origin) -> None:
        """Make work of files. Urgency only rises; a change forgets the attempts that failed."""
        if kept := [stamp for stamp in stamps if self._retention.keeps(stamp)]:
            reach("admit")
            self._admit(kept, origin)
            reach("admitted")
            self.add_work(len(kept))

    @retried
    def claim(self, limit: int) -> list[Stamp]:
        """Return the most urgent files, now busy: what people asked for, then new, then backlog, newest first."""
        with self._database.write() as connection:
            return transitions.claim(connection, self._claim, self._roots, limit)

    @retried
    def release(self, stamps: Sequence[Stamp]) -> None:
        """Return files to the queue that were claimed and not begun."""
        with self._database.write() as connection:
            transitions.release(connection, stamps)

    @retried
    def suspect(self) -> None:
        """Suspect what was in hand when an earlier process died."""
        with self._database.write() as connection:
            transitions.suspect(connection)

    @retried
    def suspects(self) -> list[Stamp]:
        """Return some suspects, the most urgent first; none where there are no more."""
        with self._database.read() as connection:
            found = [self._roots.stamp(*values) for values in self._suspects.rows(connection)]
        self.has_suspects = bool(found)
        return found

    def acquit(self, stamps: Sequence[Stamp]) -> None:
        """Return suspects that survived to pending, their failures forgotten."""
        self._acquit(stamps)
        self.add_work(0)

    @retried
    def record_crash(self, stamp: Stamp, reason: str) -> None:
        """Record a crash of this suspect alone; quarantine it at the third."""
        with self._database.write() as connection:
            transitions.record_crash(connection, stamp, reason)

    def requeue_due(self) -> int:
        """Make work of failed files whose time to be tried again has come; return how many they are.

        So are those that rest for longer than any failure calls for: the clock was set back.
        """
        if due := self._requeue_due():
            self.add_work(due)
        return due

    def look(self, is_idle: bool) -> None:
        """Notice what another process made work of (`tagger retry`), where nothing else is known to wait."""
        if is_idle and (waiting := self.waiting()):
            self.add_work(waiting)

    @retried
    def mark_missing(self, ids: str, moves: int) -> None:
        """Mark files as gone, by a JSON list of their rows, where they are at rest and thought to be there.

        What has moved after the move of the id `moves` is not where it was looked for.
        """
        with self._database.write() as connection:
            transitions.mark_missing(connection, ids, self._now(), moves)

    @retried
    def is_paused(self) -> bool:
        """Return whether people want no file to be taken."""
        with self._database.read() as connection:
            return paused_since(connection) is not None

    @retried
    def waiting(self, state: State = State.PENDING) -> int:
        """Return how many files of these sources are in a state."""
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).where(in_state(state), self._ours)) or 0

    def add_work(self, files: int) -> None:
        """Note that files became work, and that there may be more of it."""
        with self.changed:
            self.admitted += files
            self.version += 1
            self.changed.notify_all()

    @retried
    def _admit(self, stamps: Sequence[Stamp], origin: Origin) -> None:
        with self._database.write() as connection:
            transitions.admit(connection, self._roots, stamps, origin, self._now())

    @retried
    def _acquit(self, stamps: Sequence[Stamp]) -> None:
        with self._database.write() as connection:
            transitions.acquit(connection, stamps)

    @retried
    def _requeue_due(self) -> int:
        with self._database.write() as connection:
            return transitions.requeue_due(connection, self._ours, self._now())

    @retried
    def _register(self, roots: Mapping[str, str]) -> Roots:
        with self._database.write() as connection:
            sources.register(connection, self._database.name, roots)
            return Roots(connection)

    @retried
    def _sources_of_others(self, names: Iterable[str]) -> set[str]:
        with self._database.read() as connection:
            rows = connection.execute(select(source.c.name, source.c.model_id, source.c.taxonomy_id))
            read = {row.name: {"model": row.model_id, "taxonomy": row.taxonomy_id} for row in rows}
        return {name for name in names if read.get(name) != self._current[name]}


def _current(registered: Registered, names: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return by what each source's pictures are to be tagged."""
    return {name: {"model": registered.model_of(name), "taxonomy": registered.taxonomy} for name in names}
