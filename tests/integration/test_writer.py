import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tagger.errors import DatabaseError
from tagger.records import Changed, Failed, Gone, Known, Label, Outcome, Stamp
from tagger.store.tags.writer import Writer
from tests.integration.shelf import LABELS, NOON, RESNET, TAXONOMY, Shelf, label, rewritten, sha, tagged

CAT = {"tabby": 0.9, "web site": 0.1}
VAN = {"police van": 0.7, "sports car": 0.2}
TAGS = "SELECT label, score, rank FROM image_tags WHERE path = ? ORDER BY rank"


def tags(shelf: Shelf, stamp: Stamp) -> list[tuple[object, ...]]:
    return shelf.sql(TAGS, stamp.path)


def seq(shelf: Shelf, stamp: Stamp) -> object:
    return shelf.sql("SELECT seq FROM top_tag WHERE path = ?", stamp.path)[0][0]


def test_a_tagged_file_shows_its_tags(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg", age=timedelta(milliseconds=1500)), CAT)
    assert shelf.sql("SELECT * FROM image_tags ORDER BY rank") == [
        (
            1,
            "/data/cam/a.jpg",
            "cam",
            name,
            score,
            rank,
            "resnet18",
            captured,
            noon,
            noon,
            known.name_zh,
            known.key,
            "model",
            None,
            None,
            0,
            0,
            None,
        )
        for rank, (name, score) in enumerate(CAT.items(), 1)
        for known in [label(name)]
        for captured, noon in [("2024-05-01 11:59:58.000", "2024-05-01 12:00:00.000")]
    ]


SHOWING = ("image_tags", "top_tag", "image_categories", "uncertain", "image_conditions", "old_tags")


@pytest.mark.parametrize("view", SHOWING)
def test_every_view_of_pictures_has_a_column_for_damaged_ones(shelf: Shelf, view: str) -> None:
    assert shelf.sql(f"SELECT damaged FROM {view}") == []  # noqa: S608


def test_a_damaged_picture_is_called_so_and_its_copy_too_until_a_whole_one_comes(shelf: Shelf) -> None:
    stamp, copy = shelf.admitted(shelf.stamp("a.jpg"), shelf.stamp("copy.jpg"))
    one = tagged(stamp, CAT, "cut")
    shelf.writer.write([replace(one, facts=replace(one.facts, damaged=True)), Known(copy, sha("cut"))])
    damaged = "SELECT path, damaged FROM top_tag ORDER BY path"
    assert shelf.sql(damaged) == [(stamp.path, 1), (copy.path, 1)]
    shelf.tag(rewritten(stamp), CAT, "whole")
    assert shelf.sql(damaged) == [(stamp.path, 0), (copy.path, 1)]


VANS = {"police van": 0.4, "sports car": 0.25}


def categories(shelf: Shelf, stamp: Stamp) -> dict[object, object]:
    rows = shelf.sql("SELECT category, score FROM image_categories WHERE path = ?", stamp.path)
    return {row[0]: row[1] for row in rows}


def test_a_tagged_file_shows_its_categories(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg", age=timedelta(milliseconds=1500)), VANS)
    assert set(shelf.sql("SELECT * FROM image_categories")) == {
        (1, "/data/cam/a.jpg", "cam", key, score, captured, noon, name_zh, key, None, None, 0, 0)
        for key, score, name_zh in [("vehicle", 0.65, "交通工具"), ("car", 0.25, "汽车")]
        for captured, noon in [("2024-05-01 11:59:58.000", "2024-05-01 12:00:00.000")]
    }


def test_a_copy_has_the_categories_of_the_original_at_its_own_time(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), VANS, content="van")
    [copy] = shelf.admitted(shelf.stamp("copy.jpg", age=timedelta(hours=1)))
    shelf.writer.write([Known(copy, sha("van"))])
    assert categories(shelf, copy) == {"vehicle": 0.65, "car": 0.25}
    times = "SELECT DISTINCT captured_at FROM image_categories WHERE path = ?"
    assert shelf.sql(times, copy.path) == [("2024-05-01 11:00:00.000",)]


def test_a_touched_file_keeps_its_categories_at_its_new_time(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, VANS, content="van")
    touched = replace(stamp, mtime_ns=stamp.mtime_ns + 60 * 10**9)
    shelf.admitted(touched)
    shelf.writer.write([Known(touched, sha("van"))])
    assert shelf.sql("SELECT category, captured_at FROM image_categories ORDER BY category") == [
        ("car", "2024-05-01 12:01:00.000"),
        ("vehicle", "2024-05-01 12:01:00.000"),
    ]


def test_new_content_replaces_the_categories(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, VANS, content="van")
    shelf.tag(rewritten(stamp), CAT, content="cat", taken_at=datetime(2001, 2, 3, tzinfo=UTC))
    assert categories(shelf, stamp) == {"animal": CAT["tabby"]}


def test_a_file_whose_new_content_fails_shows_no_categories(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, VANS)
    shelf.admitted(rewritten(stamp))
    shelf.writer.write([Failed(rewritten(stamp), "decode", "truncated")])
    assert categories(shelf, stamp) == {}
    assert shelf.sql("SELECT count(*) FROM category_score") == [(0,)]


def test_tags_by_other_categories_are_not_copied(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), VANS, content="van")
    writer = shelf.writer_for(RESNET, replace(TAXONOMY, sha256="0ther"))
    [copy] = shelf.admitted(shelf.stamp("copy.jpg"))
    writer.write([Known(copy, sha("van"))])
    assert shelf.sql("SELECT path, state FROM file WHERE path = 'copy.jpg'") == [("copy.jpg", "pending")]


def test_what_the_model_is_not_sure_of_is_uncertain(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), VANS)
    shelf.tag(shelf.stamp("b.jpg"), {"tabby": 0.5})
    assert shelf.sql("SELECT path, label, top_score, margin, entropy FROM uncertain") == [
        ("/data/cam/a.jpg", "police van", 0.4, 0.1, 1.0)
    ]


def test_a_picture_was_captured_when_the_camera_says_so(shelf: Shelf) -> None:
    taken_at = datetime(2001, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
    shelf.tag(shelf.stamp("a.jpg"), CAT, taken_at=taken_at)
    assert shelf.sql("SELECT DISTINCT captured_at FROM image_tags") == [("2001-02-03 04:05:06.789",)]


def test_new_content_replaces_the_tags_under_a_new_seq(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, CAT, content="cat")
    shelf.tag(rewritten(stamp), {"police van": 0.7}, content="van")
    assert tags(shelf, stamp) == [("police van", 0.7, 1)]
    assert seq(shelf, stamp) == 2


def test_tags_of_a_file_that_changed_since_are_dropped(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.admitted(stamp)
    shelf.admitted(rewritten(stamp))
    shelf.writer.write([tagged(stamp, CAT)])
    assert tags(shelf, stamp) == []
    shelf.writer.write([tagged(rewritten(stamp), VAN)])
    assert tags(shelf, stamp)[0] == ("police van", 0.7, 1)


def test_tags_of_another_model_are_replaced(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, CAT)
    other = shelf.writer_for(replace(RESNET, name="resnet50"))
    shelf.admitted(stamp)
    other.write([tagged(stamp, {"police van": 0.6})])
    assert shelf.sql("SELECT label, model FROM image_tags") == [("police van", "resnet50")]


def test_known_content_is_copied_with_its_own_path_and_time(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg", age=timedelta(days=1)), CAT, content="cat")
    [copy] = shelf.admitted(shelf.stamp("b.jpg"))
    shelf.writer.write([Known(copy, sha("cat"))])
    assert tags(shelf, copy) == [("tabby", 0.9, 1), ("web site", 0.1, 2)]
    assert shelf.sql("SELECT seq, captured_at, score FROM top_tag WHERE path LIKE '%b.jpg'") == [
        (2, "2024-05-01 12:00:00.000", 0.9)
    ]
    assert shelf.sql("SELECT width, height, format, sha256, state FROM file WHERE path = 'b.jpg'") == [
        (1920, 1080, "JPEG", sha("cat"), "done")
    ]


def test_a_copy_keeps_the_cameras_time(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), CAT, content="cat", taken_at=NOON - timedelta(days=9))
    [copy] = shelf.admitted(shelf.stamp("b.jpg"))
    shelf.writer.write([Known(copy, sha("cat"))])
    assert shelf.sql("SELECT DISTINCT captured_at FROM image_tags") == [("2024-04-22 12:00:00.000",)]


def test_a_copy_takes_the_place_of_the_tags_it_had(shelf: Shelf) -> None:
    cat, van = shelf.stamp("cat.jpg"), shelf.stamp("van.jpg")
    shelf.tag(cat, CAT, content="cat")
    shelf.tag(van, VAN, content="van")
    shelf.admitted(rewritten(van))
    shelf.writer.write([Known(rewritten(van), sha("cat"))])
    assert tags(shelf, van) == tags(shelf, cat) == [("tabby", 0.9, 1), ("web site", 0.1, 2)]


def test_two_files_that_swap_their_contents_in_one_batch_swap_their_tags_or_wait(shelf: Shelf) -> None:
    cat, van = shelf.stamp("cat.jpg"), shelf.stamp("van.jpg")
    shelf.tag(cat, CAT, content="cat")
    shelf.tag(van, VAN, content="van")
    shelf.admitted(rewritten(cat), rewritten(van))
    shelf.writer.write([Known(rewritten(cat), sha("van")), Known(rewritten(van), sha("cat"))])
    assert tags(shelf, cat)[0] == ("police van", 0.7, 1)
    assert shelf.queue.claim(9) == [rewritten(van)]  # nothing holds the cat's tags any more


def test_a_file_that_was_only_touched_keeps_its_seq_and_follows_its_new_time(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, CAT, content="cat")
    later = replace(stamp, mtime_ns=stamp.mtime_ns + 60 * 10**9)
    shelf.admitted(later)
    shelf.writer.write([Known(later, sha("cat"))])
    assert shelf.sql("SELECT DISTINCT seq, captured_at FROM image_tags") == [(1, "2024-05-01 12:01:00.000")]
    assert shelf.queue.differences([later]) == []


def test_a_file_whose_new_content_fails_shows_no_tags(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, CAT, content="cat")
    shelf.admitted(rewritten(stamp))
    shelf.writer.write([Failed(rewritten(stamp), "decode", "truncated")])
    assert tags(shelf, stamp) == []
    assert not shelf.writer.knows("cam", sha("cat"))
    assert shelf.sql("SELECT path, source, stage, error, attempts, next_try_at FROM failed_files") == [
        ("/data/cam/a.jpg", "cam", "decode", "truncated", 1, None)
    ]


def test_a_failure_is_forgotten_once_the_file_is_tagged(shelf: Shelf) -> None:
    [stamp] = shelf.admitted(shelf.stamp("a.jpg"))
    shelf.writer.write([Failed(stamp, "read", "Input/output error", retryable=True)])
    shelf.tag(stamp, CAT)
    assert shelf.sql("SELECT * FROM failed_files") == []
    assert shelf.sql("SELECT attempts, stage, error, next_try_at FROM file") == [(0, None, None, None)]


def test_a_reason_that_quotes_a_broken_file_name_can_be_stored(shelf: Shelf) -> None:
    [stamp] = shelf.admitted(shelf.stamp("a.jpg"))
    shelf.writer.write([Failed(stamp, "read", "cannot open caf\udce9.jpg")])
    assert shelf.sql("SELECT error FROM failed_files") == [("cannot open caf\\udce9.jpg",)]


@pytest.mark.parametrize("outcome", [Gone, Changed])
def test_a_file_that_vanished_before_it_was_read_leaves_no_trace(
    shelf: Shelf, outcome: type[Gone | Changed]
) -> None:
    [stamp] = shelf.admitted(shelf.stamp("a.jpg"))
    shelf.writer.write([outcome(stamp)])
    assert shelf.sql("SELECT count(*) FROM file") == [(0,)]


@pytest.mark.parametrize("outcome", [Gone, Changed])
def test_a_tagged_file_that_is_gone_keeps_its_tags_and_is_not_called_missing_for_that_alone(
    shelf: Shelf, outcome: type[Gone | Changed]
) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, CAT)
    shelf.admitted(stamp)
    shelf.writer.write([outcome(stamp)])
    assert len(tags(shelf, stamp)) == 2
    assert shelf.sql("SELECT state, missing_since FROM file") == [("gone", None)]


def test_a_batch_of_everything_is_stored_as_one(shelf: Shelf) -> None:
    cat, van, twin, bad, gone = shelf.admitted(*(shelf.stamp(f"{number}.jpg") for number in range(5)))
    outcomes: list[Outcome] = [
        Known(twin, sha("cat")),
        Failed(bad, "decode", "truncated"),
        tagged(cat, CAT, content="cat"),
        Gone(gone),
        tagged(van, VAN),
    ]
    shelf.writer.write(outcomes)
    assert [tags(shelf, stamp)[0][0] for stamp in (cat, van, twin)] == ["tabby", "police van", "tabby"]
    assert shelf.sql("SELECT error FROM failed_files") == [("truncated",)]


def test_a_full_disk_stores_nothing_of_a_batch_and_says_so_until_there_is_room(shelf: Shelf) -> None:
    stamps = shelf.admitted(*(shelf.stamp(f"{number}.jpg") for number in range(200)))
    with shelf.database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    shelf.database.write_retry.give_up_at(0)
    with pytest.raises(DatabaseError, match=r"full\n.*make room"):
        shelf.writer.write([tagged(stamp, CAT) for stamp in stamps])
    assert shelf.sql("SELECT count(*) FROM reading") == [(0,)]
    assert shelf.sql("SELECT DISTINCT state FROM file") == [("busy",)]
    with shelf.database.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    shelf.writer.write([tagged(stamp, CAT) for stamp in stamps])
    assert shelf.sql("SELECT DISTINCT state FROM file") == [("done",)]


def test_a_cursor_misses_nothing_and_repeats_nothing(shelf: Shelf) -> None:
    stamps = [shelf.stamp(f"{number}.jpg") for number in range(3)]
    for stamp in stamps:
        shelf.tag(stamp, CAT)
    with closing(sqlite3.connect(shelf.file)) as reader:
        newest = reader.execute("SELECT max(seq) FROM top_tag").fetchone()[0]
        shelf.tag(rewritten(stamps[2]), VAN)
        shelf.tag(rewritten(stamps[0]), VAN)
        after = reader.execute("SELECT path FROM top_tag WHERE seq > ? ORDER BY seq", [newest]).fetchall()
    assert after == [("/data/cam/2.jpg",), ("/data/cam/0.jpg",)]


def test_labels_of_the_same_name_get_names_of_their_own(shelf: Shelf) -> None:
    cranes = [*LABELS, Label("n02012849", "crane"), Label("n03126707", "crane"), Label("ocr/crane", "crane")]
    Writer(shelf.database, replace(RESNET, weights_sha256="cd"), cranes, TAXONOMY, "", lambda: shelf.now)
    assert shelf.sql("SELECT name FROM label WHERE name LIKE 'crane%' ORDER BY id") == [
        ("crane",),
        ("crane (n03126707)",),
        ("crane (ocr)",),
    ]
    assert shelf.sql("SELECT count(*) FROM label") == [(8,)]
