from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tagger.errors import DatabaseError
from tagger.records import Failed, Gone, Known, ModelIdentity, Origin
from tagger.search.query import Name
from tagger.store.core.schema import State
from tagger.store.queue import queries
from tagger.store.queue.file_queue import FileQueue
from tagger.store.search import found
from tests.integration.shelf import RESNET, TAXONOMY, Shelf, rewritten, sha, tagged

MINUTE = timedelta(minutes=1)


def states(shelf: Shelf) -> dict[State, int]:
    return {state: count for state, count in queries.status(shelf.database).files.items() if count}


def test_only_files_that_are_new_or_have_changed_are_differences(shelf: Shelf) -> None:
    done, waiting, busy, new = (
        shelf.stamp(name) for name in ("done.jpg", "waiting.jpg", "busy.jpg", "new.jpg")
    )
    shelf.tag(done, {"tabby": 0.9})
    shelf.admitted(busy)
    shelf.queue.admit([waiting], Origin.SCAN)
    assert shelf.queue.differences([done, waiting, busy, new]) == [new]
    assert shelf.queue.differences([rewritten(done), rewritten(waiting)]) == [
        rewritten(done),
        rewritten(waiting),
    ]


def test_a_folder_of_any_size_can_be_compared_at_once(shelf: Shelf) -> None:
    stamps = [shelf.stamp(f"{number}.jpg") for number in range(40_000)]
    shelf.queue.admit(stamps[:-1], Origin.SCAN)
    assert shelf.queue.differences(stamps) == stamps[-1:]


def test_a_file_that_failed_for_good_is_no_difference_until_it_changes(shelf: Shelf) -> None:
    [stamp] = shelf.admitted(shelf.stamp("text.jpg"))
    shelf.writer.write([Failed(stamp, "decode", "not a picture")])
    assert shelf.queue.differences([stamp, rewritten(stamp)]) == [rewritten(stamp)]


def test_a_file_that_comes_back_is_a_difference(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, {"tabby": 0.9})
    shelf.admitted(stamp)
    shelf.writer.write([Gone(stamp)])
    assert shelf.queue.differences([stamp]) == [stamp]


def test_sources_with_files_of_the_same_name_do_not_mix(shelf: Shelf) -> None:
    cam, phone = shelf.stamp("1.jpg"), shelf.stamp("1.jpg", "phone")
    shelf.tag(cam, {"tabby": 0.9})
    assert shelf.queue.differences([cam, phone]) == [phone]


def test_files_are_claimed_by_urgency_then_newest_first(shelf: Shelf) -> None:
    seen_by = {"old scan": Origin.SCAN, "scan": Origin.SCAN, "old watch": Origin.WATCH, "cli": Origin.CLI}
    for age, (name, origin) in enumerate(seen_by.items()):
        shelf.queue.admit([shelf.stamp(name, age=-age * MINUTE)], origin)
    shelf.queue.admit([shelf.stamp("watch", age=-9 * MINUTE)], Origin.WATCH)
    order = [Path(stamp.path).name for _ in range(3) for stamp in shelf.queue.claim(2)]
    assert order == ["cli", "watch", "old watch", "scan", "old scan"]
    assert shelf.queue.claim(2) == []


def test_a_scan_does_not_make_a_file_less_urgent(shelf: Shelf) -> None:
    asked_for, new = shelf.stamp("asked.jpg", age=MINUTE), shelf.stamp("new.jpg")
    shelf.queue.admit([asked_for], Origin.CLI)
    shelf.queue.admit([new], Origin.WATCH)
    shelf.queue.admit([asked_for], Origin.SCAN)
    assert shelf.queue.claim(1) == [asked_for]


def test_a_file_in_hand_is_not_handed_out_twice_unless_it_changed(shelf: Shelf) -> None:
    [stamp] = shelf.admitted(shelf.stamp("a.jpg"))
    shelf.queue.admit([stamp], Origin.WATCH)
    assert shelf.queue.claim(1) == []
    shelf.queue.admit([rewritten(stamp)], Origin.WATCH)
    assert shelf.queue.claim(1) == [rewritten(stamp)]


def test_a_path_keeps_when_it_was_first_seen(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, {"tabby": 0.9})
    shelf.now += MINUTE
    shelf.tag(rewritten(stamp), {"tabby": 0.8})
    assert shelf.sql("SELECT score, seen_at FROM top_tag") == [(0.8, "2024-05-01 12:00:00.000")]


def test_files_not_begun_wait_again(shelf: Shelf) -> None:
    stamps = shelf.admitted(shelf.stamp("a.jpg"), shelf.stamp("b.jpg"))
    shelf.queue.release(stamps[:1])
    assert (shelf.queue.waiting(), shelf.queue.claim(9)) == (1, stamps[:1])


def test_what_a_killed_worker_had_in_hand_waits_again_once_it_is_acquitted(shelf: Shelf) -> None:
    stamps = shelf.admitted(shelf.stamp("a.jpg"), shelf.stamp("b.jpg"))
    shelf.queue.suspect()
    assert shelf.queue.waiting(State.SUSPECT) == 2
    assert shelf.queue.claim(9) == []
    assert set(shelf.queue.suspects()) == set(stamps)
    shelf.queue.acquit(stamps)
    assert set(shelf.queue.claim(9)) == set(stamps)
    assert shelf.queue.suspects() == []


def test_a_suspect_that_kills_three_times_is_quarantined(shelf: Shelf) -> None:
    [stamp] = shelf.admitted(shelf.stamp("bad.jpg"))
    shelf.queue.suspect()
    for _ in range(3):
        assert shelf.queue.suspects() == [stamp]
        shelf.queue.record_crash(stamp, "killed by SIGSEGV")
    assert shelf.queue.suspects() == []
    [failure] = queries.failures(shelf.database)
    assert (failure.state, failure.attempts, failure.error) == (State.QUARANTINED, 3, "killed by SIGSEGV")
    assert shelf.queue.differences([stamp, rewritten(stamp)]) == [rewritten(stamp)]


def test_a_suspect_that_survives_has_a_clean_slate(shelf: Shelf) -> None:
    [stamp] = shelf.admitted(shelf.stamp("a.jpg"))
    for _ in range(5):
        shelf.queue.suspect()
        for _ in range(2):
            shelf.queue.record_crash(stamp, "killed by SIGKILL")
        shelf.queue.acquit([stamp])
        assert shelf.queue.claim(1) == [stamp]


def test_a_suspect_that_was_rewritten_is_not_judged_for_what_it_was(shelf: Shelf) -> None:
    [stamp] = shelf.admitted(shelf.stamp("a.jpg"))
    shelf.queue.suspect()
    shelf.queue.admit([rewritten(stamp)], Origin.WATCH)
    for _ in range(3):
        shelf.queue.record_crash(stamp, "killed by SIGSEGV")
    assert shelf.queue.claim(9) == [rewritten(stamp)]


def test_a_clock_that_is_set_back_keeps_no_failed_file_waiting(shelf: Shelf) -> None:
    [stamp] = shelf.admitted(shelf.stamp("a.jpg"))
    shelf.writer.write([Failed(stamp, "read", "Input/output error", retryable=True)])
    shelf.now -= timedelta(days=365)
    assert shelf.queue.requeue_due() == 1


def test_a_failed_file_is_tried_again_later_and_later(shelf: Shelf) -> None:
    [stamp] = shelf.admitted(shelf.stamp("a.jpg"))
    for wait in (1, 2, 4):
        shelf.writer.write([Failed(stamp, "read", "Input/output error", retryable=True)])
        shelf.now += wait * MINUTE - timedelta(seconds=1)
        assert shelf.queue.requeue_due() == 0
        shelf.now += timedelta(seconds=1)
        assert (shelf.queue.requeue_due(), shelf.queue.claim(1)) == (1, [stamp])


def test_a_file_is_tried_again_at_least_daily(shelf: Shelf) -> None:
    [stamp] = shelf.admitted(shelf.stamp("a.jpg"))
    for _ in range(40):
        shelf.writer.write([Failed(stamp, "read", "Input/output error", retryable=True)])
    shelf.now += timedelta(days=1)
    assert shelf.queue.requeue_due() == 1


def test_a_file_that_failed_for_good_is_not_tried_again(shelf: Shelf) -> None:
    [stamp] = shelf.admitted(shelf.stamp("a.jpg"))
    shelf.writer.write([Failed(stamp, "decode", "not a picture")])
    shelf.now += timedelta(days=365)
    assert shelf.queue.requeue_due() == 0


def test_content_is_known_to_the_model_that_tagged_it_and_to_no_other(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), {"tabby": 0.9}, content="cat")
    assert shelf.writer.knows("cam", sha("cat"))
    assert not shelf.writer.knows("cam", sha("dog"))
    assert not shelf.writer_for(replace(RESNET, preprocessing="256/224")).knows("cam", sha("cat"))
    assert not shelf.writer_for(ModelIdentity("resnet50", "cd", "256/224")).knows("cam", sha("cat"))
    assert not shelf.writer_for(RESNET, replace(TAXONOMY, sha256="0ther")).knows("cam", sha("cat"))


def test_what_another_model_tagged_is_work_until_a_whole_scan_has_found_it(shelf: Shelf) -> None:
    stamps = [shelf.stamp(f"{name}.jpg") for name in "ab"]
    for stamp in stamps:
        shelf.tag(stamp, {"tabby": 0.9})
    shelf.queue.all_seen("cam")
    assert shelf.queue.differences(stamps) == []
    other = shelf.queue_of(shelf.writer_for(RESNET, replace(TAXONOMY, sha256="0ther")))
    assert other.differences(stamps) == stamps
    other.all_seen("cam")
    assert other.differences(stamps) == []


@pytest.mark.parametrize(
    "name", ["caf\udce9.jpg", "caf\uf7e9.jpg", "line\nbreak.jpg", '\\"quoted".jpg', "日本 🚐 100%.jpg"]
)
def test_any_file_name_makes_the_round_trip(shelf: Shelf, name: str) -> None:
    stamp = shelf.stamp(name)
    assert shelf.admitted(stamp) == [stamp]
    assert shelf.queue.differences([stamp]) == []
    shelf.writer.write([tagged(stamp, {"tabby": 0.9}, content="cat")])
    [hit] = found.search(shelf.database, Name("tabby"), "tabby", 0.3)
    assert hit.picture.path == stamp.path


def test_a_source_that_moved_keeps_its_files_and_their_tags(shelf: Shelf) -> None:
    stamp = shelf.stamp("2024/a.jpg")
    shelf.tag(stamp, {"tabby": 0.9})
    moved = FileQueue(shelf.database, {"cam": "/mnt/new"}, lambda: shelf.now)
    assert moved.differences([replace(stamp, path="/mnt/new/2024/a.jpg")]) == []
    assert shelf.sql("SELECT path FROM image_tags") == [("/mnt/new/2024/a.jpg",)]


def test_the_whole_machine_can_be_a_source(shelf: Shelf) -> None:
    queue = FileQueue(shelf.database, {"all": "/"}, lambda: shelf.now)
    stamp = replace(shelf.stamp("a.jpg"), path="/etc/a.jpg", source="all")
    queue.admit([stamp], Origin.SCAN)
    assert queue.claim(1) == [stamp]
    shelf.writer.write([tagged(stamp, {"tabby": 0.9})])
    assert shelf.sql("SELECT path FROM top_tag") == [("/etc/a.jpg",)]


def test_another_folder_of_the_same_name_does_not_take_over_the_first_ones_files(
    shelf: Shelf, tmp_path: Path
) -> None:
    first, second = tmp_path / "a" / "pictures", tmp_path / "b" / "pictures"
    first.mkdir(parents=True)
    FileQueue(shelf.database, {"pictures": str(first)}, lambda: shelf.now)
    with pytest.raises(DatabaseError, match="give the new folder another name"):
        FileQueue(shelf.database, {"pictures": str(second)}, lambda: shelf.now)


def test_work_that_waits_in_a_source_of_an_earlier_config_is_left_alone(shelf: Shelf) -> None:
    shelf.queue.admit([shelf.stamp("1.jpg"), shelf.stamp("2.jpg", "phone")], Origin.CLI)
    queue = FileQueue(shelf.database, {"phone": "/data/phone"}, lambda: shelf.now)
    assert (queue.waiting(), queue.claim(9)) == (1, [shelf.stamp("2.jpg", "phone")])
    assert states(shelf) == {State.PENDING: 1, State.BUSY: 1}


def test_a_path_outside_its_source_is_a_bug_that_shows_itself(shelf: Shelf) -> None:
    with pytest.raises(ValueError, match="is not in source 'cam'"):
        shelf.queue.admit([replace(shelf.stamp("a.jpg"), path="/data/camera/a.jpg")], Origin.SCAN)


def test_a_copy_whose_original_is_gone_meanwhile_waits_again(shelf: Shelf) -> None:
    [stamp] = shelf.admitted(shelf.stamp("a.jpg"))
    shelf.writer.write([Known(stamp, sha("never seen"))])
    assert shelf.queue.claim(1) == [stamp]
