"""Every change of a file's state that there is, driven on a real queue; every other is refused; and nobody else writes states."""

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import tagger.store.queue
from tagger.records import Changed, Failed, Gone, Known, Origin, Outcome, Stamp
from tagger.store.core.schema import State
from tagger.store.queue import forget, retry, transitions
from tagger.store.queue.missing import MissingFiles
from tagger.store.queue.moves import Former
from tagger.store.queue.stamps import Roots
from tests.integration.shelf import HOME, Shelf, rewritten, root_of, sha, tagged

SCORES = {"tabby": 0.9}
GONE_ROW = ""
"""Stands for a file that is no longer in the table."""


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path / "tags.db")
    with closing(shelf.database):
        yield shelf


def bring(shelf: Shelf, state: State) -> Stamp:
    """A file with tags, in a state, by the way that files get there."""
    stamp = shelf.stamp("a.jpg", age=timedelta(days=9))
    shelf.tag(stamp, SCORES)
    if state is not State.DONE:
        shelf.queue.admit([stamp], Origin.SCAN)
    if state not in (State.DONE, State.PENDING):
        shelf.queue.claim(1)
    if state is State.FAILED:
        shelf.writer.write([Failed(stamp, "decode", "truncated", retryable=True)])
    if state is State.GONE:
        shelf.writer.write([Gone(stamp)])
    if state in (State.SUSPECT, State.QUARANTINED):
        shelf.queue.suspect()
    if state is State.QUARANTINED:
        for _ in range(3):
            shelf.queue.record_crash(stamp, "it ended the process")
    assert state_of(shelf) == state
    return stamp


def state_of(shelf: Shelf) -> str:
    rows = shelf.sql("SELECT state FROM file")
    return str(rows[0][0]) if rows else GONE_ROW


def write(outcome_of: Callable[[Stamp], Outcome]) -> Callable[[Shelf, Stamp], object]:
    return lambda shelf, stamp: shelf.writer.write([outcome_of(stamp)])


def requeue_due(shelf: Shelf, stamp: Stamp) -> None:
    shelf.now += timedelta(hours=1)
    shelf.queue.requeue_due()


def mark_missing(shelf: Shelf, stamp: Stamp) -> None:
    MissingFiles(shelf.queue, "cam")
    shelf.queue.mark_missing(json.dumps([id_ for (id_,) in shelf.sql("SELECT id FROM file")]), 0)


def retag(shelf: Shelf, stamp: Stamp) -> None:
    retry.retag(shelf.database, [1])


def expire(shelf: Shelf, stamp: Stamp) -> None:
    forget.expire(shelf.database, {"cam": stamp.mtime_ns + 1}, [1])


def former(shelf: Shelf, stamp: Stamp) -> Former:
    inside = stamp.path.removeprefix(f"{root_of('cam')}/")
    [(id_,)] = shelf.sql("SELECT id FROM file WHERE path = ?", inside)
    return Former(int(str(id_)), inside, "cam", root_of("cam"), HOME, 0, stamp.ctime_ns, None, 1, 1)


def move(shelf: Shelf, stamp: Stamp) -> None:
    old, elsewhere = former(shelf, stamp), replace(stamp, path=f"{stamp.path}/moved.jpg")
    with shelf.database.write() as connection:
        transitions.move(connection, Roots(connection), old, elsewhere)


def take_over(shelf: Shelf, stamp: Stamp) -> None:
    """What is read at another path is of its content; where the row stays, what is there is gone again."""
    old, new = former(shelf, stamp), replace(stamp, path=f"{stamp.path}/read.jpg")
    shelf.admitted(new, origin=Origin.WEB)
    with shelf.database.write() as connection:
        is_over = transitions.take_over(connection, old, new)
    if not is_over:
        shelf.writer.write([Gone(new)])


CHANGES: dict[str, Callable[[Shelf, Stamp], object]] = {
    "admit as it was": lambda shelf, stamp: shelf.queue.admit([stamp], Origin.WATCH),
    "admit changed": lambda shelf, stamp: shelf.queue.admit([rewritten(stamp)], Origin.WATCH),
    "claim": lambda shelf, stamp: shelf.queue.claim(9),
    "release": lambda shelf, stamp: shelf.queue.release([stamp]),
    "finish tagged": write(lambda stamp: tagged(stamp, SCORES)),
    "finish failed": write(lambda stamp: Failed(stamp, "decode", "truncated")),
    "finish gone": write(Gone),
    "finish changed": write(Changed),
    "finish without its twin": write(lambda stamp: Known(stamp, sha("of no file"))),
    "suspect": lambda shelf, stamp: shelf.queue.suspect(),
    "acquit": lambda shelf, stamp: shelf.queue.acquit([stamp]),
    "record crash": lambda shelf, stamp: shelf.queue.record_crash(stamp, "it ended the process"),
    "requeue due": requeue_due,
    "retry": lambda shelf, stamp: retry.retry_all(shelf.database),
    "retag": retag,
    "mark missing": mark_missing,
    "move": move,
    "take over": take_over,
    "prune": lambda shelf, stamp: forget.prune(shelf.database, shelf.now + timedelta(days=1)),
    "expire": expire,
}
_ANY = dict.fromkeys(State, State.PENDING)
_ANY_BUSY = dict.fromkeys(State, State.BUSY)
LEGAL: dict[str, dict[State, State | str]] = {
    "admit as it was": {**_ANY, State.BUSY: State.BUSY},
    "admit changed": {**_ANY},
    "claim": {State.PENDING: State.BUSY},
    "release": {State.BUSY: State.PENDING},
    "finish tagged": {State.BUSY: State.DONE},
    "finish failed": {State.BUSY: State.FAILED},
    "finish gone": {State.BUSY: State.GONE},
    "finish changed": {State.BUSY: State.GONE},
    "finish without its twin": {State.BUSY: State.PENDING},
    "suspect": {State.BUSY: State.SUSPECT},
    "acquit": {State.SUSPECT: State.PENDING},
    "record crash": {State.SUSPECT: State.SUSPECT},
    "requeue due": {State.FAILED: State.PENDING},
    "retry": {State.FAILED: State.PENDING, State.QUARANTINED: State.SUSPECT},
    "retag": {State.DONE: State.PENDING},
    "mark missing": {
        State.DONE: State.GONE,
        State.FAILED: State.GONE,
        State.QUARANTINED: State.GONE,
        State.GONE: State.GONE,
    },
    "move": {State.GONE: State.PENDING, State.BUSY: State.PENDING},
    "take over": {**_ANY_BUSY, State.SUSPECT: State.SUSPECT},
    "prune": {},  # of what was marked as missing, which is another test
    "expire": {**dict.fromkeys(State, GONE_ROW), State.BUSY: State.BUSY},
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_leads_where_the_table_says_and_is_refused_from_any_other_state(
    shelf: Shelf, change: str, state: State
) -> None:
    stamp = bring(shelf, state)
    CHANGES[change](shelf, stamp)
    assert state_of(shelf) == LEGAL[change].get(state, state)


def test_the_third_crash_alone_quarantines(shelf: Shelf) -> None:
    stamp = bring(shelf, State.SUSPECT)
    states = []
    for _ in range(3):
        shelf.queue.record_crash(stamp, "it ended the process")
        states.append(state_of(shelf))
    assert states == ["suspect", "suspect", "quarantined"]


@pytest.mark.parametrize("outcome", [Gone, Changed])
def test_what_vanishes_in_hand_and_never_had_tags_leaves_no_row(
    shelf: Shelf, outcome: type[Gone | Changed]
) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.admitted(stamp)
    shelf.writer.write([outcome(stamp)])
    assert state_of(shelf) == GONE_ROW


def test_what_is_marked_as_missing_is_pruned(shelf: Shelf) -> None:
    mark_missing(shelf, bring(shelf, State.DONE))
    CHANGES["prune"](shelf, shelf.stamp("a.jpg"))
    assert state_of(shelf) == GONE_ROW


def test_what_is_refused_leaves_the_tags_as_they_were(shelf: Shelf) -> None:
    stamp = bring(shelf, State.SUSPECT)
    shelf.writer.write([tagged(stamp, {"sports car": 0.8})])
    assert shelf.sql("SELECT label FROM image_tags") == [("tabby",)]


def test_nobody_else_writes_states(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads the SQL that runs, and looks which module it comes from."""
    writers: set[str] = set()

    def trace(statement: str) -> None:
        words = statement.split()
        if words[:2] == ["UPDATE", "file"] and "state=" in statement.partition("WHERE")[0].replace(" ", ""):
            writers.add(_caller())
        if words[:3] == ["INSERT", "INTO", "file"] or words[:3] == ["DELETE", "FROM", "file"]:
            writers.add(_caller())

    connect = sqlite3.connect

    def traced(*args: object, **kwargs: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)  # type: ignore[call-overload]
        connection.set_trace_callback(trace)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    monkeypatch.setattr(sqlite3.dbapi2, "connect", traced)
    other = Shelf(shelf.file.with_name("other.db"))
    with closing(other.database):
        for change in CHANGES:
            stamp = other.stamp(f"{change}.jpg", age=timedelta(days=9))
            other.admitted(stamp)
            CHANGES[change](other, stamp)
    assert writers == {"transitions.py", "forget.py"}


def _caller() -> str:
    """The module of the store that asked for the statement that runs now."""
    frame, own = sys._getframe(1), Path(tagger.store.queue.__file__).parents[1]
    while frame := frame.f_back:  # type: ignore[assignment]
        file = Path(frame.f_code.co_filename)
        if own in file.parents and file.parent.name != "core":
            return file.name
    raise AssertionError("a statement of nobody's")
