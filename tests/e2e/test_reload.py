"""A daemon that reads its config anew: on a real process, by what its users see."""

import os
import pty
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.allowed import NO_NICE, needs
from tests.conftest import Painter
from tests.e2e.command import PATIENCE, TAGGER, Daemon, environment, rows, running, tagger
from tests.e2e.site import site_of


class Config:
    """A config file, and the daemon's answer to what is written into it."""

    def __init__(self, home: Path) -> None:
        self.home, self.file = home, home / "tagger.yaml"
        self.write("sources: [inbox]")

    def write(self, text: str) -> None:
        self.file.write_text(f"database: tags.db\n{text}\n")

    def reload(self, text: str) -> subprocess.CompletedProcess[str]:
        self.write(text)
        return tagger(self.home, "reload", "--config", self.file)


@pytest.fixture
def config(tmp_path: Path, inbox: Path) -> Config:
    return Config(tmp_path)


def threads(daemon: Daemon) -> int:
    return len(os.listdir(f"/proc/{daemon.process.pid}/task"))


def open_files(daemon: Daemon) -> int:
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def test_a_source_is_added_and_another_left_without_a_restart(
    tmp_path: Path, inbox: Path, database: Path, config: Config, paint: Painter
) -> None:
    with running(tmp_path, "--config", config.file) as daemon:
        paint(inbox / "a.png")
        daemon.wait_for("a.png: red")
        paint(tmp_path / "more" / "before.png", number=1)
        assert config.reload("sources: [more]").stdout == "config reloaded: sources changed\n"
        daemon.wait_for("before.png: red")
        paint(inbox / "unseen.png", number=2)
        paint(tmp_path / "more" / "after.png", number=3)
        daemon.wait_for("after.png: red")
        assert daemon.stop(signal.SIGTERM) == 0
    assert rows(database, "SELECT source, path FROM top_tag ORDER BY path") == [
        ("inbox", str(inbox / "a.png")),
        ("more", str(tmp_path / "more" / "after.png")),
        ("more", str(tmp_path / "more" / "before.png")),
    ]


def test_thresholds_categories_the_log_and_limits_change_without_a_restart(
    tmp_path: Path, inbox: Path, database: Path, config: Config, paint: Painter
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("warm: {includes: [red]}")
    with running(tmp_path, "--config", config.file) as daemon:
        paint(inbox / "a.png")
        daemon.wait_for("a.png: red")
        text = (
            "sources: [inbox]\nthresholds: {green: 0.9}\nlog_level: debug\nlimits: {rate: 50, nice: 3}\n"
            "categories: own.yaml"
        )
        said = config.reload(text).stdout
        assert set(said.removeprefix("config reloaded: ").removesuffix(" changed\n").split(", ")) == {
            "thresholds", "log_level", "limits.rate", "limits.nice", "categories",
        }  # fmt: skip
        daemon.wait_for("DEBUG")
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, daemon.process.pid) == min(ours + 3, 19)
        assert rows(database, "SELECT min_score FROM label WHERE name = 'green'") == [(0.9,)]
        while rows(database, "SELECT category FROM image_categories WHERE category = 'warm'") != [("warm",)]:
            assert daemon.process.poll() is None
        own.write_text("hot: {includes: [red]}")
        assert config.reload(text).stdout == "config reloaded: categories changed\n"
        while rows(database, "SELECT category FROM image_categories WHERE category = 'hot'") != [("hot",)]:
            assert daemon.process.poll() is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sources: [inbox]\nrescan: soon", "rescan: must be a number"),
        ("sources: [", "is not YAML"),
        ("sources: [inbox]\nrescan: 2024-13-45", "line 3: there is no such date"),
        ("sources: [inbox]\nrescan: " + "9" * 5000, "line 3: a number of 5,000 digits"),
        ("sources: " + "[" * 900, "line 2: it is nested more than 30 levels deep"),
        (
            "sources: [inbox]\ncategories: /dev/zero",
            "the categories cannot be read: it is not a regular file",
        ),
        ("sources: []", "no folder to work on"),
        ("sources: [inbox]\nthresholds: {rod: 0.5}", "thresholds.rod: no label or category has this name"),
        ("sources: [inbox]\ncategories: missing.yaml", "missing.yaml"),
        ("sources: [{path: other, name: inbox}]", "the source 'inbox' in it is"),
        ("sources: [inbox]\nweb: {enabled: true, token_file: missing}", "web.token_file: cannot be read"),
    ],
)
def test_a_config_that_is_wrong_changes_nothing_and_says_why(
    tmp_path: Path, inbox: Path, database: Path, config: Config, paint: Painter, text: str, words: str
) -> None:
    (tmp_path / "other").mkdir()
    with running(tmp_path, "--config", config.file) as daemon:
        paint(inbox / "a.png")
        daemon.wait_for("a.png: red")
        refused = config.reload(text)
        assert refused.returncode in (2, 4)
        assert words in refused.stderr
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("the config is not taken, and the one before goes on")
        paint(inbox / "b.png", number=1)
        daemon.wait_for("b.png: red")


def test_while_another_program_holds_the_database_nothing_is_taken_and_it_is_said(
    tmp_path: Path, inbox: Path, database: Path, config: Config, paint: Painter
) -> None:
    with running(tmp_path, "--config", config.file) as daemon:
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = config.reload("sources: [inbox]\nlimits: {rate: 5}")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr == (
            "tagger: the config is not taken, and the one before goes on: "
            f"{database}: cannot be written now\n  reload again once it can be\n"
        )
        paint(inbox / "a.png")
        daemon.wait_for("a.png: red")
        again = tagger(tmp_path, "reload", "--config", config.file)
        assert again.stdout == "config reloaded: limits.rate changed\n"


def test_what_needs_a_restart_is_named_and_the_rest_is_taken(
    tmp_path: Path, inbox: Path, database: Path, config: Config, paint: Painter
) -> None:
    with running(tmp_path, "--config", config.file) as daemon:
        text = "sources: [inbox]\nmodel: {top_k: 2}\nengine: {precision: fp32}\n"
        assert (
            config.reload(text).stdout
            == "config reloaded: model.top_k changed\nneeds a restart: engine.precision\n"
        )
        paint(inbox / "a.png")
        daemon.wait_for("a.png: red")
        assert rows(database, "SELECT count(*) FROM image_tags") == [(2,)]
        assert config.reload("sources: [inbox]").stdout == "config reloaded: model.top_k changed\n"
        assert config.reload("sources: [inbox]").stdout == "config reloaded: nothing changed\n"


def test_another_database_needs_a_restart_and_is_said_so_in_the_log(
    tmp_path: Path, inbox: Path, config: Config
) -> None:
    with running(tmp_path, "--config", config.file) as daemon:
        config.file.write_text("database: other.db\nsources: [inbox]\n")
        lost = tagger(tmp_path, "reload", "--config", config.file)
        assert (lost.returncode, "no daemon works on it" in lost.stderr) == (4, True)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("needs a restart: database")
        assert not (tmp_path / "other.db").exists()


def test_nothing_is_lost_and_nothing_tagged_twice_by_reloads_amid_a_backlog(
    tmp_path: Path, inbox: Path, database: Path, config: Config, paint: Painter
) -> None:
    pictures = {str(paint(inbox / f"{number}.png", number=number)) for number in range(300)}
    with running(tmp_path, "--config", config.file, TAGGER_LOG_LEVEL="debug") as daemon:
        for number in range(3):
            daemon.wait_for("stored")
            pictures.add(str(paint(inbox / f"new{number}.png", number=1000 + number)))
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_for("config reloaded: ")
        while rows(database, "SELECT count(*) FROM top_tag") != [(len(pictures),)]:
            assert daemon.process.poll() is None
        assert daemon.stop(signal.SIGTERM) == 0
    assert "in hand when Tagger last died" not in daemon.log
    assert {path for (path,) in rows(database, "SELECT path FROM top_tag")} == pictures
    assert rows(database, "SELECT max(seq) FROM reading") == [(len(pictures),)]


@pytest.mark.long
def test_reloads_leave_no_threads_and_no_files_behind(
    tmp_path: Path, inbox: Path, config: Config, paint: Painter
) -> None:
    web = {"TAGGER_WEB__ENABLED": "true", "TAGGER_WEB__PORT": "0"}
    with running(tmp_path, "--config", config.file, **web) as daemon:
        config.reload("sources: [inbox]")
        before, files = threads(daemon), open_files(daemon)
        for _ in range(5):
            assert config.reload("sources: [inbox]").returncode == 0
        assert threads(daemon) == before
        # As many connections are kept as were ever needed at one time, each two files: that may be one more now.
        assert open_files(daemon) < files + 5


def test_the_web_goes_on_with_the_new_config(tmp_path: Path, inbox: Path, config: Config) -> None:
    with running(tmp_path, "--config", config.file) as daemon:
        said = config.reload("sources: [inbox]\nweb: {enabled: true, port: 0}\nmodel: {top_k: 2}").stdout
        assert said == "config reloaded: model.top_k, web.enabled, web.port changed\n"
        daemon.first = daemon.wait_for("web:")
        with site_of(daemon) as site:
            assert site.get("/readyz")["status"] in ("ok", "not ready")


def test_a_stop_that_comes_with_a_reload_is_a_stop(tmp_path: Path, config: Config) -> None:
    with running(tmp_path, "--config", config.file) as daemon:
        daemon.process.send_signal(signal.SIGSTOP)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGCONT):
            daemon.process.send_signal(number)
        assert daemon.end() == 0


def test_the_service_manager_hears_of_it(tmp_path: Path, config: Config) -> None:
    with (
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as ear,
        running(tmp_path, "--config", config.file, NOTIFY_SOCKET=str(tmp_path / "notify")) as daemon,
    ):
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(PATIENCE)
        for text in ("sources: [inbox]", "sources: [inbox]\nrescan: soon"):
            config.write(text)
            daemon.process.send_signal(signal.SIGHUP)
            assert "MONOTONIC_USEC=" in heard(ear, "RELOADING=1")
            heard(ear, "READY=1")


def heard(ear: socket.socket, wanted: str) -> str:
    """The message that has this line in it."""
    while wanted not in (said := ear.recv(4096).decode()):
        pass
    return said


def test_where_no_daemon_works_it_is_said(tmp_path: Path, inbox: Path, config: Config) -> None:
    alone = tagger(tmp_path, "reload", "--config", config.file)
    assert (alone.returncode, "no daemon works on it" in alone.stderr) == (4, True)
    with running(tmp_path, "--config", config.file) as daemon:
        daemon.stop(signal.SIGKILL)
    killed = tagger(tmp_path, "reload", "--config", config.file)
    assert (killed.returncode, "no daemon works on it" in killed.stderr) == (4, True)


def test_a_daemon_whose_terminal_is_closed_ends(tmp_path: Path, config: Config) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["env", "--default-signal=HUP", "setsid", "--ctty", TAGGER, "run", "--config", config.file],
        env=environment(tmp_path),
        stdin=theirs,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    daemon = Daemon(process)
    daemon.wait_for("watching")
    os.close(ours)
    assert process.wait(PATIENCE) == 0
    assert process.stderr
    process.stderr.close()


@needs(NO_NICE)
def test_to_be_less_nice_needs_a_privilege_or_a_restart(tmp_path: Path, config: Config) -> None:
    with running(tmp_path, "--config", config.file, within=NO_NICE):
        nicer = config.reload("sources: [inbox]\nlimits: {nice: 5}").stdout
        assert nicer == "config reloaded: limits.nice changed\n"
        less = config.reload("sources: [inbox]").stdout
        assert less == "config reloaded: limits.nice changed\nneeds a restart: limits.nice\n"
