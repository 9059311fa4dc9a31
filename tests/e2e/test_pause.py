"""A daemon that leaves the machine to others: on a real process, by what its users and the system see."""

import json
import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from tagger.config.settings import Settings
from tagger.runtime.signals import Signals
from tagger.runtime.worker import Worker
from tagger.store.core.database import Database
from tagger.vision.load import load_classifier
from tests.conftest import Painter
from tests.e2e.command import Daemon, rows, running, tagger
from tests.e2e.site import serve, site_of


def await_state(daemon: Daemon, database: Path, name: str, state: str) -> None:
    query = "SELECT state FROM file WHERE path = ?"
    while rows(database, query, name) != [(state,)]:
        assert daemon.process.poll() is None


def test_a_paused_daemon_notes_what_arrives_and_tags_it_once_it_is_resumed(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    with running(tmp_path, inbox, "--database", database) as daemon:
        assert "paused since" in tagger(tmp_path, "pause", "--database", database).stdout
        daemon.wait_for("paused: files wait")
        paint(inbox / "a.png")
        await_state(daemon, database, "a.png", "pending")
        assert "paused    since" in tagger(tmp_path, "status", "--database", database).stdout
        assert tagger(tmp_path, "resume", "--database", database).stdout == "files are taken again\n"
        daemon.wait_for("a.png: red")
    status = json.loads(tagger(tmp_path, "status", "--json", "--database", database).stdout)
    assert status["paused_since"] is None


def test_a_pause_outlives_a_restart(tmp_path: Path, inbox: Path, database: Path, paint: Painter) -> None:
    with running(tmp_path, inbox, "--database", database) as daemon:
        tagger(tmp_path, "pause", "--database", database)
        daemon.wait_for("paused: ")
        assert daemon.stop(signal.SIGTERM) == 0
    paint(inbox / "a.png")
    with running(tmp_path, inbox, "--database", database) as daemon:
        daemon.wait_for("paused: ")
        await_state(daemon, database, "a.png", "pending")
        tagger(tmp_path, "resume", "--database", database)
        daemon.wait_for("a.png: red")


def test_nothing_is_in_hand_while_it_rests_so_that_a_kill_then_blames_nobody(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    for number in range(200):
        paint(inbox / f"{number}.png", number=number)
    with running(tmp_path, inbox, "--database", database, TAGGER_LIMITS__RATE="20") as daemon:
        tagger(tmp_path, "pause", "--database", database)
        daemon.wait_for("paused: ")
        while rows(database, "SELECT count(*) FROM file WHERE state = 'busy'") != [(0,)]:
            assert daemon.process.poll() is None
        assert rows(database, "SELECT count(*) FROM file WHERE state = 'pending'") > [(0,)]


def test_who_pauses_twice_has_paused_the_first_time_and_may_resume_what_never_was(
    tmp_path: Path, inbox: Path, database: Path
) -> None:
    tagger(tmp_path, "scan", inbox, "--database", database)
    assert tagger(tmp_path, "resume", "--database", database).stdout == "it was not paused\n"
    said = {tagger(tmp_path, "pause", "--database", database).stdout for _ in range(2)}
    assert len(said) == 1


def test_a_pause_of_no_database_is_refused(tmp_path: Path, database: Path) -> None:
    refused = tagger(tmp_path, "pause", "--database", database)
    assert (refused.returncode, "no such database" in refused.stderr) == (4, True)


def test_the_api_tells_that_it_is_paused_and_a_pause_is_no_fault(tmp_path: Path, inbox: Path) -> None:
    with serve(tmp_path) as daemon, site_of(daemon) as site:
        assert site.get("/stats")["paused_since"] is None
        tagger(tmp_path, "pause", "--database", tmp_path / "tags.db")
        daemon.wait_for("paused: ")
        assert site.get("/readyz") == {"status": "ok", "missing": [], "paused": True}
        assert site.get("/stats")["paused_since"] is not None


def test_a_nice_daemon_is_nice_in_all_its_threads(tmp_path: Path, inbox: Path, database: Path) -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    with running(tmp_path, inbox, "--database", database, TAGGER_LIMITS__NICE="5") as daemon:
        threads = os.listdir(f"/proc/{daemon.process.pid}/task")
        assert {os.getpriority(os.PRIO_PROCESS, int(one)) for one in threads} == {min(ours + 5, 19)}


@pytest.mark.parametrize("threads", ["auto", 3])
def test_no_more_threads_decode_and_infer_than_may(
    tmp_path: Path, inbox: Path, database: Path, threads: object
) -> None:
    settings = Settings.model_validate(
        {"database": str(database), "sources": [str(inbox)], "engine": {"backend": "openvino"}}
        | {"limits": {"cores": 1}, "decode": {"threads": threads}}
    )
    classifier = load_classifier(settings, tmp_path, tmp_path)
    with closing(Signals()) as stops, closing(Database.open(settings.database, create=True)) as store:
        worker = Worker(settings, store, classifier, stops)
        with worker.working():
            assert not worker.stopped(0.5)
            names = {one.name for one in worker.supervisor.snapshot()}
    assert "1 cores" in classifier.description
    assert {name for name in names if name.startswith(("decode", "infer"))} == {"decode-0", "infer-0"}
