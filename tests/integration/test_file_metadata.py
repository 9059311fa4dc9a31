"""Cameras, attributes and times that paths tell, in the database."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pytest
from sqlalchemy import text

from tagger.config.path_rules import PathRules
from tagger.records import Facts, Failed, Gone, Known, Stamp
from tagger.search.parse import parse
from tagger.search.query import QueryError
from tagger.store.queue import queries
from tagger.store.queue.file_queue import FileQueue
from tagger.store.search import found
from tagger.store.tags.redate import Redate
from tagger.store.tags.writer import Writer
from tests.integration.shelf import LABELS, RESNET, TAXONOMY, Shelf, rewritten, sha, tagged

FORMS: tuple[tuple[Literal["NFC", "NFD"], ...], ...] = tuple(product(("NFC", "NFD"), repeat=2))
CAT = {"tabby": 0.7}
PLACES = {"cam": PathRules(r"(?P<site>[^/]+)/(?P<camera>\w+)\.(?P<captured_at>\d{8}_\d{6})", "Asia/Shanghai")}
WHERE = "SELECT path, camera, captured_at FROM top_tag ORDER BY path"


def writer(shelf: Shelf, places: dict[str, PathRules] = PLACES) -> Writer:
    return Writer(shelf.database, RESNET, LABELS, TAXONOMY, "", lambda: shelf.now, places=places)


def tag(shelf: Shelf, by: Writer, name: str, taken_at: datetime | None = None) -> Stamp:
    stamp = shelf.stamp(name)
    shelf.admitted(stamp)
    by.write([tagged(stamp, CAT, content=name, taken_at=taken_at)])
    return stamp


def names(shelf: Shelf, query: str) -> list[str]:
    hits = found.search(shelf.database, parse(query, shelf.now), query, 0.3)
    return [hit.picture.path.removeprefix("/data/cam/") for hit in hits]


def date_anew(shelf: Shelf, places: dict[str, PathRules]) -> list[int]:
    FileQueue(shelf.database, shelf.roots, lambda: shelf.now, shelf.writer.registered)
    dating = Redate(shelf.database, "cam", places.get("cam", PathRules()), lambda: shelf.now)
    return list(dating.pages()) if dating.is_due() else []


def test_a_path_tells_the_camera_and_the_time(shelf: Shelf) -> None:
    tag(shelf, writer(shelf), "gate/Cam2.20240426_131715.jpg")
    assert shelf.sql(WHERE) == [
        ("/data/cam/gate/Cam2.20240426_131715.jpg", "Cam2", "2024-04-26 05:17:15.000")
    ]
    assert shelf.sql("SELECT DISTINCT camera, captured_at FROM image_categories") == [
        ("Cam2", "2024-04-26 05:17:15.000")
    ]


def test_cameras_and_attributes_are_searched_for(shelf: Shelf) -> None:
    by = writer(shelf)
    one, two = "gate/Cam2.20240426_131715.jpg", "yard/Cam3.20240426_131716.jpg"
    for name in (one, two, "plain.jpg"):
        tag(shelf, by, name)
    assert names(shelf, "camera:Cam2") == [one]
    assert names(shelf, "camera:Cam?") == [two, one]
    assert names(shelf, "site:yard") == [two]
    assert names(shelf, "tabby and not site:yard and camera:*") == [one]
    assert names(shelf, "camera:cam2") == []
    assert names(shelf, "camera:Cam2 or tabby") == ["plain.jpg", two, one]
    assert names(shelf, "camera:Cam2 or site:yard") == [two, one]
    assert names(shelf, "vehicle or camera:Cam3 or camera:Cam2 in cam") == [two, one]
    assert names(shelf, "camera:Cam2 in phone") == []
    assert names(shelf, "camera:Cam2 state:done") == [one]


@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_names_are_searched_for_however_their_letters_are_composed(
    shelf: Shelf, typed: Literal["NFC", "NFD"]
) -> None:
    by = writer(shelf, {"cam": PathRules("(?P<site>[^/]+)/(?P<camera>[^/]+)/")})
    paths = [f"{normalize(site, 'Köln')}/{normalize(camera, 'Tür')}/é.jpg" for site, camera in FORMS]
    for path in paths:
        tag(shelf, by, path)
    for asked in (
        "camera:Tür",
        "site:Köln",
        "camera:*ü*",
        "path:*Köln/Tür/*",
        "tabby camera:Tür",
        "not camera:Tor and site:Köln",
    ):
        assert sorted(names(shelf, normalize(typed, asked))) == sorted(paths), asked
    assert names(shelf, normalize(typed, "camera:Tür since 1h")) == names(shelf, "camera:*")
    assert names(shelf, "camera:Tur") == []
    assert shelf.sql("SELECT path FROM file ORDER BY id") == [(path,) for path in paths]


def test_a_source_is_found_however_its_letters_are_composed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "tags.db", (normalize("NFD", "Köln"),))
    with closing(shelf.database):
        shelf.tag(shelf.stamp("a.jpg", normalize("NFD", "Köln")), CAT)
        assert len(names(shelf, normalize("NFC", "in Köln"))) == 1


def test_a_field_that_no_picture_has_is_pointed_at(shelf: Shelf) -> None:
    tag(shelf, writer(shelf), "gate/Cam2.20240426_131715.jpg")
    with pytest.raises(QueryError, match=r"there is no field 'sit'(.|\n)*did you mean site"):
        names(shelf, "sit:yard")


def test_what_is_no_pattern_is_found_as_it_is_written(shelf: Shelf) -> None:
    by = writer(shelf, {"cam": PathRules(r"(?P<camera>[^/]+)\.jpg")})
    tag(shelf, by, "Cam[2].jpg")
    assert names(shelf, "camera:Cam[2]") == ["Cam[2].jpg"]


@pytest.mark.parametrize("then", ["tagged", "gone"])
def test_a_picture_that_was_damaged_for_a_while_has_its_attributes_again(shelf: Shelf, then: str) -> None:
    by, name = writer(shelf), "gate/Cam2.20240426_131715.jpg"
    damaged = rewritten(tag(shelf, by, name))
    shelf.admitted(damaged)
    by.write([Failed(damaged, "decode", "damaged")])
    after = rewritten(damaged)
    shelf.admitted(after)
    by.write([tagged(after, CAT) if then == "tagged" else Gone(after)])
    assert names(shelf, "camera:Cam2") == ([name] if then == "tagged" else [])
    kept = [("site", "gate")] if then == "tagged" else []
    assert shelf.sql("SELECT name, value FROM file_attribute") == kept


def test_a_copy_has_its_own_camera_and_time(shelf: Shelf) -> None:
    by = writer(shelf)
    tag(shelf, by, "gate/Cam2.20240426_131715.jpg")
    copy = shelf.stamp("yard/Cam3.20240426_131716.jpg")
    shelf.admitted(copy)
    by.write([Known(copy, sha("gate/Cam2.20240426_131715.jpg"))])
    assert names(shelf, "camera:Cam3 site:yard") == ["yard/Cam3.20240426_131716.jpg"]


def test_pictures_are_dated_anew_where_the_config_reads_paths_in_another_way(shelf: Shelf) -> None:
    exif = datetime(2024, 4, 20, 12)
    for name in ("gate/Cam2.20240426_131715.jpg", "gate/plain.jpg"):
        tag(shelf, shelf.writer, name, taken_at=exif)
    seqs = shelf.sql("SELECT seq FROM reading")
    assert date_anew(shelf, PLACES) == [2]
    assert shelf.sql(WHERE) == [
        ("/data/cam/gate/Cam2.20240426_131715.jpg", "Cam2", "2024-04-26 05:17:15.000"),
        ("/data/cam/gate/plain.jpg", None, "2024-04-20 04:00:00.000"),
    ]
    assert shelf.sql("SELECT DISTINCT captured_from FROM file") == [("path",), ("exif",)]
    assert names(shelf, "tabby and animal") == ["gate/Cam2.20240426_131715.jpg", "gate/plain.jpg"]
    assert shelf.sql("SELECT seq FROM reading") == seqs
    assert date_anew(shelf, PLACES) == []


def test_what_an_earlier_pattern_told_is_forgotten(shelf: Shelf) -> None:
    tag(shelf, writer(shelf), "gate/Cam2.20240426_131715.jpg")
    date_anew(shelf, PLACES)
    assert date_anew(shelf, {}) == [1]
    assert shelf.sql("SELECT camera, captured_from FROM file") == [(None, "mtime")]
    assert shelf.sql("SELECT * FROM file_attribute") == []


def test_more_than_a_page_is_dated_to_the_last_picture(shelf: Shelf) -> None:
    by = shelf.writer
    stamps = [shelf.stamp(f"gate/Cam2.20240426_{number:06}.jpg") for number in range(1001)]
    shelf.admitted(*stamps)
    by.write([tagged(stamp, CAT) for stamp in stamps])
    assert date_anew(shelf, PLACES) == [1000, 1]
    assert shelf.sql("SELECT count(*) FROM file WHERE camera = 'Cam2'") == [(1001,)]


def test_dates_that_cannot_be_are_counted(shelf: Shelf) -> None:
    by = writer(shelf)
    stamp = tag(shelf, by, "gate/Cam2.20241326_131715.jpg")
    tag(shelf, by, "gate/plain.jpg", taken_at=datetime(1970, 1, 1, tzinfo=UTC))
    tag(shelf, by, "gate/good.jpg", taken_at=shelf.now - timedelta(days=1))
    counted = {one.name: one.misdated for one in queries.status(shelf.database).sources}
    assert counted == {"cam": 2, "phone": 0}
    shelf.admitted(stamp)
    by.write([Failed(stamp, "decode", "damaged")])
    assert sum(one.misdated for one in queries.status(shelf.database).sources) == 1


def test_what_told_the_time_is_known_after_the_path_told_it(shelf: Shelf) -> None:
    stamp = shelf.stamp("gate/Cam2.20240426_131715.jpg")
    shelf.admitted(stamp)
    at = datetime(2024, 4, 20, 12, tzinfo=UTC)
    writer(shelf).write([tagged(stamp, CAT, taken_at=at, taken_from="gps")])
    assert shelf.sql("SELECT captured_from FROM file") == [("path",)]
    date_anew(shelf, PLACES)
    date_anew(shelf, {})
    assert shelf.sql("SELECT captured_from FROM file") == [("gps",)]


def test_a_copy_is_dated_by_what_the_first_one_told_and_by_its_own_name(shelf: Shelf) -> None:
    names = ("a.jpg", "IMG_20240426_131715.jpg")
    stamps = [shelf.stamp(name) for name in names]
    shelf.admitted(*stamps)
    at = datetime(2024, 4, 20, 12, tzinfo=UTC)
    shelf.writer.write([tagged(stamps[0], CAT, content="same", taken_at=at, taken_from="xmp")])
    shelf.writer.write([Known(stamps[1], sha("same"))])
    assert shelf.sql("SELECT captured_from FROM file") == [("xmp",), ("xmp",)]


def test_what_an_earlier_release_dated_is_dated_by_its_name_once(shelf: Shelf) -> None:
    tag(shelf, shelf.writer, "DCIM/PXL_20240426_131715123.jpg")
    tag(shelf, shelf.writer, "DCIM/IMG_1.jpg", taken_at=datetime(2024, 4, 20, 12, tzinfo=UTC))
    with shelf.database.write() as connection:  # as it was before names told a time
        connection.execute(text("UPDATE file SET captured_from = 'mtime' WHERE captured_from = 'name'"))
        connection.execute(text("UPDATE file SET taken_from = NULL"))
        connection.execute(text("UPDATE source SET place = NULL"))
    seqs = shelf.sql("SELECT seq FROM reading")
    assert date_anew(shelf, {}) == [2]
    assert shelf.sql("SELECT captured_at, captured_from FROM file ORDER BY id") == [
        ("2024-04-26 13:17:15.123", "name"),
        ("2024-04-20 12:00:00.000", "exif"),
    ]
    assert shelf.sql("SELECT seq FROM reading") == seqs
    assert date_anew(shelf, {}) == []


def test_what_an_earlier_release_read_has_what_is_found_in_it_once_it_is_read_again(shelf: Shelf) -> None:
    stamp = tag(shelf, shelf.writer, "a.jpg")
    assert not shelf.writer.is_outdated(sha("a.jpg"))
    with shelf.database.write() as connection:  # as it was before more than EXIF told a time
        connection.execute(text("UPDATE file SET taken_from = NULL"))
    assert shelf.writer.is_outdated(sha("a.jpg"))
    seqs, touched = shelf.sql("SELECT seq FROM reading"), rewritten(stamp)
    at = datetime(2024, 4, 20, 12, tzinfo=UTC)
    facts = Facts(sha("a.jpg"), 1920, 1080, "JPEG", at, taken_from="gps")
    shelf.admitted(touched)
    shelf.writer.write([Known(touched, sha("a.jpg"), facts)])
    assert shelf.sql("SELECT captured_at, captured_from FROM file") == [("2024-04-20 12:00:00.000", "gps")]
    assert shelf.sql("SELECT DISTINCT captured_at FROM top_tag") == [("2024-04-20 12:00:00.000",)]
    assert shelf.sql("SELECT seq FROM reading") == seqs
    assert not shelf.writer.is_outdated(sha("a.jpg"))


def test_a_picture_that_nothing_dates_comes_last_and_is_told_of(shelf: Shelf) -> None:
    old, future = shelf.stamp("old.jpg"), shelf.stamp("future.jpg")
    future = replace(future, mtime_ns=4_354_819_200 * 10**9)
    shelf.admitted(old, future)
    shelf.writer.write([tagged(future, CAT), tagged(old, CAT)])
    assert names(shelf, "tabby") == ["old.jpg", "future.jpg"]
    assert shelf.sql("SELECT captured_from, misdated FROM file WHERE path = 'future.jpg'") == [("unknown", 1)]
    latest = queries.latest(shelf.database)
    assert latest
    assert (latest.captured_at, latest.path) == (datetime(2108, 1, 1, tzinfo=UTC), "/data/cam/future.jpg")


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize(
    ("query", "walk"),
    [("camera:Cam2", "file_camera (source_id=? AND camera=?"), ("app_id:570", "file_app (app_id=?")],
)
def test_a_camera_is_found_without_reading_every_picture(
    shelf: Shelf, query: str, walk: str, counts: bool
) -> None:
    sql, values = found.sql(shelf.database, parse(query, shelf.now), query, 0.3, 50, counts)
    with closing(sqlite3.connect(shelf.file)) as connection:
        plan = str(connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall())
    assert walk in plan
    assert "captured_at>" not in plan  # by which all pictures are walked
    assert counts or "TEMP B-TREE" not in plan
