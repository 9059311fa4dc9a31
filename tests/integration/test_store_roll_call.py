"""Who is missing: a roll call on a real database."""

from datetime import timedelta

from tagger.records import Failed, Gone, Stamp
from tagger.store.roll_call import RollCall
from tests.integration.shelf import Shelf, rewritten

GONE = "SELECT path FROM file WHERE missing_since IS NOT NULL AND state = 'gone' ORDER BY path"


def tagged_files(shelf: Shelf, count: int, source: str = "cam") -> list[Stamp]:
    stamps = [shelf.stamp(f"{number:03}.jpg", source) for number in range(count)]
    for stamp in stamps:
        shelf.tag(stamp, {"tabby": 0.9})
    return stamps


def call(shelf: Shelf, met: list[Stamp]) -> RollCall:
    """A roll call that these stamps answer, as a scan has it."""
    roll = shelf.journal.roll_call("cam")
    shelf.journal.differences(met, roll.answer)
    return roll


def absent(roll: RollCall) -> dict[str, int]:
    return {path: id_ for page in roll.absent() for id_, path in page}


def scan(shelf: Shelf, met: list[Stamp]) -> None:
    """A scan that finds these files, and nothing else."""
    roll = call(shelf, met)
    roll.mark(list(absent(roll).values()))


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
    shelf.now += timedelta(hours=1)
    scan(shelf, stamps[1:])
    assert shelf.sql("SELECT missing_since FROM file WHERE state = 'gone'") == [("2024-05-01 12:00:00.000",)]
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
