"""Pause, and what a daemon tells: on a real database, as commands and daemons use it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from tagger.errors import DatabaseError
from tagger.store.core import control
from tagger.store.core.control import DaemonAnswer, DaemonAnswers
from tagger.store.core.database import Database
from tagger.store.core.lock import holder, lock
from tagger.store.core.registry import set_limits

NOON = datetime(2026, 6, 15, 12, 0, 0, 250_000, tzinfo=UTC)
DAEMON = "tagger run (pid 7) since 2026-06-15 12:00:00 UTC"
LATER = "tagger run (pid 7) since 2026-06-15 12:00:01 UTC"
RELOADED = DaemonAnswer("http://x:1", 3, ("sources", "limits.rate"), ("database",))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tags.db"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    with closing(Database.open(str(file), create=True)) as database:
        yield database


def paused_since(database: Database) -> datetime | None:
    with database.read() as connection:
        return control.paused_since(connection)


def test_a_pause_stands_until_it_is_ended_whoever_pauses_again(database: Database) -> None:
    assert paused_since(database) is None
    assert control.pause(database, NOON) == NOON
    assert control.pause(database, NOON + timedelta(hours=1)) == NOON
    with database.write() as connection:
        set_limits(connection, {"health.black": 0.1})
    assert paused_since(database) == NOON
    assert [control.resume(database), control.resume(database)] == [True, False]
    assert paused_since(database) is None


@pytest.fixture
def older(file: Path) -> Path:
    """A database as it was before it had this table."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        settings = Config()
        settings.set_main_option("script_location", "tagger.store.core:migrations")
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0006")
    engine.dispose()
    return file


def test_a_pause_of_an_earlier_release_is_taken_over(older: Path) -> None:
    rows = [("paused_since", NOON.timestamp()), ("health.black", 0.2)]
    with closing(sqlite3.connect(older)) as connection, connection:
        connection.executemany('INSERT INTO "limit" VALUES (?, ?)', rows)
    with closing(Database.open(str(older), create=True)) as database:
        assert paused_since(database) == NOON
        assert control.resume(database)
    with closing(sqlite3.connect(older)) as connection:
        assert connection.execute('SELECT name, value FROM "limit"').fetchall() == [("health.black", 0.2)]


def test_a_table_of_a_users_own_with_this_name_stays_and_is_named(older: Path) -> None:
    with closing(sqlite3.connect(older)) as connection:
        connection.executescript("CREATE TABLE control (mine); INSERT INTO control VALUES (1)")
    with pytest.raises(DatabaseError, match="has a table 'control' of yours"):
        Database.open(str(older), create=True)
    with closing(sqlite3.connect(older)) as connection:
        assert connection.execute("SELECT mine FROM control").fetchall() == [(1,)]
        connection.execute("ALTER TABLE control RENAME TO my_control")
    Database.open(str(older), create=True).close()


def test_a_daemon_is_asked_for_what_it_told_last(database: Database, file: Path) -> None:
    answers = DaemonAnswers(database, DAEMON)
    assert control.answer(database, DAEMON) is None
    answers.tell(DaemonAnswer("http://x:1", 2, refused="sources: no folder"))
    answers.tell(RELOADED)
    with closing(Database.open(str(file), create=False)) as asked:
        assert control.answer(asked, DAEMON) == RELOADED


def test_what_a_daemon_told_that_died_is_not_believed_of_the_next(database: Database) -> None:
    DaemonAnswers(database, DAEMON).tell(RELOADED)
    assert control.answer(database, LATER) is None
    DaemonAnswers(database, LATER).tell(DaemonAnswer())
    assert control.answer(database, DAEMON) is None
    assert control.answer(database, LATER) == DaemonAnswer("")


def test_who_holds_the_lock_is_asked_by_the_name_that_it_tells_under(database: Database, file: Path) -> None:
    with lock(str(file), "run") as name:
        DaemonAnswers(database, name).tell(RELOADED)
        found = holder(str(file))
        assert found
        assert (found.pid, control.answer(database, found.who)) == (os.getpid(), RELOADED)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "[" * 100_000,
        "[]",
        '{"daemon": "DAEMON"}',
        '{"daemon": "DAEMON", "answer": {"web": 5}}',
        '{"daemon": "DAEMON", "answer": {"reloads": "3"}}',
        '{"daemon": "DAEMON", "answer": {"changed": [["a"]]}}',
    ],
)
def test_what_others_wrote_in_place_of_an_answer_is_none(
    database: Database, file: Path, value: str | None
) -> None:
    DaemonAnswers(database, DAEMON).tell(RELOADED)
    text = value and value.replace("DAEMON", DAEMON)
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("UPDATE control SET value = ? WHERE name = 'answer'", [text])
    assert control.answer(database, DAEMON) is None


def test_what_cannot_be_told_is_told_once_the_database_can_be_written(database: Database, file: Path) -> None:
    answers = DaemonAnswers(database, DAEMON)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answers.tell(DaemonAnswer(refused="later replaced"))
        answers.tell(RELOADED)
        assert control.answer(database, DAEMON) is None
        other.execute("ROLLBACK")
    answers.tell_untold()
    assert control.answer(database, DAEMON) == RELOADED
