"""`tagger db`, and sources that keep their rows for some days, on real processes."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Painter
from tests.e2e.command import rows, running, tagger

DAY = 86400


def aged(picture: Path, days: float) -> Path:
    then = time.time() - days * DAY
    os.utime(picture, (then, then))
    return picture


@pytest.fixture
def config(tmp_path: Path, inbox: Path) -> Path:
    config = tmp_path / "tagger.yaml"
    config.write_text("sources: [{path: inbox, keep_days: 7}]\ndatabase: tags.db\n")
    return config


def test_rows_past_keep_days_go_their_files_stay_and_are_not_tagged_again(
    tmp_path: Path, inbox: Path, database: Path, config: Path, paint: Painter
) -> None:
    old = aged(paint(inbox / "old.png"), 8)
    aged(paint(inbox / "new.png", number=1), 6)
    assert tagger(tmp_path, "scan", inbox, "--database", database).stdout.startswith("2 new, 2 tagged")
    with running(tmp_path, "--config", config) as daemon:
        daemon.wait_for("older than keep_days and forgotten: 1;")
    names = "SELECT path FROM top_tag"
    assert rows(database, names) == [(str(inbox / "new.png"),)]
    assert old.exists()
    assert tagger(tmp_path, "scan", "--config", config).stdout.startswith("0 new, 0 tagged, 2 unchanged")
    assert rows(database, "SELECT count(*) FROM file") == [(1,)]


def test_what_arrives_too_old_is_not_tagged(
    tmp_path: Path, inbox: Path, database: Path, config: Path, paint: Painter
) -> None:
    with running(tmp_path, "--config", config) as daemon:
        aged(paint(tmp_path / "old.png"), 8).rename(inbox / "old.png")
        paint(inbox / "new.png", number=1)
        daemon.wait_for("new.png: red")
        assert daemon.stop(signal.SIGTERM) == 0
    assert rows(database, "SELECT path FROM file") == [("new.png",)]


def test_a_database_is_checked_and_copied_while_a_daemon_works(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    with running(tmp_path, inbox, "--database", database) as daemon:
        paint(inbox / "a.png")
        daemon.wait_for("a.png: red")
        copy = tmp_path / "copy.db"
        assert tagger(tmp_path, "db", "check", "--database", database).stdout == f"{database}: whole\n"
        assert tagger(tmp_path, "db", "backup", copy, "--database", database).returncode == 0
        paint(inbox / "b.png", number=1)
        daemon.wait_for("b.png: red")
    assert rows(copy, "SELECT path FROM top_tag") == [(str(inbox / "a.png"),)]
    assert "a.png" in tagger(tmp_path, "search", "red", "--database", copy).stdout


def test_a_copy_replaces_nothing_unless_told_to_and_never_the_database(
    tmp_path: Path, inbox: Path, database: Path
) -> None:
    tagger(tmp_path, "scan", inbox, "--database", database)
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    refused = tagger(tmp_path, "db", "backup", notes, "--database", database)
    assert (refused.returncode, notes.read_text()) == (4, "mine")
    assert "--replace" in refused.stderr
    assert tagger(tmp_path, "db", "backup", notes, "--replace", "--database", database).returncode == 0
    assert rows(notes, "PRAGMA integrity_check") == [("ok",)]
    itself = tagger(tmp_path, "db", "backup", database, "--replace", "--database", database)
    assert (itself.returncode, "is the database itself" in itself.stderr) == (4, True)
    folder = tagger(tmp_path, "db", "backup", inbox, "--database", database)
    assert (folder.returncode, "is a folder" in folder.stderr) == (4, True)
    nowhere = tagger(tmp_path, "db", "backup", tmp_path / "no" / "copy.db", "--database", database)
    assert (nowhere.returncode, "No such file" in nowhere.stderr) == (4, True)


def test_room_is_given_back_only_where_no_daemon_works(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    with running(tmp_path, inbox, "--database", database) as daemon:
        paint(inbox / "a.png")
        daemon.wait_for("a.png: red")
        refused = tagger(tmp_path, "db", "vacuum", "--database", database)
        assert (refused.returncode, str(daemon.process.pid) in refused.stderr) == (4, True)
        assert daemon.stop(signal.SIGTERM) == 0
    with closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE much AS SELECT zeroblob(10000000)")
        other.execute("DROP TABLE much")
    size = database.stat().st_size
    assert tagger(tmp_path, "db", "vacuum", "--database", database).stdout.endswith(" MB given back\n")
    assert database.stat().st_size < size - 9_000_000
    assert tagger(tmp_path, "db", "vacuum", "--database", database).stdout.startswith("there is no room")


def lose_rows(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as vandal:
        vandal.execute("DELETE FROM model")


def lose_a_page(database: Path) -> None:
    with database.open("r+b") as file:
        file.seek(-4 * 4096, os.SEEK_END)
        file.write(b"\xff" * 4096)


@pytest.mark.parametrize("damage", [lose_rows, lose_a_page])
def test_a_damaged_database_is_said_to_be_and_ends_with_4(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, damage: Callable[[Path], None]
) -> None:
    paint(inbox / "a.png")
    tagger(tmp_path, "scan", inbox, "--database", database)
    damage(database)
    found = tagger(tmp_path, "db", "check", "--database", database)
    assert found.returncode == 4
    assert str(database) in found.stderr
    assert "restore a copy" in found.stderr
