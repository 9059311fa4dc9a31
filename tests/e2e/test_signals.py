"""A stop is heard whatever Tagger does just then: on real processes, whose log, or word to systemd, says where they are."""

import signal
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from tests.allowed import OWN_MOUNTS, needs
from tests.conftest import Painter
from tests.e2e.command import hear, rows, running, tagger

STOPS = [signal.SIGTERM, signal.SIGINT]
ENDED = {"run": 0, "scan": 130}
"""The exit codes of a stop."""


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("what", ENDED)
def test_while_another_program_has_the_database_to_itself(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, what: str, number: int
) -> None:
    paint(inbox / "a.png")
    tagger(tmp_path, "scan", inbox, "--database", database)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with running(
            tmp_path, inbox, "--database", database, command=what, first="work pauses", until=""
        ) as daemon:
            assert daemon.stop(number) == ENDED[what]
    assert rows(database, "SELECT count(*) FROM top_tag") == [(1,)]


@needs(OWN_MOUNTS)
@pytest.mark.parametrize("full", ["nr_inodes=4,size=8m", "size=1m"])
def test_while_the_disk_of_the_database_is_full(
    tmp_path: Path, inbox: Path, paint: Painter, full: str
) -> None:
    """Of inodes, so that there is no room for a log; or of blocks."""
    paint(inbox / "a.png")
    tagger(tmp_path, "scan", inbox, "--database", tmp_path / "tags.db")
    disk = tmp_path / "disk"
    disk.mkdir()
    fill = f"cp {tmp_path}/tags.db {disk}; touch {disk}/tags.db.lock; touch {disk}/more; cat /dev/zero > {disk}/more"
    small = f'mount -t tmpfs -o {full} none {disk} && {{ {fill}; }} 2> /dev/null; exec "$@"'
    with running(
        tmp_path, inbox, "--database", disk / "tags.db",
        within=(*OWN_MOUNTS, "sh", "-c", small, "sh"), first="work pauses", until="",
    ) as daemon:  # fmt: skip
        assert daemon.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("step", ["the database is opened", "the model is loaded"])
def test_at_each_step_of_a_start(
    tmp_path: Path, inbox: Path, database: Path, ear: socket.socket, number: int, step: str
) -> None:
    """The model's graph is not there yet, so it is made."""
    variables = {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "TAGGER_ENGINE__BACKEND": "auto",
        "TAGGER_MODEL__NAME": "efficientnet_lite0",
    }
    with running(tmp_path, inbox, "--database", database, until="", **variables) as daemon:
        hear(ear, step)
        assert daemon.stop(number) == 0


@pytest.mark.parametrize("number", STOPS)
def test_after_a_thousand_wishes_to_begin_anew(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, number: int
) -> None:
    for picture in range(50):
        paint(inbox / f"{picture}.png", number=picture)
    with running(tmp_path, inbox, "--database", database) as daemon:
        for _ in range(1000):
            daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("config reloaded: nothing changed")
        assert daemon.stop(number) == 0
    assert daemon.log.count("config reloaded") < 10
    assert tagger(tmp_path, "scan", inbox, "--database", database).returncode == 0
    assert rows(database, "SELECT count(*) FROM top_tag") == [(50,)]


def test_while_an_older_database_waits_to_be_brought_up_to_date(
    tmp_path: Path, inbox: Path, database: Path
) -> None:
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        migrations = Config()
        migrations.set_main_option("script_location", "tagger.store.core:migrations")
        migrations.attributes["connection"] = connection
        command.upgrade(migrations, "0002")
    engine.dispose()
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with running(tmp_path, inbox, "--database", database, first="work pauses", until="") as daemon:
            assert daemon.stop(signal.SIGTERM) == 0
    assert rows(database, "SELECT version_num FROM alembic_version") == [("0002",)]
