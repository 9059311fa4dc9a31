"""Trying again, by hand, on a real database."""

import pytest

from tagger.records import Failed, Stamp
from tagger.store.queue import retry
from tests.integration.shelf import Shelf


def failed(shelf: Shelf, *names: str) -> list[Stamp]:
    stamps = shelf.admitted(*(shelf.stamp(name) for name in names))
    shelf.writer.write([Failed(stamp, "read", "Input/output error", retryable=True) for stamp in stamps])
    return stamps


def quarantined(shelf: Shelf, name: str) -> Stamp:
    [stamp] = shelf.admitted(shelf.stamp(name))
    shelf.queue.suspect()
    for _ in range(3):
        shelf.queue.record_crash(stamp, "killed by SIGSEGV")
    return stamp


def test_all_that_failed_is_work_again_and_what_was_quarantined_is_tried_alone_first(shelf: Shelf) -> None:
    stamps = failed(shelf, "a.jpg", "b.jpg")
    bad = quarantined(shelf, "bad.jpg")
    assert retry.retry_all(shelf.database) == 3
    assert set(shelf.queue.claim(9)) == set(stamps)
    assert shelf.queue.suspects() == [bad]
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
    assert sorted(stamp.path for stamp in shelf.queue.claim(9)) == sorted(tried)


def test_a_file_that_did_not_fail_is_not_tried_again(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), {"tabby": 0.9})
    assert retry.retry(shelf.database, "/data/cam/a.jpg") == 0


def test_an_odd_name_is_found(shelf: Shelf) -> None:
    [stamp] = failed(shelf, "caf\udce9 \uf7e9.jpg")
    assert retry.retry(shelf.database, stamp.path) == 1
