import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, insert, select

from tagger.errors import DatabaseError
from tagger.search.parse import parse
from tagger.store.core.database import Database
from tagger.store.core.lock import holder, lock
from tagger.store.core.schema import VERSION, label, metadata
from tagger.store.core.views import create_views
from tagger.store.search import found

ROW = {"key": "n1", "name": "tabby"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tags.db"


def make(file: Path) -> None:
    Database.open(str(file), create=True).close()


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(select(label.c.name)))


def refusal(address: object, create: bool) -> str:
    with pytest.raises(DatabaseError) as refused:
        Database.open(str(address), create)
    return str(refused.value)


def test_a_new_database_is_made_with_its_folders(tmp_path: Path) -> None:
    make(tmp_path / "a" / "b" / "tags.db")
    assert files(tmp_path / "a" / "b") == ["tags.db"]


@pytest.mark.parametrize("name", ["100% ?x#y.db", "caf\udce9.db"])
def test_a_database_may_have_any_file_name(tmp_path: Path, name: str) -> None:
    make(tmp_path / name)
    assert files(tmp_path) == [name]


def test_migrations_lead_to_the_schema_that_the_code_works_with(file: Path, tmp_path: Path) -> None:
    make(file)
    declared = create_engine(f"sqlite:///{tmp_path / 'declared.db'}")
    with declared.begin() as connection:
        metadata.create_all(connection)
        create_views(connection)
    declared.dispose()
    assert schema(file) == schema(tmp_path / "declared.db")


def schema(file: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute(
            "SELECT name, replace(sql, '!=', '<>') FROM sqlite_master"
            " WHERE tbl_name NOT LIKE 'sqlite_%' AND tbl_name <> 'alembic_version'"
        )
        return {(name, " ".join((sql or "").split())) for name, sql in rows}


@pytest.fixture
def older(file: Path) -> Path:
    """A database of version 0002 with a tagged picture."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        settings = Config()
        settings.set_main_option("script_location", "tagger.store.core:migrations")
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0002")
        for statement in (
            "INSERT INTO source VALUES (1, 'cam', '/data/cam', NULL)",
            "INSERT INTO label VALUES (1, 'n1', 'Tabby')",
            "INSERT INTO model VALUES (1, 'resnet18', 'ab', 'none', '', '2024-05-01 12:00:00.000')",
            "INSERT INTO file (id, source_id, path, size, mtime_ns, ctime_ns, captured_at, seen_at, state, urgency,"
            " attempts) VALUES (1, 1, 'a.jpg', 1, 1, 1, '2024-05-01 12:00:00.000', '2024-05-01 12:00:00.000', 'done', 0, 0)",
            "INSERT INTO reading VALUES (1, 1, 1, '2024-05-01 12:00:00.000', 0.9, 0.1, 1.0)",
            "INSERT INTO tag VALUES (1, '2024-05-01 12:00:00.000', 1, 1, 1, 0.9, '2024-05-01 12:00:00.000')",
        ):
            connection.exec_driver_sql(statement)
    engine.dispose()
    return file


def tables(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_an_older_database_is_brought_up_to_date_and_a_copy_of_what_it_was_stays_beside_it(
    older: Path,
) -> None:
    make(older)
    copy = older.with_name(f"tags.db.before-{VERSION}")
    assert sorted(files(older.parent)) == [older.name, copy.name]
    assert "category" in tables(older)
    assert "category" not in tables(copy)
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT score FROM tag").fetchall() == [(0.9,)]


def test_the_tags_of_an_older_database_are_shown_and_found_before_they_are_made_anew(older: Path) -> None:
    make(older)
    with closing(Database.open(str(older), create=False)) as database:
        [hit] = found.search(database, parse("TABBY", datetime.now(UTC)), "TABBY", 0.3)
        assert (hit.picture.path, hit.by and hit.by.score) == ("/data/cam/a.jpg", 0.9)


def test_a_reader_is_told_how_an_older_database_is_brought_up_to_date(older: Path) -> None:
    assert "is from an older Tagger" in refusal(older, create=False)
    assert "category" not in tables(older)


def test_the_planner_knows_every_index(file: Path) -> None:
    make(file)
    with closing(sqlite3.connect(file)) as connection:
        indexes = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name NOT LIKE 'alembic%'"
        )
        described = connection.execute("SELECT idx FROM sqlite_stat1 WHERE idx <> tbl")
        assert set(described) == set(indexes)


def test_opening_again_keeps_what_is_there(file: Path) -> None:
    with closing(Database.open(str(file), create=True)) as database, database.write() as connection:
        connection.execute(insert(label), ROW)
    with closing(Database.open(f"sqlite:///{file}", create=True)) as database:
        assert names(database) == ["tabby"]


def test_reading_leaves_no_trace(file: Path) -> None:
    make(file)
    before = (file.read_bytes(), files(file.parent))
    with closing(Database.open(str(file), create=False)) as database:
        assert names(database) == []
    assert (file.read_bytes(), files(file.parent)) == before


def test_an_exception_rolls_the_whole_transaction_back(file: Path) -> None:
    with closing(Database.open(str(file), create=True)) as database:
        with pytest.raises(ZeroDivisionError), database.write() as connection:
            connection.execute(insert(label), ROW)
            raise ZeroDivisionError
        assert names(database) == []


def test_a_reader_cannot_write(file: Path) -> None:
    make(file)
    with (
        closing(Database.open(str(file), create=False)) as database,
        pytest.raises(DatabaseError, match="readonly"),
        database.read() as connection,
    ):
        connection.execute(insert(label), ROW)


def test_a_reader_sees_one_state_while_another_thread_commits(file: Path) -> None:
    def write() -> None:
        with database.write() as connection:
            connection.execute(insert(label), ROW)

    with closing(Database.open(str(file), create=True)) as database:
        with database.read() as connection:
            assert connection.scalars(select(label.c.name)).all() == []
            writer = threading.Thread(target=write)
            writer.start()
            writer.join()
            assert connection.scalars(select(label.c.name)).all() == []
        assert names(database) == ["tabby"]


def test_a_database_in_memory_is_one_for_all_threads() -> None:
    seen: list[list[str]] = []
    with closing(Database.open("sqlite://", create=True)) as database:
        with database.write() as connection:
            connection.execute(insert(label), ROW)
        reader = threading.Thread(target=lambda: seen.append(names(database)))
        reader.start()
        reader.join()
    assert seen == [["tabby"]]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "written by a newer Tagger"),
        ("CREATE TABLE x (y); DROP TABLE alembic_version", "belongs to another program"),
    ],
)
@pytest.mark.parametrize("create", [True, False])
def test_a_database_of_others_is_refused_untouched(
    file: Path, statement: str, message: str, create: bool
) -> None:
    make(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(statement)
    before = file.read_bytes()
    assert message in refusal(file, create)
    assert file.read_bytes() == before


def test_a_missing_database_is_explained_and_not_made(file: Path) -> None:
    assert "no such database" in (message := refusal(file, create=False))
    assert "tagger scan creates it" in message
    assert not file.exists()


def test_an_empty_file_is_filled_by_a_worker_and_explained_to_a_reader(file: Path) -> None:
    file.touch()
    assert "holds no tags yet" in refusal(file, create=False)
    make(file)
    with closing(Database.open(str(file), create=False)) as database:
        assert names(database) == []


@pytest.mark.parametrize("create", [True, False])
def test_a_file_that_is_no_database_is_refused_untouched(file: Path, create: bool) -> None:
    file.write_text("a shopping list, long enough to be looked at\n" * 100)
    assert "file is not a database" in refusal(file, create)
    assert file.read_text().startswith("a shopping list")


def test_a_damaged_database_is_explained(file: Path) -> None:
    make(file)
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    assert "malformed" in (message := refusal(file, create=True))
    assert "restore a copy" in message


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://ada:secret@db/tags", "postgresql is not supported"),
        ("postgresql://ada:secret@db:port/tags", "not a database URL"),
        ("postgresql://ada@db/tags?password=secret&sslpassword=secret", "postgresql is not supported"),
        ("nonsense://", "not supported"),
        ("://", "not a database URL"),
        (".", "is not a file"),
        ("/proc/tags.db", "check the permissions"),
        ("/dev/null/tags.db", "check the permissions"),
    ],
)
def test_an_address_that_cannot_be_used_is_explained(address: str, message: str) -> None:
    assert message in (text := refusal(address, create=True))
    assert "secret" not in text


def test_a_second_worker_is_refused_and_told_who_the_first_is(file: Path) -> None:
    first = rf"tagger run \(pid {os.getpid()}\) since \d"
    with lock(str(file), "run"), pytest.raises(DatabaseError, match=first), lock(str(file), "scan"):
        pass
    with lock(str(file), "scan"):
        pass


WORKER = """
import sys
from sqlalchemy import insert
from tagger.search.parse import parse
from tagger.store.search import found
from tagger.store.core.database import Database
from tagger.store.core.lock import lock
from tagger.store.core.schema import label
with lock(sys.argv[1], "run"):
    database = Database.open(sys.argv[1], create=True)
    with database.write() as connection:
        connection.execute(insert(label), {"key": "n1", "name": "tabby"})
    print("committed", flush=True)
    with database.write() as connection:
        connection.execute(insert(label), {"key": "n2", "name": "half done"})
        print("writing", flush=True)
        sys.stdin.read()
"""


def test_after_kill_9_what_was_committed_is_there_and_the_lock_is_free(file: Path) -> None:
    command = [sys.executable, "-c", WORKER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout
        assert [worker.stdout.readline() for _ in range(2)] == ["committed\n", "writing\n"]
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    with closing(Database.open(str(file), create=False)) as database:
        assert names(database) == ["tabby"]
    with lock(str(file), "run"), closing(Database.open(str(file), create=True)) as database:
        assert names(database) == ["tabby"]


# A lock file that others wrote


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "1000"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("opens", [False, True])
def test_who_only_is_named_in_a_lock_file_holds_no_lock(
    file: Path, stranger: subprocess.Popen[bytes], opens: bool
) -> None:
    """Also one that has it open: to signal it would end it."""
    beside = file.with_name("tags.db.lock")
    beside.write_text(f"tagger run (pid {stranger.pid}) since ever\n")
    assert holder(str(file)) is None
    if opens:
        beside.write_text(f"tagger run (pid {os.getpid()}) since ever\n")
        with beside.open():
            assert holder(str(file)) is None


def test_the_holder_of_a_lock_is_found_and_shown_on_one_line(file: Path) -> None:
    beside = file.with_name("tags.db.lock")
    with lock(str(file), "run") as who:
        found = holder(str(file))
        assert found
        assert (found.pid, found.who) == (os.getpid(), who)
        beside.write_text(f'tagger run \x1b[2J(pid {os.getpid()})\n{{"reload": 3, "x": 1}}\n')
        found = holder(str(file))
        assert found
        assert found.who == f"tagger run \\x1b[2J(pid {os.getpid()})"
        with (
            pytest.raises(DatabaseError, match=re.escape(r"in use by tagger run \x1b[2J(pid")),
            lock(str(file), "run"),
        ):
            pass
    assert holder(str(file)) is None


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_lies_in_place_of_a_lock_file_is_neither_followed_nor_waited_for(file: Path, kind: str) -> None:
    beside, target = file.with_name("tags.db.lock"), file.with_name("target")
    if kind == "link":
        target.write_text("mine")
        beside.symlink_to(target)
    elif kind == "pipe":
        os.mkfifo(beside)
    else:
        beside.mkdir()
    with pytest.raises(DatabaseError, match="is not a regular file"), lock(str(file), "run"):
        pass
    with pytest.raises(DatabaseError, match="is not a regular file"):
        holder(str(file))
    assert kind != "link" or target.read_text() == "mine"
