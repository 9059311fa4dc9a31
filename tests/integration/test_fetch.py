"""Bringing weights here, from a real server over a real socket."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tagger.errors import ModelError
from tagger.vision.fetch import fetch, import_file
from tagger.vision.models import Architecture, named
from tagger.vision.weights import fetched_path

WEIGHTS = b"tensors, and more tensors. " * 40_000
PREFIX = hashlib.sha256(WEIGHTS).hexdigest()[:8]


class Site(BaseHTTPRequestHandler):
    """Each path is a kind of trouble. As a proxy it is asked for whole addresses, and remembers them."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if "/missing/" in self.path:
            self.send_error(404)
            return
        body = b"<h1>Please log in</h1>" if "/login/" in self.path else WEIGHTS
        self.send_response(200)
        if "/unsized/" not in self.path:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if "/truncated/" in self.path else body)

    def log_message(self, *_: object) -> None:
        """Keeps the test's output clean."""


@contextmanager
def serving() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Site", (Site,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with serving() as (address, _):
        yield address


def at(address: str) -> Architecture:
    return replace(named("resnet50"), address=f"{address}/resnet50-{PREFIX}.pth")


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", ["whole", "unsized"])
def test_fetched_weights_are_kept_where_auto_finds_them(site: str, tmp_path: Path, kind: str) -> None:
    architecture = at(f"{site}/{kind}")
    path = fetch(architecture, tmp_path)
    assert path == fetched_path(architecture, tmp_path)
    assert path.read_bytes() == WEIGHTS
    assert files_below(tmp_path) == [path]


def test_progress_ends_with_the_whole_file(site: str, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    fetch(at(f"{site}/whole"), tmp_path, lambda done, total: told.append((done, total)))
    assert told[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert len(told) > 1
    assert told == sorted(told)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("truncated", f"the connection ended after {len(WEIGHTS) // 2:,} of {len(WEIGHTS):,} bytes"),
        ("login", "not the published file"),
        ("missing", "the server answered 404"),
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


def test_a_fetch_that_fails_keeps_the_file_that_was_there(site: str, tmp_path: Path) -> None:
    path = fetch(at(f"{site}/whole"), tmp_path)
    with pytest.raises(ModelError):
        fetch(at(f"{site}/truncated"), tmp_path)
    assert path.read_bytes() == WEIGHTS


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
    with serving() as (proxy, asked):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        architecture = at("http://weights.invalid/whole")
        assert fetch(architecture, tmp_path).read_bytes() == WEIGHTS
    assert asked == [architecture.address]


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
