"""The daemon as its users meet it: a process, a folder, a database."""

import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from tests.conftest import Painter
from tests.e2e.command import PATIENCE, TAGGER, environment, rows, running, tagger

TOP = "SELECT label FROM top_tag WHERE path = ?"


def test_a_dropped_picture_is_tagged(tmp_path: Path, inbox: Path, database: Path, paint: Painter) -> None:
    with running(tmp_path, inbox, "--database", database) as daemon:
        picture = paint(inbox / "sub" / "sky.png", (0, 0, 255))
        assert "blue 1.00" in daemon.wait_for("sky.png")
        assert rows(database, TOP, str(picture)) == [("blue",)]


def test_what_was_there_before_the_start_is_tagged_too(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    picture = paint(inbox / "old.png", (0, 255, 0))
    with running(tmp_path, inbox, "--database", database) as daemon:
        daemon.wait_for("old.png")
        assert rows(database, TOP, str(picture)) == [("green",)]


def test_a_picture_renamed_into_place_is_tagged_under_its_final_name(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    with running(tmp_path, inbox, "--database", database) as daemon:
        paint(tmp_path / "outside.png").rename(inbox / "final.png")
        daemon.wait_for("final.png")
        assert rows(database, "SELECT path FROM top_tag") == [(str(inbox / "final.png"),)]


def test_a_picture_replaced_under_its_name_is_tagged_again(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    with running(tmp_path, inbox, "--database", database) as daemon:
        picture = paint(inbox / "cam.png", (255, 0, 0))
        daemon.wait_for("cam.png: red")
        paint(picture, (0, 0, 255))
        daemon.wait_for("cam.png: blue")
        assert rows(database, TOP, str(picture)) == [("blue",)]


def test_a_picture_replaced_by_one_of_the_same_size_and_date_is_tagged_again(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    picture = paint(inbox / "cam.bmp", (255, 0, 0))
    dates = (picture.stat().st_atime_ns, picture.stat().st_mtime_ns)
    tagger(tmp_path, "scan", inbox, "--database", database)
    size = picture.stat().st_size
    paint(picture, (0, 0, 255))
    os.utime(picture, ns=dates)
    assert (picture.stat().st_size, picture.stat().st_mtime_ns) == (size, dates[1])
    tagger(tmp_path, "scan", inbox, "--database", database)
    assert rows(database, TOP, str(picture)) == [("blue",)]


def test_a_corrupt_file_among_good_ones_is_a_row_and_not_the_end(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    with running(tmp_path, inbox, "--database", database) as daemon:
        (inbox / "bad.png").write_text("this is no picture")
        daemon.wait_for("bad.png")
        paint(inbox / "good.png")
        daemon.wait_for("good.png: red")
        [(path, stage, reason)] = rows(database, "SELECT path, stage, error FROM failed_files")
        assert (path, stage) == (str(inbox / "bad.png"), "decode")
        assert "not a picture" in reason or "cannot" in reason


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_amid_a_backlog_finishes_what_is_in_hand_and_the_next_start_the_rest(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, number: int
) -> None:
    pictures = {str(paint(inbox / f"{n}.png", number=n)) for n in range(300)}
    with running(tmp_path, inbox, "--database", database, TAGGER_LOG_LEVEL="debug") as daemon:
        daemon.wait_for("stored")
        assert daemon.stop(number) == 0
    assert rows(database, "SELECT count(*) FROM file WHERE state = 'busy'") == [(0,)]
    before = rows(database, "SELECT path, seq FROM top_tag")
    assert before
    tagger(tmp_path, "scan", inbox, "--database", database)
    after = rows(database, "SELECT path, seq FROM top_tag")
    assert {path for path, _ in after} == pictures
    assert set(before) <= set(after)


def test_a_stop_while_the_model_is_loaded_is_an_orderly_one_too(
    tmp_path: Path, inbox: Path, database: Path
) -> None:
    process = subprocess.Popen(
        [TAGGER, "run", inbox, "--database", database],
        env=environment(tmp_path, TAGGER_ENGINE__BACKEND="torch"),
        stderr=subprocess.PIPE,
        text=True,
    )
    lock = database.with_name("tags.db.lock")
    while not (lock.exists() and lock.read_text()):  # taken before the model is loaded
        assert process.poll() is None
    process.terminate()
    _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, log


def test_kill_9_loses_nothing_and_doubles_nothing(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    pictures = {str(paint(inbox / f"{n}.png", number=n)) for n in range(300)}
    with running(tmp_path, inbox, "--database", database, TAGGER_LOG_LEVEL="debug") as daemon:
        daemon.wait_for("stored")
        assert daemon.stop(signal.SIGKILL) == -signal.SIGKILL
    assert rows(database, "PRAGMA integrity_check") == [("ok",)]
    before = rows(database, "SELECT path, seq FROM top_tag")
    assert tagger(tmp_path, "scan", inbox, "--database", database).returncode == 0
    after = rows(database, "SELECT path, seq FROM top_tag")
    assert sorted(path for path, _ in after) == sorted(pictures)
    assert set(before) <= set(after)


def test_a_daemon_that_cannot_store_ends_and_says_why(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    with running(tmp_path, inbox, "--database", database) as daemon:
        paint(inbox / "a.png")
        daemon.wait_for("a.png: red")
        with closing(sqlite3.connect(database)) as vandal:
            vandal.execute("ALTER TABLE tag RENAME TO gone")
        paint(inbox / "b.png", number=1)
        daemon.wait_for("stopped by an error: .*no such table")
        assert daemon.process.wait(PATIENCE) == 1


def test_a_second_worker_on_the_same_database_is_refused(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    with running(tmp_path, inbox, "--database", database) as daemon:
        second = tagger(tmp_path, "scan", inbox, "--database", database)
        assert second.returncode == 4
        assert str(daemon.process.pid) in second.stderr


def test_readers_are_served_while_the_daemon_works(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    with running(tmp_path, inbox, "--database", database) as daemon:
        paint(inbox / "sky.png", (0, 0, 255))
        daemon.wait_for("sky.png")
        found = tagger(tmp_path, "search", "blue", "--database", database)
        assert "sky.png" in found.stdout


def test_after_a_clean_stop_the_database_is_one_file(tmp_path: Path, inbox: Path, database: Path) -> None:
    with running(tmp_path, inbox, "--database", database) as daemon:
        assert daemon.stop(signal.SIGTERM) == 0
    assert not list(tmp_path.glob("tags.db-*"))


def test_nothing_is_written_into_the_watched_folder(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    picture = paint(inbox / "a.png")
    with running(tmp_path, inbox, "--database", database) as daemon:
        daemon.wait_for("a.png")
    assert list(inbox.rglob("*")) == [picture]


def test_a_folder_that_appears_later_is_picked_up(tmp_path: Path, database: Path, paint: Painter) -> None:
    config = tmp_path / "tagger.yaml"
    config.write_text("sources: [late]\nrescan: 1\n")
    with running(tmp_path, "--config", config, "--database", database) as daemon:
        daemon.wait_for("late: is away")
        paint(tmp_path / "late" / "a.png")
        daemon.wait_for("a.png: red")


def test_nested_sources_each_own_their_files(tmp_path: Path, database: Path, paint: Painter) -> None:
    config = tmp_path / "tagger.yaml"
    config.write_text("sources:\n- {name: all, path: all}\n- {name: cam, path: all/cam}\n")
    (tmp_path / "all" / "cam").mkdir(parents=True)
    with running(tmp_path, "--config", config, "--database", database) as daemon:
        paint(tmp_path / "all" / "a.png")
        daemon.wait_for("a.png")
        paint(tmp_path / "all" / "cam" / "b.png", number=1)
        daemon.wait_for("b.png")
    seen = rows(database, "SELECT source, path FROM top_tag ORDER BY source")
    assert seen == [("all", str(tmp_path / "all/a.png")), ("cam", str(tmp_path / "all/cam/b.png"))]


def test_equal_content_is_inferred_once(tmp_path: Path, inbox: Path, database: Path, paint: Painter) -> None:
    first, copy = paint(inbox / "a.png"), inbox / "copy.png"
    with running(tmp_path, inbox, "--database", database, TAGGER_LOG_LEVEL="debug") as daemon:
        daemon.wait_for("a.png")
        copy.write_bytes(first.read_bytes())
        assert "known" in daemon.wait_for("stored")
        assert rows(database, "SELECT path, label, score FROM top_tag ORDER BY path") == [
            (str(first), *(tag := rows(database, "SELECT label, score FROM top_tag LIMIT 1")[0])),
            (str(copy), *tag),
        ]


def test_a_database_in_the_way_is_refused_and_left_alone(tmp_path: Path, inbox: Path, database: Path) -> None:
    database.write_text("my notes")
    refused = tagger(tmp_path, "scan", inbox, "--database", database)
    assert refused.returncode == 4
    assert str(database) in refused.stderr
    assert database.read_text() == "my notes"
    with pytest.raises(sqlite3.DatabaseError):
        rows(database, "SELECT * FROM file")


def test_the_built_in_model_knows_an_espresso(tmp_path: Path, inbox: Path, database: Path) -> None:
    picture = inbox / "coffee.png"
    with running(tmp_path, inbox, "--database", database, TAGGER_ENGINE__BACKEND="torch") as daemon:
        Image.fromarray(skimage.data.coffee()).save(picture)
        daemon.wait_for("coffee.png: espresso")
        tags = rows(database, "SELECT label, rank FROM image_tags WHERE path = ? ORDER BY rank", str(picture))
        assert [rank for _, rank in tags] == [1, 2, 3, 4, 5]
        assert tags[0] == ("espresso", 1)


FAT = (("1980.png", 315_532_800), ("2107.png", 4_354_819_198))
"""The first and the last moment that a memory card can tell."""


def test_a_file_with_a_date_from_beyond_time_is_tagged(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    """A camera's dead clock, or a broken archive."""
    for name, seconds in (("early.png", -(2**31)), ("late.png", 2**33), ("mad.png", 10**12), *FAT):
        picture = paint(inbox / name, number=abs(seconds) % 1000)
        os.utime(picture, (seconds, seconds))
    scanned = tagger(tmp_path, "scan", inbox, "--database", database)
    assert scanned.stdout == "5 new, 5 tagged, 0 unchanged, 0 failed\n"
    assert tagger(tmp_path, "scan", inbox, "--database", database).stdout.startswith("0 new")
