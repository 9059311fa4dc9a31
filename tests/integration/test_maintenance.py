"""What nobody waits for: rows that are too old, and a log that is copied back. On a real database."""

import os
import sqlite3
import threading
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from tagger.pipeline.maintenance import Maintenance
from tagger.records import Origin
from tagger.store.queue.retention import Retention
from tagger.supervision import Closed
from tests.integration.shelf import NOON, Shelf

DAY = timedelta(days=1)
NOW = int(NOON.timestamp()) * 10**9


def one_round(shelf: Shelf, **days: int) -> None:
    care = Maintenance(shelf.database, Retention(days, lambda: NOW))
    stage = threading.Thread(target=_to_the_end, args=[care])
    stage.start()
    while any(shelf.sql("SELECT 1 FROM file WHERE path LIKE 'old%' AND state <> 'busy'")):
        assert stage.is_alive()
    care.close()
    stage.join()


def _to_the_end(care: Maintenance) -> None:
    with suppress(Closed):
        while True:
            care.step()


def test_what_is_older_than_its_source_keeps_is_forgotten_and_all_that_was_known_of_it(shelf: Shelf) -> None:
    for number in range(450):
        shelf.tag(shelf.stamp(f"old{number}.jpg", age=8 * DAY), {"tabby": 0.9})
    shelf.tag(shelf.stamp("new.jpg", age=6 * DAY), {"tabby": 0.9})
    shelf.tag(shelf.stamp("for ever.jpg", "phone", age=999 * DAY), {"tabby": 0.9})
    one_round(shelf, cam=7, phone=0)
    assert shelf.sql("SELECT path FROM top_tag ORDER BY path") == [
        ("/data/cam/new.jpg",),
        ("/data/phone/for ever.jpg",),
    ]
    for table in ("reading", "tag", "category_score"):
        assert shelf.sql(f"SELECT count(DISTINCT file_id) FROM {table}") == [(2,)]  # noqa: S608


def test_what_waits_is_forgotten_too_and_what_is_in_hand_is_not(shelf: Shelf) -> None:
    in_hand = shelf.stamp("old in hand.jpg", age=8 * DAY)
    shelf.admitted(in_hand)
    shelf.queue.admit([shelf.stamp("old.jpg", age=9 * DAY)], Origin.SCAN)
    one_round(shelf, cam=7)
    assert shelf.sql("SELECT path, state FROM file") == [("old in hand.jpg", "busy")]
    shelf.queue.release([in_hand])
    one_round(shelf, cam=7)
    assert shelf.sql("SELECT path FROM file") == []


@pytest.mark.parametrize(("age", "kept"), [(6 * DAY, True), (8 * DAY, False), (-DAY, True)])
def test_a_file_is_as_old_as_its_modification_time(shelf: Shelf, age: timedelta, kept: bool) -> None:
    retention = Retention({"cam": 7, "phone": 0}, lambda: NOW)
    assert retention.keeps(shelf.stamp("a.jpg", age=age)) is kept
    assert retention.keeps(shelf.stamp("a.jpg", "phone", age=999 * DAY))


def log(shelf: Shelf) -> Path:
    return shelf.file.with_name("tags.db-wal")


def long_ago(shelf: Shelf) -> None:
    os.utime(log(shelf), (1, 1))


def test_a_log_at_rest_is_copied_back_and_one_that_is_written_to_is_not(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), {"tabby": 0.9})
    assert not shelf.database.log_rests_for(30)
    long_ago(shelf)
    assert shelf.database.log_rests_for(30)
    shelf.database.checkpoint()
    assert log(shelf).stat().st_size == 0
    assert not shelf.database.log_rests_for(30)
    copy = shelf.file.with_name("copy.db")
    copy.write_bytes(shelf.file.read_bytes())
    with closing(sqlite3.connect(f"file:{copy}?mode=rw", uri=True)) as alone:
        assert alone.execute("SELECT label FROM top_tag").fetchall() == [("tabby",)]


def test_a_reader_is_neither_waited_for_nor_disturbed(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), {"tabby": 0.9})
    with closing(sqlite3.connect(shelf.file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        before = reader.execute("SELECT count(*) FROM top_tag").fetchone()
        shelf.tag(shelf.stamp("b.jpg"), {"tabby": 0.9})
        shelf.database.checkpoint()
        assert reader.execute("SELECT count(*) FROM top_tag").fetchone() == before
    shelf.tag(shelf.stamp("c.jpg"), {"tabby": 0.9})
    assert shelf.sql("SELECT count(*) FROM top_tag") == [(3,)]


def test_a_copy_is_one_file_that_can_be_read_where_nothing_can_be_written(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), {"tabby": 0.9})
    copy = shelf.file.with_name("copy.db")
    shelf.database.back_up(copy)
    with closing(sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)) as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert reader.execute("SELECT label FROM top_tag").fetchall() == [("tabby",)]
    assert not [path for path in shelf.file.parent.iterdir() if path.name.startswith("copy.db.")]


def test_damage_is_found_and_named(shelf: Shelf) -> None:
    assert list(shelf.database.faults()) == []
    shelf.tag(shelf.stamp("a.jpg"), {"tabby": 0.9})
    with closing(sqlite3.connect(shelf.file, isolation_level=None)) as vandal:
        vandal.execute("DELETE FROM model")
    assert any("refers to a row of model that is not there" in fault for fault in shelf.database.faults())


HOUR = 3600 * 10**9


class Clock:
    """The wall's, which leaps, and the time since boot, which does not; both in nanoseconds."""

    def __init__(self) -> None:
        self.wall, self.boot = NOW, 10 * HOUR

    def pass_by(self, hours: float, leap: float = 0) -> None:
        self.wall += int((hours + leap) * HOUR)
        self.boot += int(hours * HOUR)


def test_after_the_clock_leapt_nothing_is_forgotten_for_a_day(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    retention = Retention({"cam": 7}, lambda: clock.wall, lambda: clock.boot)
    clock.pass_by(100)  # asleep or not
    assert retention.may_forget()
    clock.pass_by(1, leap=300 * 24)
    assert not retention.may_forget()
    clock.pass_by(23)
    assert not retention.may_forget()
    clock.pass_by(2)
    assert retention.may_forget()
    assert caplog.messages == ["the clock leapt by +7200.0 hours; keep_days forgets nothing for a day"]


def test_a_clock_that_leapt_and_came_back_is_believed_at_once() -> None:
    clock = Clock()
    retention = Retention({"cam": 7}, lambda: clock.wall, lambda: clock.boot)
    clock.pass_by(1, leap=24)
    assert not retention.may_forget()
    clock.pass_by(1, leap=-24)
    assert retention.may_forget()
    clock.pass_by(1, leap=24)
    assert not retention.may_forget()


def test_a_clock_that_leaps_while_a_daemon_works_has_no_row_forgotten(shelf: Shelf) -> None:
    for number in range(5):
        shelf.tag(shelf.stamp(f"{number}.jpg"), {"tabby": 0.9})
    clock, seconds = Clock(), 0.0
    care = Maintenance(
        shelf.database, Retention({"cam": 7}, lambda: clock.wall, lambda: clock.boot), lambda: seconds
    )
    care.close()  # so that it does not rest
    for leap in (0, 300 * 24):
        clock.pass_by(1.1, leap)
        with suppress(Closed):
            care.step()
        seconds += 4000
    assert shelf.sql("SELECT count(*) FROM top_tag") == [(5,)]
