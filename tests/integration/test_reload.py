"""What of another config a daemon can take: taken_over on a real database and a real model."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tagger.config.settings import Settings
from tagger.errors import DatabaseError
from tagger.runtime.reload import Config, taken_over
from tagger.store.core.database import Database
from tagger.vision import cores
from tagger.vision.load import load_classifier


def settings(**more: Any) -> Settings:
    return Settings.model_validate({"sources": ["/data/cam"], "engine": {"backend": "fake"}, **more})


def running(started: Settings, folder: Path) -> Config:
    return Config(started, load_classifier(started, folder, folder))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(str(tmp_path / "tags.db"), create=True)) as database:
        yield database


def test_only_what_differs_is_named_by_its_key(tmp_path: Path, database: Database) -> None:
    started = settings()
    wanted = settings(thresholds={"red": 0.5}, web={"port": 5001}, decode={"threads": 3}, rescan=60)
    config = taken_over(running(started, tmp_path), wanted, started, database)
    assert set(config.changed) == {"thresholds", "web.port", "decode.threads", "rescan"}
    assert (config.restart, config.settings) == ((), wanted)


def test_what_was_opened_stays_as_it_is_until_a_restart(tmp_path: Path, database: Database) -> None:
    started = settings()
    wanted = settings(
        database="/elsewhere/tags.db",
        model={"name": "resnet50", "top_k": 9},
        engine={"backend": "torch", "precision": "fp32"},
    )
    config = taken_over(running(started, tmp_path), wanted, started, database)
    assert config.changed == ("model.top_k",)
    assert set(config.restart) == {"database", "model.name", "engine.backend", "engine.precision"}
    assert (config.settings.database, config.settings.engine) == (started.database, started.engine)
    assert (config.settings.model.name, config.classifier.top_k) == ("auto", 9)


def test_what_goes_back_to_how_it_was_needs_no_restart_any_more(tmp_path: Path, database: Database) -> None:
    started = settings()
    other = taken_over(running(started, tmp_path), settings(model={"name": "resnet50"}), started, database)
    assert taken_over(other, started, started, database).restart == ()


@pytest.mark.skipif(cores.available() < 2, reason="this machine has one core")
@pytest.mark.parametrize(("before", "now", "restart"), [(2, 1, False), (1, 2, True), (2, 999, None)])
def test_threads_of_the_model_can_be_left_idle_but_none_can_be_added(
    tmp_path: Path, database: Database, before: int, now: int, restart: bool | None
) -> None:
    started, wanted = (
        settings(engine={"backend": "openvino"}, limits={"cores": many}) for many in (before, now)
    )
    config = taken_over(running(started, tmp_path), wanted, started, database)
    expected = cores.available() > before if restart is None else restart
    assert config.restart == (("limits.cores, for the model",) if expected else ())
    assert config.changed == ("limits.cores",)


def test_while_the_database_cannot_be_written_all_stays_as_it_is(tmp_path: Path, database: Database) -> None:
    def work() -> None:
        with database.write():
            pass

    started = settings()
    config = running(started, tmp_path)
    with closing(sqlite3.connect(tmp_path / "tags.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = threading.Thread(target=database.write_retry.run, args=[work])
        waiting.start()
        while not database.write_retry.is_waiting:
            assert waiting.is_alive()
        with pytest.raises(DatabaseError, match="cannot be written now"):
            taken_over(config, started, started, database)
        other.execute("ROLLBACK")
        waiting.join()
    assert taken_over(config, started, started, database).changed == ()
