"""A database that cannot be written for a while: work waits, says so once, and goes on."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tagger.errors import DatabaseError
from tagger.records import Origin
from tests.integration.shelf import Shelf

PAUSED = "work pauses until it can be written"


class Ear(logging.Handler):
    """Waits for a line of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if PAUSED in record.getMessage():
            self.heard.set()


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear, log = Ear(), logging.getLogger("tagger")
    log.addHandler(ear)
    log.setLevel(logging.INFO)
    yield ear
    log.removeHandler(ear)
    log.setLevel(logging.NOTSET)


@contextmanager
def another_program_writes(shelf: Shelf) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(shelf.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_a_locked_database_is_waited_for(shelf: Shelf, ear: Ear) -> None:
    stamps = [shelf.stamp(f"{number}.jpg") for number in range(3)]
    admissions = [threading.Thread(target=shelf.queue.admit, args=([one], Origin.SCAN)) for one in stamps]
    with another_program_writes(shelf) as other:
        for admission in admissions:
            admission.start()
        assert ear.heard.wait(60)
        other.execute("COMMIT")
    for admission in admissions:
        admission.join(60)
    assert len(shelf.queue.claim(9)) == 3
    assert sum(PAUSED in line for line in ear.lines) == 1
    assert ear.lines[-1] == "the database can be written again; work goes on"


def test_a_stop_does_not_wait_for_ever(shelf: Shelf) -> None:
    shelf.database.write_retry.give_up_at(0)
    with (
        another_program_writes(shelf),
        pytest.raises(DatabaseError, match="another program is writing to it"),
    ):
        shelf.queue.admit([shelf.stamp("a.jpg")], Origin.SCAN)
    assert not shelf.database.write_retry.is_waiting


@pytest.mark.parametrize("replace", [False, True])
def test_a_database_that_was_deleted_or_replaced_is_not_written_to_any_more(
    shelf: Shelf, replace: bool
) -> None:
    shelf.file.unlink()
    if replace:
        shelf.file.write_bytes(b"")
    with pytest.raises(DatabaseError, match="was deleted or replaced while in use"):
        shelf.queue.admit([shelf.stamp("a.jpg")], Origin.SCAN)
    with pytest.raises(DatabaseError, match="was deleted or replaced while in use"):
        shelf.database.check()


def test_closing_a_replaced_database_leaves_the_new_one_alone(shelf: Shelf) -> None:
    shelf.file.unlink()
    with closing(sqlite3.connect(shelf.file)) as new:
        new.execute("PRAGMA journal_mode = WAL")
        new.execute("CREATE TABLE notes (line)")
        shelf.database.close()
        new.execute("INSERT INTO notes VALUES ('kept')")
        new.commit()
    with closing(sqlite3.connect(shelf.file)) as new:
        assert new.execute("SELECT * FROM notes").fetchall() == [("kept",)]
        assert new.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
