"""Every change of a file's state, and nothing else that can change it. Each function here is a part of its caller's transaction.

from                       to           when
─────────────────────────  ───────────  ──────────────────────────────────────────────────────────────────
(no row)                   pending      admit: a new file
any but busy               pending      admit: it changed, was thought gone, or its tags are stale
busy                       busy         admit: seen again as it was; it is not handed out twice
busy                       pending      admit: it changed in hand, and what comes of it is dropped
pending                    busy         claim
busy                       pending      release: it was claimed and not begun
busy                       done         finish: tagged, in the transaction of its tags
busy                       failed       finish: it could not be tagged
busy                       gone         finish: it vanished or changed while it was read, and has tags of before
busy                       pending      finish: its twin, whose tags it should get, has gone meanwhile
busy                       (no row)     finish: it vanished or changed while it was read, and never had tags
busy                       suspect      suspect: found busy at a start, so it was in hand in a process that died
suspect                    pending      acquit: it survived alone or with others
suspect                    suspect      record_crash: it ended a process alone, for the first or second time
suspect                    quarantined  record_crash: for the third time
failed                     pending      requeue_due: its time to be tried again has come
failed                     pending      retry: people ask for it
quarantined                suspect      retry: and it must not take the others with it
done                       pending      retag: people ask for other tags
done failed quarantined    gone         mark_missing: a scan did not find it
gone                       gone         mark_missing: likewise, where only its reader had missed it
any but busy gone          the same     move: its file is at another path, as it was
busy gone                  pending      move: likewise; it is read once more, and what comes of one in hand is dropped
any but busy suspect       busy         take_over: its content is what was just read at another path
busy                       (no row)     take_over: the row of that other path, which never had tags
gone                       (no row)     forget.prune
any but busy               (no row)     forget.expire: older than its source's keep_days
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    and_,
    bindparam,
    case,
    delete,
    exists,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import Insert, insert

from tagger.records import Failed, Origin, Stamp
from tagger.store.core.columns import instant_text
from tagger.store.core.file_moves import file_move
from tagger.store.core.listed import listed
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import State, file, in_state
from tagger.store.queue.moves import Former
from tagger.store.queue.stamps import COLUMNS, Roots, Row, find

CRASHES = 3
"""A file that ends whoever looks at it is quarantined after so many times alone: once may be chance."""

FIRST_RETRY, LAST_RETRY = timedelta(minutes=1), timedelta(days=1)
"""How long a failed file rests the first time, and at the most."""

_SOME = 100
_THIS = and_(file.c.id == bindparam("this_file"), in_state(State.BUSY))
_NO_FAILURE = {"attempts": 0, "stage": None, "error": None, "next_try_at": None}
_KEYS = (
    "id",
    "source_id",
    "path",
    "size",
    "mtime_ns",
    "ctime_ns",
    "seen_at",
    "state",
    "urgency",
    "missing_since",
)
RESULTS = tuple(column.name for column in file.c if column.name not in (*_KEYS, *_NO_FAILURE))
"""The columns of `file` that tell what is known of its content."""

_MOST_URGENT = (file.c.urgency.desc(), file.c.mtime_ns.desc())
_NEW = (*COLUMNS, file.c.seen_at, file.c.state, file.c.urgency, file.c.attempts)
_THESE = file.c.id.in_(listed("ids"))

AT_REST = or_(file.c.state == State.DONE, *map(in_state, (State.FAILED, State.QUARANTINED, State.GONE)))
"""What is pending or in hand is left out of the search for missing files: its reader finds out by itself."""

STUCK = or_(in_state(State.FAILED), in_state(State.QUARANTINED))
"""What people may ask to be tried again."""


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
            "state": case((and_(same, file.c.state == State.BUSY), State.BUSY), else_=State.PENDING),
            "urgency": case((file.c.urgency > new.urgency, file.c.urgency), else_=new.urgency),
            "attempts": case((same, file.c.attempts), else_=0),
            "next_try_at": None,
            "missing_since": None,
        },
    )


def claim_statement(sources: Sequence[int]) -> Prepared:
    """Return the statement that claims files of these sources."""
    next_up = select(file.c.id).where(in_state(State.PENDING), file.c.source_id.in_(sources))
    next_up = next_up.order_by(*_MOST_URGENT).limit(bindparam("limit", type_=Integer, required=False))
    take = update(file).where(file.c.id.in_(next_up)).values(state=State.BUSY)
    return Prepared(take.returning(*COLUMNS, file.c.urgency), columns=())


def suspects_statement(sources: Sequence[int]) -> Prepared:
    """Return the question for suspects of these sources."""
    some = select(*COLUMNS).where(in_state(State.SUSPECT), file.c.source_id.in_(sources))
    return Prepared(some.order_by(*_MOST_URGENT).limit(_SOME))


_ADMIT = Prepared(_admission(), columns=[column.name for column in _NEW])
_DONE = Prepared(update(file).where(_THIS).values(state=State.DONE, urgency=0, **_NO_FAILURE), RESULTS)
_FAILED = Prepared(
    update(file).where(_THIS).values(state=State.FAILED, urgency=0, **dict.fromkeys(RESULTS)), _NO_FAILURE
)
_GONE = Prepared(update(file).where(_THIS).values(state=State.GONE, urgency=0), [])
_WAIT = Prepared(update(file).where(_THIS).values(state=State.PENDING), [])
_DROP = Prepared(delete(file).where(_THIS))
_MOVED = select(file_move.c.file_id).where(file_move.c.id > bindparam("moves"))
_MARK_MISSING = Prepared(
    update(file)
    .where(_THESE, file.c.missing_since.is_(None), AT_REST, file.c.id.not_in(_MOVED))
    .values(state=State.GONE, urgency=0),
    ["missing_since"],
)
_OTHER = file.alias("other")
_NEW_SOURCE: BindParameter[int] = bindparam("new_source")
_NEW_PATH: BindParameter[str] = bindparam("new_path")
_AS_IT_WAS = and_(
    file.c.id == bindparam("old_id"),
    file.c.path == bindparam("old_path"),
    file.c.ctime_ns == bindparam("old_ctime"),
)
_IS_TAKEN = exists().where(_OTHER.c.source_id == _NEW_SOURCE, _OTHER.c.path == _NEW_PATH)
_READ_ONCE_MORE = or_(file.c.state == State.GONE, file.c.state == State.BUSY)
_THERE = update(file).where(_AS_IT_WAS).values(source_id=_NEW_SOURCE, path=_NEW_PATH, missing_since=None)
_MAY_MOVE = Prepared(select(_READ_ONCE_MORE).where(_AS_IT_WAS, not_(_IS_TAKEN)))
_MOVE = Prepared(
    _THERE.values(
        state=case((_READ_ONCE_MORE, State.PENDING), else_=file.c.state),
        urgency=case((file.c.state == State.GONE, Origin.SCAN.urgency), else_=file.c.urgency),
    ),
    [],
)
_MAY_TAKE_OVER = Prepared(
    select(file.c.id).where(_AS_IT_WAS, file.c.state != State.BUSY, file.c.state != State.SUSPECT)
)
_TAKE_OVER = Prepared(_THERE.values(state=State.BUSY, **_NO_FAILURE), ["size", "mtime_ns", "ctime_ns"])
_RETAG = Prepared(
    update(file)
    .where(_THESE, file.c.state == State.DONE)
    .values(state=State.PENDING, urgency=Origin.SCAN.urgency)
    .returning(file.c.id),
    [],
)
_RETRY = {
    "state": case((file.c.state == State.QUARANTINED, State.SUSPECT), else_=State.PENDING),
    "urgency": Origin.CLI.urgency,
    "attempts": 0,
    "next_try_at": None,
}


def admit(
    connection: Connection, roots: Roots, stamps: Sequence[Stamp], origin: Origin, now: datetime
) -> None:
    """Make work of files. Urgency only rises; a change forgets the attempts that failed."""
    seen = (instant_text(now), State.PENDING, origin.urgency, 0)
    names = [column.name for column in _NEW]
    _ADMIT.each(connection, [dict(zip(names, roots.values(stamp) + seen, strict=True)) for stamp in stamps])


def claim(connection: Connection, statement: Prepared, roots: Roots, limit: int) -> list[Stamp]:
    """Return the most urgent files, now busy: what people asked for, then new, then backlog, newest first."""
    rows = statement.rows(connection, limit=limit)
    stamps = [(urgency, roots.stamp(*values)) for *values, urgency in rows]
    stamps.sort(key=lambda claimed: (claimed[0], claimed[1].mtime_ns), reverse=True)
    return [stamp for _, stamp in stamps]


def release(connection: Connection, stamps: Sequence[Stamp]) -> None:
    """Return files to the queue that were claimed and not begun."""
    _turn(connection, stamps, State.BUSY, {"state": State.PENDING})


def suspect(connection: Connection) -> None:
    """Suspect what was in hand when an earlier process died."""
    connection.execute(update(file).where(in_state(State.BUSY)).values(state=State.SUSPECT))


def acquit(connection: Connection, stamps: Sequence[Stamp]) -> None:
    """Return suspects that survived to pending, their failures forgotten."""
    innocent = {"state": State.PENDING, "attempts": 0, "stage": None, "error": None}
    _turn(connection, stamps, State.SUSPECT, innocent)


def record_crash(connection: Connection, stamp: Stamp, reason: str) -> None:
    """Record a crash of this suspect alone; quarantine it at the third."""
    final = file.c.attempts >= CRASHES - 1
    crash = {
        "attempts": file.c.attempts + 1,
        "state": case((final, State.QUARANTINED), else_=State.SUSPECT),
        "urgency": case((final, 0), else_=file.c.urgency),
        "stage": "trial",
        "error": reason,
    }
    _turn(connection, [stamp], State.SUSPECT, crash)


def requeue_due(connection: Connection, ours: ColumnElement[bool], now: datetime) -> int:
    """Make work of failed files whose time to be tried again has come; return how many they are.

    So are those that rest for longer than any failure calls for: the clock was set back.
    """
    at = file.c.next_try_at
    due = and_(in_state(State.FAILED), ours, or_(at <= now, at > now + LAST_RETRY))
    return connection.execute(update(file).where(due).values(state=State.PENDING)).rowcount


def mark_missing(connection: Connection, ids: str, now: datetime, moves: int) -> None:
    """Mark files as gone, by a JSON list of their rows, where they are at rest and thought to be there.

    What has moved after the move of the id `moves` is not where it was looked for.
    """
    _MARK_MISSING.rows(connection, ids=ids, missing_since=instant_text(now), moves=moves)


def move(connection: Connection, roots: Roots, old: Former, stamp: Stamp) -> bool | None:
    """Move a row to where its file is now, unchanged; return whether it became work, None where it is not to be moved any more."""
    source_id, path, *_ = roots.values(stamp)
    place = {"new_source": source_id, "new_path": path, **_as_it_was(old)}
    found = _MAY_MOVE.rows(connection, **place)
    if not found:
        return None
    _MOVE.rows(connection, **place)
    return bool(found[0][0])


def take_over(connection: Connection, old: Former, stamp: Stamp) -> bool:
    """Let the row of an old path take the place of a new one in hand, whose file is of the same content.

    Return whether it did: not where either is no longer what it was, or the new row has tags of its own.
    """
    new = claimed(connection, [stamp]).get(stamp)
    if new is None or new.tagged or not _MAY_TAKE_OVER.rows(connection, **_as_it_was(old)):
        return False
    _DROP.rows(connection, this_file=new.id)
    source_id, path, *seen = Roots(connection).values(stamp)
    values = dict(zip(("size", "mtime_ns", "ctime_ns"), seen, strict=True))
    _TAKE_OVER.rows(connection, new_source=source_id, new_path=path, **values, **_as_it_was(old))
    return True


def claimed(connection: Connection, stamps: Iterable[Stamp]) -> dict[Stamp, Row]:
    """Return the rows of those stamps that are still their files', and in hand: of all others nothing is to be stored."""
    return {stamp: row for stamp, row in find(connection, stamps).items() if row.state == State.BUSY}


def finish_done(connection: Connection, rows: Iterable[dict[str, object]]) -> None:
    """Finish files that were tagged, with all of RESULTS: each row names its file as `this_file`."""
    _DONE.each(connection, rows)


def finish_failed(connection: Connection, row: Row, failed: Failed, now: datetime) -> None:
    """Finish a file that could not be tagged: what was known of its content goes, and its next attempt is set."""
    _FAILED.rows(
        connection,
        this_file=row.id,
        stage=failed.stage,
        error=failed.reason.encode(errors="backslashreplace").decode(),  # it may quote a path
        attempts=row.attempts + 1,
        next_try_at=instant_text(now + _delay(row.attempts)) if failed.retryable else None,
    )


def finish_gone(connection: Connection, row: Row) -> None:
    """Finish a file that vanished or changed while it was read. With tags it keeps them; without it leaves no trace.

    Whether it is missing is for a scan to say: its whole folder may be away.
    """
    (_GONE if row.tagged else _DROP).rows(connection, this_file=row.id)


def finish_without_twin(connection: Connection, row: Row) -> None:
    """Let a file wait again that was to get the tags of a twin, which has gone meanwhile."""
    _WAIT.rows(connection, this_file=row.id)


def retry(connection: Connection, which: ColumnElement[bool]) -> int:
    """Make work of failed files, at once, and suspects of quarantined ones; return how many files these are."""
    return connection.execute(update(file).where(STUCK, which).values(_RETRY)).rowcount


def retag(connection: Connection, ids: str) -> int:
    """Make work of tagged files, by a JSON list of their rows, behind all that is new; return how many these are."""
    return len(_RETAG.rows(connection, ids=ids))


def _delay(attempts: int) -> timedelta:
    """Return how long a file rests that failed `attempts` times before: twice as long each time, up to a day."""
    return min(FIRST_RETRY * 2.0 ** min(attempts, 30), LAST_RETRY)


def _as_it_was(old: Former) -> dict[str, object]:
    return {"old_id": old.id, "old_path": old.inside, "old_ctime": old.ctime_ns}


def _turn(
    connection: Connection, stamps: Sequence[Stamp], state: State, values: Mapping[str, object]
) -> None:
    """Give new values to those of the stamps that are in `state` and are still their files'."""
    ids = [row.id for row in find(connection, stamps).values()]
    connection.execute(update(file).where(in_state(state), file.c.id.in_(ids)).values(values))
