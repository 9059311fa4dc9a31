"""What the service manager hears of a real daemon. tests/systemd shows what it makes of it."""

import signal
import socket
from contextlib import closing
from pathlib import Path

from tagger.config.settings import Settings
from tagger.runtime.signals import Signals
from tagger.runtime.worker import Worker
from tagger.store.core.database import Database
from tagger.supervision import Activity
from tagger.vision.load import load_classifier
from tests.conftest import Painter
from tests.e2e.command import hear, running


def test_a_daemon_tells_how_it_starts_works_and_stops(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, ear: socket.socket
) -> None:
    with running(tmp_path, inbox, "--database", database, NOTIFY_SOCKET=str(tmp_path / "notify")) as daemon:
        start = hear(ear, "READY=1")
        steps = [line for line in start if line.startswith("STATUS=starting")]
        assert [step.rpartition(" ")[2] for step in steps] == ["opened", "loaded", "watched"]
        assert sum(line.startswith("EXTEND_TIMEOUT_USEC=") for line in start) == 3
        hear(ear, "WATCHDOG=1")
        paint(inbox / "cam.png")
        hear(ear, "STATUS=1 tagged, 0 waiting, 0 failed since the start")
        assert daemon.stop(signal.SIGTERM) == 0
        hear(ear, "STOPPING=1")


def stage_of(one: Activity) -> str:
    return one.name.rpartition("-")[0]


def test_a_daemon_without_work_has_every_stage_waiting(tmp_path: Path, inbox: Path, database: Path) -> None:
    settings = Settings.model_validate(
        {"database": str(database), "sources": [str(inbox)], "engine": {"backend": "fake"}}
    )
    classifier = load_classifier(settings, tmp_path, tmp_path)
    with closing(Signals()) as stops, closing(Database.open(settings.database, create=True)) as store:
        worker = Worker(settings, store, classifier, stops)
        wanted = {"health-check", "scan", "settle", "isolate", "maintain", "teach", "label"}
        wanted |= {"decode", "infer", "sink"}
        with worker.working():
            waiting: set[str] = set()
            while waiting != wanted:
                assert not worker.stopped(0.1)
                threads = worker.supervisor.snapshot()
                busy = {stage_of(one) for one in threads if not one.is_waiting}
                waiting = {stage_of(one) for one in threads} - busy
