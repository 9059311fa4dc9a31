"""Another model, another crop, or somebody who asks: tags are made anew, and nothing is lost meanwhile."""

from dataclasses import replace

import pytest

from tagger.records import Known, Origin, Stamp
from tagger.store.queue import forget, retry
from tagger.store.tags.writer import Writer
from tests.integration.shelf import LABELS, RESNET, TAXONOMY, Shelf, rewritten, sha, tagged

CAT = {"tabby": 0.7, "sports car": 0.25}
VAN = {"police van": 0.9}
OTHER = replace(RESNET, name="resnet50")
TAGS = "SELECT path, label, model FROM top_tag ORDER BY path"


def writer(shelf: Shelf, keep_old: bool = False) -> Writer:
    return Writer(shelf.database, OTHER, LABELS, TAXONOMY, "", lambda: shelf.now, keep_old=keep_old)


def retagged(shelf: Shelf, by: Writer, stamp: Stamp, scores: dict[str, float]) -> None:
    shelf.admitted(stamp, origin=Origin.SCAN)
    by.write([tagged(stamp, scores)])


def test_the_old_tags_stay_until_the_new_ones_are_there(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, CAT)
    other = writer(shelf)
    assert shelf.queue_of(other).differences([stamp]) == [stamp]
    shelf.admitted(stamp, origin=Origin.SCAN)
    assert shelf.sql(TAGS) == [("/data/cam/a.jpg", "tabby", "resnet18")]
    other.write([tagged(stamp, VAN)])
    assert shelf.sql(TAGS) == [("/data/cam/a.jpg", "police van", "resnet50")]
    assert shelf.sql("SELECT * FROM old_tags") == []


def test_the_old_tags_are_kept_where_that_is_wanted(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, CAT)
    retagged(shelf, writer(shelf, keep_old=True), stamp, VAN)
    kept = "SELECT path, label, score, rank, model FROM old_tags ORDER BY rank"
    assert shelf.sql(kept) == [
        ("/data/cam/a.jpg", "tabby", 0.7, 1, "resnet18"),
        ("/data/cam/a.jpg", "sports car", 0.25, 2, "resnet18"),
    ]
    assert forget.prune_old_tags(shelf.database) == 2
    assert shelf.sql(kept) == []
    assert shelf.sql("SELECT label FROM image_tags") == [("police van",)]


def test_old_tags_are_not_kept_of_a_picture_that_was_replaced(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, CAT)
    retagged(shelf, writer(shelf, keep_old=True), stamp, VAN)
    new = rewritten(stamp)
    shelf.admitted(new)
    shelf.writer.write([tagged(new, CAT, content="another")])
    assert shelf.sql("SELECT * FROM old_tags") == []


def test_a_source_that_is_read_in_another_way_is_tagged_anew_and_no_other(shelf: Shelf) -> None:
    cam, phone = shelf.stamp("a.jpg"), shelf.stamp("b.jpg", "phone")
    for stamp in (cam, phone):
        shelf.tag(stamp, CAT)
    tiled = {"phone": replace(RESNET, preprocessing="128/112 tiles")}
    by = Writer(shelf.database, RESNET, LABELS, TAXONOMY, "", lambda: shelf.now, identities=tiled)
    assert shelf.queue_of(by).differences([cam, phone]) == [phone]


def test_the_same_picture_in_two_sources_has_the_tags_of_each_ones_reading(shelf: Shelf) -> None:
    tiled = {"phone": replace(RESNET, preprocessing="128/112 tiles")}
    by = Writer(shelf.database, RESNET, LABELS, TAXONOMY, "", lambda: shelf.now, identities=tiled)
    shelf.tag(shelf.stamp("a.jpg"), CAT, content="cat")
    assert by.knows("cam", sha("cat"))
    assert not by.knows("phone", sha("cat"))


def test_asked_for_everything_is_tagged_anew_and_no_copy_passes_for_tagged(shelf: Shelf) -> None:
    stamps = [shelf.stamp("a.jpg"), shelf.stamp("b.jpg")]
    for stamp in stamps:
        shelf.tag(stamp, CAT, content="cat")
    assert retry.retag(shelf.database, [1, 2]) == 2
    assert shelf.sql("SELECT count(*) FROM top_tag") == [(2,)]
    assert not shelf.writer.knows("cam", sha("cat"))
    assert set(shelf.queue.claim(9)) == set(stamps)


def test_what_is_new_comes_before_what_is_tagged_anew(shelf: Shelf) -> None:
    old, new = shelf.stamp("old.jpg"), shelf.stamp("new.jpg")
    shelf.tag(old, CAT)
    retry.retag(shelf.database, [1])
    shelf.queue.admit([new], Origin.WATCH)
    assert shelf.queue.claim(9) == [new, old]


def test_a_copy_of_a_picture_that_was_tagged_anew_takes_its_tags(shelf: Shelf) -> None:
    stamps = [shelf.stamp("a.jpg"), shelf.stamp("b.jpg")]
    for stamp in stamps:
        shelf.tag(stamp, CAT, content="cat")
    retry.retag(shelf.database, [1, 2])
    shelf.queue.claim(9)
    shelf.writer.write([tagged(stamps[0], VAN, content="cat")])
    shelf.writer.write([Known(stamps[1], sha("cat"))])
    assert [label for _, label, _ in shelf.sql(TAGS)] == ["police van", "police van"]


@pytest.mark.parametrize("gone", [True, False])
def test_what_has_no_file_or_no_tags_is_left_alone(shelf: Shelf, gone: bool) -> None:
    stamp = shelf.stamp("a.jpg")
    if gone:
        shelf.tag(stamp, CAT)
        shelf.vanish(1)
    else:
        shelf.queue.admit([stamp], Origin.SCAN)
    assert retry.retag(shelf.database, [1]) == 0


def test_room_is_given_back_where_much_was_forgotten(shelf: Shelf) -> None:
    assert shelf.database.compact() == 0
    for number in range(200):
        stamp = shelf.stamp(f"{number}.jpg")
        shelf.tag(stamp, CAT)
    size = shelf.sql("PRAGMA page_count")
    with shelf.database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE junk AS SELECT zeroblob(1000000) FROM file")
        connection.exec_driver_sql("DROP TABLE junk")
    assert shelf.database.compact() > 100_000_000
    assert shelf.sql("PRAGMA page_count") <= size
