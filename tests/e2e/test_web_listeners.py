"""Where the web listens: at a file, and at IPv6 for IPv4, too."""

import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tagger.config.web import WebSettings
from tests.e2e.site import TOKEN, client, serve, served

RIGHT = {"Authorization": f"Bearer {TOKEN}"}


def through(file: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(file)), base_url="http://localhost")


def test_a_file_in_place_of_a_port(tmp_path: Path) -> None:
    file = tmp_path / "web.sock"
    with served(tmp_path, token=TOKEN, socket=file) as address, through(file) as one:
        assert (address, file.stat().st_mode & 0o777) == (f"unix:{file}", 0o660)
        assert one.get("/images", headers=RIGHT).status_code == 200
        said = {
            "X-Forwarded-For": "203.0.113.9",
            "X-Forwarded-Host": "a.example",
            "Origin": "https://a.example",
        }
        assert one.post("/login", data={"token": "wrong"}, headers=said).status_code == 403
        for number in range(5):
            one.get("/stats", headers=said | {"X-API-Key": f"guess {number}"})
        assert "203.0.113.9" in one.get("/stats", headers=RIGHT).json()["wrong_tokens"]
        assert one.post("/login", data={"token": TOKEN}, headers=said).status_code == 303
    assert not file.exists()


def test_a_file_that_a_killed_daemon_left_is_taken_over(tmp_path: Path, inbox: Path) -> None:
    file = tmp_path / "web.sock"
    with serve(tmp_path, socket=str(file)) as daemon:
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()
    assert file.exists()
    with serve(tmp_path, socket=str(file)), through(file) as one:
        assert one.get("/healthz").status_code == 200


@pytest.mark.parametrize("what", ["a file", "another's"])
def test_what_is_somebody_elses_is_left_alone(tmp_path: Path, inbox: Path, what: str) -> None:
    file = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as other:
        if what == "a file":
            file.write_text("mine")
        else:
            other.bind(str(file))
            other.listen()
        before = os.lstat(file)
        with serve(tmp_path, socket=str(file)) as daemon:
            assert f"no web: {file}: Address already in use; web.socket names" in daemon.first
        assert os.path.samestat(before, os.lstat(file))


def test_a_file_needs_no_token_for_any_host(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a token is needed"):
        WebSettings(host="::")
    assert WebSettings(host="::", socket=tmp_path / "web.sock").is_local


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_all_of_ipv6_is_all_of_ipv4_too(tmp_path: Path) -> None:
    with served(tmp_path, token=TOKEN, host="::", trusted_proxies=("127.0.0.0/8",)) as address:
        port = address.rpartition(":")[2]
        for host in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{host}:{port}/images", headers=RIGHT).status_code == 200
        with client(f"http://127.0.0.1:{port}") as one:
            prefix = {"X-Forwarded-Prefix": "/tagger", "Accept": "text/html"}
            assert one.get("/", headers=prefix).headers["location"].startswith("/tagger/")


def test_what_came_in_its_place_stays_when_the_daemon_stops(tmp_path: Path) -> None:
    file = tmp_path / "web.sock"
    with served(tmp_path, socket=file):
        file.unlink()
        file.write_text("mine")
    assert file.read_text() == "mine"


def test_a_file_at_which_nobody_is_let_in_holds_up_no_start(tmp_path: Path) -> None:
    file = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as waits:
        other.bind(str(file))
        other.listen(0)
        waits.connect(str(file))
        with served(tmp_path, socket=file) as address:
            assert address == ""
    assert file.exists()
