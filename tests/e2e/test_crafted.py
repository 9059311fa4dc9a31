"""A database that somebody else wrote into: each command says so in a sentence, and none ends in a traceback."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Painter
from tests.e2e.command import rows, tagger

pytestmark = pytest.mark.long

COMMANDS = [("search", ""), ("status",)]


@pytest.fixture
def database(tmp_path: Path, inbox: Path, paint: Painter) -> Path:
    for number in range(3):
        paint(inbox / f"{number}.png", number=number)
    assert tagger(tmp_path, "scan", inbox, "--database", tmp_path / "tags.db").returncode == 0
    return tmp_path / "tags.db"


def write(database: Path, sql: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(sql)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE file SET path = zeroblob(100) WHERE id = 2", "where a path should be"),
        ("UPDATE file SET path = '../../etc/passwd' WHERE id = 2", "where a path should be"),
        ("UPDATE file SET path = 'x' || char(0) || 'y' WHERE id = 2", "where a path should be"),
        ("UPDATE file SET captured_at = char(27) || '[2J' WHERE id = 2", "'\\x1b[2J' where a time should be"),
        ("INSERT INTO alembic_version VALUES ('0001')", "is none of Tagger's"),
        ("UPDATE alembic_version SET version_num = '0000bogus'", "'0000bogus'], is none of Tagger's"),
        (
            "CREATE TRIGGER \"a\nb\" AFTER INSERT ON reading BEGIN DELETE FROM file; END",
            "has a trigger 'a\\nb' upon reading, which Tagger never makes",
        ),
        ("DROP VIEW top_tag; CREATE TABLE top_tag (path)", "'top_tag' in it is not the view that Tagger makes"),
        ("ALTER TABLE word RENAME TO w; CREATE VIEW word AS SELECT 1", "'word' in it is not the table"),
    ],
)  # fmt: skip
def test_what_cannot_be_ours_is_said_in_a_sentence(
    tmp_path: Path, inbox: Path, database: Path, sql: str, said: str
) -> None:
    write(database, sql)
    told = ""
    for command in (("scan", inbox), *COMMANDS):
        done = tagger(tmp_path, *command, "--database", database)
        assert "Traceback" not in done.stderr + done.stdout
        assert done.returncode in (0, 1, 2, 4), done.stderr
        told += done.stdout + done.stderr
    assert said in told


def test_what_users_add_of_their_own_is_theirs(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    write(
        database,
        """
        CREATE VIEW mine AS SELECT path, label FROM top_tag;
        CREATE TABLE notes (path TEXT, note TEXT);
        CREATE INDEX notes_path ON notes (path);
        CREATE TRIGGER stamp AFTER INSERT ON notes BEGIN UPDATE notes SET note = 'new' WHERE note IS NULL; END;
        CREATE INDEX by_camera ON file (camera, id);
        """,
    )
    paint(inbox / "3.png", number=3)
    assert tagger(tmp_path, "scan", inbox, "--database", database).returncode == 0
    assert rows(database, "SELECT count(*) FROM mine") == [(4,)]


def test_a_view_of_ours_that_says_something_else_is_made_anew(
    tmp_path: Path, inbox: Path, database: Path
) -> None:
    write(database, "DROP VIEW top_tag; CREATE VIEW top_tag AS SELECT 'forged' AS label")
    assert tagger(tmp_path, "scan", inbox, "--database", database).returncode == 0
    assert rows(database, "SELECT DISTINCT label FROM top_tag") == [("red",)]
