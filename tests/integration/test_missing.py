"""Who is missing: a roll call on a real database."""

import zlib
from datetime import timedelta

import pytest
from sqlalchemy import update

from tagger.host.mounts import Volume
from tagger.records import Failed, Gone, Stamp
from tagger.store.core.schema import source
from tagger.store.queue import absence
from tagger.store.queue.absence import APART
from tagger.store.queue.missing import MissingFiles
from tests.integration.shelf import HOME, Shelf, rewritten

GONE = "SELECT path FROM file WHERE missing_since IS NOT NULL AND state = 'gone' ORDER BY path"


def tagged_files(shelf: Shelf, count: int, source: str = "cam") -> list[Stamp]:
    stamps = [shelf.stamp(f"{number:03}.jpg", source) for number in range(count)]
    for stamp in stamps:
        shelf.tag(stamp, {"tabby": 0.9})
    return stamps


def call(shelf: Shelf, met: list[Stamp]) -> MissingFiles:
    """A roll call that these stamps answer, as a scan has it."""
    roll = MissingFiles(shelf.queue, "cam")
    shelf.queue.differences(met, roll.met)
    return roll


def absent(roll: MissingFiles) -> dict[str, int]:
    return {path: id_ for page in roll.unmet() for id_, path in page}


def scan(shelf: Shelf, met: list[Stamp], on: Volume = HOME, after: timedelta = APART) -> None:
    """A scan that finds these files, and nothing else, some time after the last one."""
    shelf.now += after
    roll = call(shelf, met)
    roll.mark(list(absent(roll).values()), on)


def test_where_all_answer_nobody_is_absent(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    tagged_files(shelf, 3, "phone")
    assert absent(call(shelf, stamps)) == {}


def test_who_does_not_answer_is_absent_with_a_whole_path(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    assert list(absent(call(shelf, stamps[1:]))) == [stamps[0].path]


def test_a_file_that_changed_answers_too(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    assert absent(call(shelf, [rewritten(stamps[0]), *stamps[1:]])) == {}


def test_what_is_pending_or_in_hand_or_came_later_need_not_answer(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    shelf.admitted(rewritten(stamps[0]))
    roll = call(shelf, stamps[1:])
    shelf.tag(shelf.stamp("later.jpg"), {"tabby": 0.9})
    assert absent(roll) == {}


def test_who_is_marked_keeps_its_tags_and_is_not_marked_again(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    scan(shelf, stamps[1:])
    scan(shelf, stamps[1:])
    assert shelf.sql("SELECT missing_since FROM file WHERE state = 'gone'") == [("2024-05-01 12:01:00.000",)]
    assert len(shelf.sql("SELECT * FROM top_tag")) == 10


def test_a_failed_file_that_is_gone_is_no_failure_any_more(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    [bad] = shelf.admitted(shelf.stamp("bad.jpg"))
    shelf.writer.write([Failed(bad, "decode", "damaged")])
    scan(shelf, stamps)
    assert shelf.sql("SELECT * FROM failed_files") == []


def test_a_file_that_vanished_while_it_was_read_is_marked_by_the_next_scan(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    [changed] = shelf.admitted(rewritten(stamps[0]))
    shelf.writer.write([Gone(changed)])
    scan(shelf, stamps[1:])
    assert shelf.sql(GONE) == [("000.jpg",)]


def test_a_file_that_comes_back_is_missing_no_more(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    scan(shelf, stamps[1:])
    shelf.tag(stamps[0], {"tabby": 0.9})
    scan(shelf, stamps)
    assert shelf.sql(GONE) == []


def test_many_at_once_are_marked_by_the_second_scan(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    scan(shelf, stamps[3:])
    assert shelf.sql(GONE) == []
    scan(shelf, stamps[3:])
    assert shelf.sql(GONE) == [("000.jpg",), ("001.jpg",), ("002.jpg",)]


def test_many_that_were_back_in_between_are_not_marked(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    for met in (stamps[3:], stamps, stamps[3:]):
        scan(shelf, met)
    assert shelf.sql(GONE) == []


def test_only_what_both_scans_missed_is_marked(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    scan(shelf, stamps[:5])
    scan(shelf, [*stamps[:2], *stamps[5:9]])
    assert shelf.sql(GONE) == [("009.jpg",)]


def test_two_scans_in_a_moment_are_one_and_what_came_back_in_it_is_there(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    scan(shelf, stamps[5:])
    for met in (stamps[4:], stamps[3:]):
        scan(shelf, met, after=timedelta(seconds=2))
    assert shelf.sql(GONE) == []
    scan(shelf, stamps[5:])
    assert shelf.sql(GONE) == [("000.jpg",), ("001.jpg",), ("002.jpg",)]


def test_a_clock_that_is_set_back_begins_anew(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    scan(shelf, stamps[5:])
    scan(shelf, stamps[5:], after=timedelta(days=-300))
    assert shelf.sql(GONE) == []
    scan(shelf, stamps[5:])
    assert len(shelf.sql(GONE)) == 5


BARE, NFS = Volume("ext4", "fedcba9876543210"), Volume("nfs", "nas:/pictures")
NAMELESS = Volume("vfat")


@pytest.mark.parametrize("bare", [BARE, NAMELESS], ids=str)
def test_one_stray_file_where_nothing_is_mounted_has_no_other_marked_ever(
    shelf: Shelf, caplog: pytest.LogCaptureFixture, bare: Volume
) -> None:
    stamps = tagged_files(shelf, 31)
    scan(shelf, stamps)
    for _ in range(4):
        scan(shelf, stamps[:1], bare)
    assert shelf.sql(GONE) == []
    [said] = caplog.messages
    assert f"it is on {bare} now, not on {HOME}, and 30 of its 31 files are not there" in said
    assert "tagger prune --yes" in said
    scan(shelf, stamps[1:])  # it is mounted again, and one was deleted
    assert shelf.sql(GONE) == [("000.jpg",)]


def test_nor_have_a_hundred_files_that_came_there_meanwhile(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    scan(shelf, stamps)
    scan(shelf, stamps[:1], BARE)
    strays = [shelf.stamp(f"stray {number}.jpg") for number in range(100)]
    for stray in strays:
        shelf.tag(stray, {"tabby": 0.9})
    for _ in range(4):
        scan(shelf, [stamps[0], *strays], BARE)
    assert shelf.sql(GONE) == []
    for _ in range(2):  # the rest has been copied there
        scan(shelf, [*stamps[1:], *strays], BARE)
    assert shelf.sql(GONE) == [("000.jpg",)]


def test_a_source_that_moved_to_a_new_disk_is_there_after_two_scans(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    stamps = tagged_files(shelf, 10)
    scan(shelf, stamps)
    scan(shelf, stamps[1:], NFS)
    assert shelf.sql(GONE) == []
    scan(shelf, stamps[1:], NFS)
    assert shelf.sql(GONE) == [("000.jpg",)]
    assert caplog.messages[-1] == "cam: it lies on nfs nas:/pictures from now on"
    scan(shelf, stamps[2:], NFS)
    assert shelf.sql(GONE) == [("000.jpg",), ("001.jpg",)]


def test_a_disk_that_is_swapped_for_a_third_one_between_two_scans_is_no_new_place(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    for on in (HOME, NFS, BARE, NFS):
        scan(shelf, stamps[1:] if on != HOME else stamps, on)
    assert shelf.sql(GONE) == []


def test_on_a_file_system_that_cannot_be_told_from_others_each_file_takes_two_scans(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    scan(shelf, stamps, NAMELESS)
    scan(shelf, stamps[1:], NAMELESS)
    assert shelf.sql(GONE) == []
    scan(shelf, stamps[2:], NAMELESS)
    assert shelf.sql(GONE) == [("000.jpg",)]
    scan(shelf, stamps[2:], NAMELESS)
    assert shelf.sql(GONE) == [("000.jpg",), ("001.jpg",)]


def test_what_people_say_is_its_place_is_believed(shelf: Shelf) -> None:
    stamps = tagged_files(shelf, 10)
    scan(shelf, stamps)
    scan(shelf, stamps[9:], NFS)
    absence.move_to(shelf.database, "cam", NFS)
    for _ in range(2):
        scan(shelf, stamps[9:], NFS)
    assert len(shelf.sql(GONE)) == 9


@pytest.mark.parametrize("written", [b"", b"no zlib", zlib.compress(b"odd"), zlib.compress(bytes(10**7))])
def test_what_somebody_else_wrote_into_its_memory_is_none(shelf: Shelf, written: bytes) -> None:
    stamps = tagged_files(shelf, 10)
    scan(shelf, stamps[5:])
    with shelf.database.write() as connection:
        connection.execute(update(source).values(vanished=written))
    scan(shelf, stamps[5:])
    assert shelf.sql(GONE) == []
    scan(shelf, stamps[5:])
    assert len(shelf.sql(GONE)) == 5
