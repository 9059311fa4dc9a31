"""Searches that would take minutes, on a real database of many files: what becomes of them, and of everybody else."""

import logging
import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest

from tagger.config.web import WebSettings
from tagger.store.core.database import Database
from tagger.web.app import create_app
from tagger.web.searches import AT_ONCE, Searches
from tagger.web.server import Server
from tests.e2e.command import PATIENCE, TAGGER, environment
from tests.e2e.site import reading

pytestmark = pytest.mark.long

FILES = 200_000
SLOW = " or ".join(f"path:*0*1*2*3*{number}x" for number in range(19))
"""Goes through all that there are, and finds nothing."""
MANY = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO file (source_id, path, size, mtime_ns, ctime_ns, captured_at, seen_at, state, urgency, attempts)
    SELECT 1, replace(printf('%.20c', '0'), '0', '0123456789') || i,
        1, 1, 1, strftime('%Y-%m-%d %H:%M:%f', 1700000000 + i, 'unixepoch'), '2026-01-01 00:00:00.000', 'done', 0, 0
    FROM n
"""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of so many files that a search with many patterns takes seconds."""
    file = tmp_path_factory.mktemp("crowded") / "tags.db"
    Database.open(str(file), create=True).close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO source (name, root) VALUES ('cam', '/data/cam')")
        connection.execute(MANY, (FILES,))
    return file


@contextmanager
def serving(file: Path, caplog: pytest.LogCaptureFixture, searches: Searches) -> Iterator[tuple[Server, str]]:
    """A server of it, and its address."""
    caplog.set_level(logging.INFO)
    with (
        closing(Database.open(str(file), create=False)) as database,
        reading(database, file.parent, searches) as context,
    ):
        web = WebSettings(port=0)
        server = Server(web, create_app(web, context))
        server.start()
        try:
            yield server, server.address
        finally:
            server.close(10)


def asked(address: str, path: str, of: str = "127.0.0.1") -> socket.socket:
    """A client that has asked, and does not wait for the answer. `of` is its own address."""
    parts = urlsplit(address)
    there = (str(parts.hostname), parts.port or 0)
    client = socket.create_connection(there, timeout=PATIENCE, source_address=(of, 0))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


def has_heard(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        client.settimeout(PATIENCE)


def test_a_search_that_takes_too_long_is_told_what_to_ask_instead(
    crowded: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(crowded, caplog, Searches(seconds=0.1, patience=PATIENCE)) as (_, address):
        for path in ("/images", "/", "/?part=true"):
            slow = httpx.get(f"{address}{path}", params={"q": SLOW, "part": path != "/"}, timeout=PATIENCE)
            assert slow.status_code == 422
            assert "takes more than 0.1 seconds, and was ended" in slow.text
            assert "ask for less" in slow.text
        assert httpx.get(f"{address}/images?limit=1", timeout=PATIENCE).status_code == 200


def test_nobody_waits_behind_long_searches_which_end_when_their_clients_leave(
    crowded: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(crowded, caplog, Searches(seconds=PATIENCE, patience=PATIENCE)) as (_, address):
        with ExitStack() as stack, httpx.Client(base_url=address, timeout=PATIENCE) as others:
            clients = [stack.enter_context(asked(address, f"/images?q={quote(SLOW)}")) for _ in range(45)]
            for path in ("/healthz", "/readyz", "/version", "/static/tagger.css", "/images/1"):
                assert others.get(path).status_code == 200, path
            assert not any(map(has_heard, clients))
        assert httpx.get(f"{address}/images?limit=1", timeout=PATIENCE / 2).status_code == 200


def test_who_must_wait_too_long_is_told_to_come_again(
    crowded: Path, caplog: pytest.LogCaptureFixture
) -> None:
    searches = Searches(seconds=PATIENCE, patience=0.01)
    with serving(crowded, caplog, searches) as (_, address), ExitStack() as stack:
        for _ in range(AT_ONCE):
            stack.enter_context(asked(address, f"/images?q={quote(SLOW)}"))
        while (answer := httpx.get(f"{address}/images?limit=1", timeout=PATIENCE)).status_code == 200:
            pass  # the long ones have not begun
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
        assert "other searches take all the time" in answer.json()["detail"]


def test_who_asks_for_one_search_does_not_wait_for_all_of_who_asks_for_many(
    crowded: Path, caplog: pytest.LogCaptureFixture
) -> None:
    searches = Searches(seconds=PATIENCE, patience=PATIENCE)
    with serving(crowded, caplog, searches) as (_, address), ExitStack() as stack:
        many = [stack.enter_context(asked(address, f"/images?q={quote(SLOW)}")) for _ in range(20)]
        one = stack.enter_context(asked(address, "/images?limit=1", of="127.0.0.2"))
        assert httpx.get(f"{address}/healthz", timeout=PATIENCE).status_code == 200
        for client in many[: 2 * AT_ONCE]:
            client.close()
        assert b" 200 " in one.recv(4096)
        assert not any(map(has_heard, many[2 * AT_ONCE :]))


def test_a_stop_ends_all_searches(crowded: Path, caplog: pytest.LogCaptureFixture) -> None:
    searches = Searches(seconds=PATIENCE, patience=PATIENCE)
    with serving(crowded, caplog, searches) as (server, address), ExitStack() as stack:
        clients = [stack.enter_context(asked(address, f"/images?q={quote(SLOW)}")) for _ in range(45)]
        assert httpx.get(f"{address}/healthz", timeout=PATIENCE).status_code == 200
        server.close(10)
        assert not server.runs
        assert b" 503 " in clients[0].recv(4096)


@pytest.mark.parametrize("command", [("search", "--count"), ("search",), ("export",)])
def test_a_command_has_all_the_time_and_ends_at_ctrl_c(crowded: Path, command: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [TAGGER, *command, SLOW, "--database", crowded],
        env=environment(crowded.parent),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # As in a terminal. A shell starts what is in its background deaf to Ctrl-C, and so would the tests.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        while not has_open(process, crowded):
            assert process.poll() is None
        opened = ticks(process)
        while ticks(process) < opened + os.sysconf("SC_CLK_TCK") / 2:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == (b"", b"")
        assert process.returncode == 130


def has_open(process: "subprocess.Popen[bytes]", file: Path) -> bool:
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if link.readlink() == file:
                return True
    return False


def ticks(process: "subprocess.Popen[bytes]") -> int:
    """For how long it has computed; it searches where it goes on after it has opened the database."""
    return int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11])
