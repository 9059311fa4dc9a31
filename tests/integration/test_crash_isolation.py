"""Suspects are tried in real processes, which some of them kill."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tagger.config.settings import Settings
from tagger.host import confinement
from tagger.pipeline.claims import Claims
from tagger.pipeline.crash_isolation import CrashIsolation, SubprocessRunner
from tagger.records import Origin, Stamp
from tagger.runtime import build
from tagger.store.core.database import Database
from tagger.store.core.schema import State
from tagger.store.queue import queries
from tagger.store.queue.file_queue import FileQueue
from tagger.supervision import Closed

ACCUSER = """
import os, signal, sys
print(*sys.argv[1:], file=open("asked.txt", "a"))
for path in sys.argv[1:]:
    for name, death in {"segv": signal.SIGSEGV, "kill": signal.SIGKILL, "term": signal.SIGTERM}.items():
        if name in path:
            os.kill(os.getpid(), death)
    if "slow" in path:
        sys.exit(5)
    if "hang" in path:
        signal.pause()
sys.exit(1)
"""


class Suspects:
    """A worker that was killed with some files in hand, and its successor's trial."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self.read: Callable[[Stamp], object] = lambda stamp: None
        self.database = Database.open(str(folder / "tags.db"), create=True)
        self.queue = FileQueue(self.database, {"cam": "/cam"}, lambda: datetime.now(UTC))
        self.queue.admit([Stamp(f"/cam/{name}", "cam", 1, 1, 1) for name in names], Origin.SCAN)
        self.queue.claim(len(names))
        self.queue.start()
        self.claims = Claims(self.queue)
        self.runner = SubprocessRunner((sys.executable, "-c", ACCUSER), os.environ)
        self.isolation = CrashIsolation(self.queue, self.claims, self.runner, lambda stamp: self.read(stamp))

    @property
    def quarantined(self) -> dict[str, str]:
        failures = queries.failures(self.database)
        return {one.path: one.error for one in failures if one.state is State.QUARANTINED}

    @property
    def free(self) -> set[str]:
        return {stamp.path for stamp in self.queue.claim(99)}

    @property
    def asked(self) -> list[list[str]]:
        return [line.split() for line in (self.folder / "asked.txt").read_text().splitlines()]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_a_crowd_that_survives_is_free_after_one_process(here: Path) -> None:
    suspects = Suspects(here, "a.png", "b.png", "c.png")
    with closing(suspects.database):
        assert suspects.queue.has_suspects
        suspects.isolation.step()
        assert suspects.free == {"/cam/a.png", "/cam/b.png", "/cam/c.png"}
        assert len(suspects.asked) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [("segv", "killed by SIGSEGV"), ("kill", "killed by SIGKILL"), ("slow", "took too long")],
)
def test_the_guilty_one_is_quarantined_after_three_deaths_alone_and_its_neighbours_are_free(
    here: Path, name: str, reason: str
) -> None:
    suspects = Suspects(here, "a.png", f"{name}.png", "b.png")
    with closing(suspects.database):
        suspects.isolation.step()
        assert reason in suspects.quarantined[f"/cam/{name}.png"]
        assert suspects.free == {"/cam/a.png", "/cam/b.png"}
        assert suspects.asked.count([f"/cam/{name}.png"]) == 3


def test_two_guilty_ones_are_both_found(here: Path) -> None:
    suspects = Suspects(here, "kill.png", "segv.png", "a.png")
    with closing(suspects.database):
        suspects.isolation.step()
        assert set(suspects.quarantined) == {"/cam/kill.png", "/cam/segv.png"}
        assert suspects.free == {"/cam/a.png"}


def test_nobody_is_blamed_where_a_person_ended_the_trial(here: Path) -> None:
    suspects = Suspects(here, "term.png", "a.png")
    with closing(suspects.database):
        suspects.isolation.step()
        assert suspects.quarantined == {}
        assert suspects.free == {"/cam/term.png", "/cam/a.png"}


def test_nobody_is_blamed_where_tagger_stops_during_the_trial(here: Path) -> None:
    suspects = Suspects(here, "hang.png")
    ended: list[BaseException] = []

    def step() -> None:
        try:
            suspects.isolation.step()
        except Closed as closed:
            ended.append(closed)

    os.mkfifo(here / "asked.txt")  # opened by the child for writing: it runs, then
    with closing(suspects.database):
        thread = threading.Thread(target=step)
        thread.start()
        with (here / "asked.txt").open() as asked:
            asked.readline()
        suspects.isolation.close()
        thread.join(60)
        assert len(ended) == 1
        assert [stamp.path for stamp in suspects.queue.suspects()] == ["/cam/hang.png"]


def test_a_file_that_died_twice_by_chance_has_a_clean_slate_once_it_survives(here: Path) -> None:
    suspects = Suspects(here, "a.png")
    with closing(suspects.database):
        [stamp] = suspects.queue.suspects()
        for _ in range(2):
            suspects.queue.record_crash(stamp, "killed by SIGKILL")
        suspects.isolation.step()
        assert suspects.free == {"/cam/a.png"}
        assert suspects.quarantined == {}


def test_nobody_is_tried_or_blamed_while_the_disk_does_not_answer(here: Path) -> None:
    suspects = Suspects(here, "a.png")
    asked, answer = threading.Event(), threading.Event()

    def read_slowly(stamp: Stamp) -> None:
        asked.set()
        answer.wait(60)

    suspects.read = read_slowly
    with closing(suspects.database):
        thread = threading.Thread(target=suspects.isolation.step)
        thread.start()
        assert asked.wait(60)
        assert not (here / "asked.txt").exists()
        answer.set()
        thread.join(60)
        assert suspects.free == {"/cam/a.png"}


def test_the_process_that_tries_files_may_read_them_and_has_no_other_right_and_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TAGGER_WEB__TOKEN", "a secret")
    court = build.runner(Settings.model_validate({"model": {"top_k": 3}}))
    look = "import os; print(open('/proc/self/status').read(), *os.environ.items(), sep=chr(10))"
    command = [part.replace("main()", look) for part in court._command]
    told = subprocess.run(command, env=court._environment, capture_output=True, text=True, check=True).stdout
    rights = {line.split(":\t")[1] for line in told.splitlines() if line.startswith(("CapPrm", "CapEff"))}
    assert rights <= {f"{1 << confinement.READ_FILES:016x}", f"{0:016x}"}
    assert "NoNewPrivs:\t1" in told
    assert "a secret" not in told
    assert "('TAGGER_MODEL__TOP_K', '3')" in told
