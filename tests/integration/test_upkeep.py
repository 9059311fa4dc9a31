"""Trying again and forgetting, by hand, on a real database."""

from datetime import timedelta

import pytest

from tagger.records import Failed, Stamp
from tagger.store.core.schema import State
from tagger.store.queue import forget, retry
from tagger.store.queue.missing import MissingFiles
from tests.integration.shelf import HOME, Shelf, rewritten


def failed(shelf: Shelf, *names: str) -> list[Stamp]:
    stamps = shelf.admitted(*(shelf.stamp(name) for name in names))
    shelf.writer.write([Failed(stamp, "read", "Input/output error", retryable=True) for stamp in stamps])
    return stamps


def quarantined(shelf: Shelf, name: str) -> Stamp:
    [stamp] = shelf.admitted(shelf.stamp(name))
    shelf.journal.suspect()
    for _ in range(3):
        shelf.journal.record_crash(stamp, "killed by SIGSEGV")
    return stamp


def test_all_that_failed_is_work_again_and_what_was_quarantined_is_tried_alone_first(shelf: Shelf) -> None:
    stamps = failed(shelf, "a.jpg", "b.jpg")
    bad = quarantined(shelf, "bad.jpg")
    assert retry.retry_all(shelf.database) == 3
    assert set(shelf.journal.claim(9)) == set(stamps)
    assert shelf.journal.suspects() == [bad]
    assert shelf.sql("SELECT * FROM failed_files") == []


@pytest.mark.parametrize(
    ("asked", "tried"),
    [
        ("/data/cam/2024/a.jpg", ["/data/cam/2024/a.jpg"]),
        ("/data/cam/2024", ["/data/cam/2024/a.jpg", "/data/cam/2024/b.jpg"]),
        ("/data/cam/2024/", ["/data/cam/2024/a.jpg", "/data/cam/2024/b.jpg"]),
        ("/data/cam", ["/data/cam/2024/a.jpg", "/data/cam/2024/b.jpg", "/data/cam/2024-b.jpg"]),
        ("/data", ["/data/cam/2024/a.jpg", "/data/cam/2024/b.jpg", "/data/cam/2024-b.jpg"]),
        ("/data/cam/2024/a", []),
        ("/data/camera", []),
        ("/data/cam/%", []),
    ],
)
def test_a_file_or_a_folder_is_tried_again(shelf: Shelf, asked: str, tried: list[str]) -> None:
    failed(shelf, "2024/a.jpg", "2024/b.jpg", "2024-b.jpg")
    assert retry.retry(shelf.database, asked) == len(tried)
    assert sorted(stamp.path for stamp in shelf.journal.claim(9)) == sorted(tried)


def test_a_file_that_did_not_fail_is_not_tried_again(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), {"tabby": 0.9})
    assert retry.retry(shelf.database, "/data/cam/a.jpg") == 0


def test_an_odd_name_is_found(shelf: Shelf) -> None:
    [stamp] = failed(shelf, "caf\udce9 \uf7e9.jpg")
    assert retry.retry(shelf.database, stamp.path) == 1


def test_only_what_has_been_missing_for_so_long_is_forgotten_and_its_tags_with_it(shelf: Shelf) -> None:
    stamps = [shelf.stamp(f"{number}.jpg") for number in range(20)]
    for stamp in stamps:
        shelf.tag(stamp, {"tabby": 0.9, "web site": 0.1})
    for gone in (1, 2):
        roll = MissingFiles(shelf.journal, "cam")
        shelf.journal.differences(stamps[gone:], roll.met)
        roll.mark([id_ for page in roll.unmet() for id_, _ in page], HOME)
        shelf.now += timedelta(days=1)
    assert forget.prune(shelf.database, shelf.now - timedelta(days=1, hours=1)) == 1
    assert shelf.sql("SELECT state FROM file WHERE path IN ('0.jpg', '1.jpg')") == [(State.GONE,)]
    assert forget.prune(shelf.database, shelf.now) == 1
    assert shelf.sql("SELECT count(*) FROM image_tags") == [(36,)]
    assert shelf.journal.differences(stamps) == stamps[:2]


def test_what_is_gone_for_now_but_not_missing_is_kept(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, {"tabby": 0.9})
    shelf.admitted(rewritten(stamp))
    assert forget.prune(shelf.database, shelf.now + timedelta(days=1)) == 0
