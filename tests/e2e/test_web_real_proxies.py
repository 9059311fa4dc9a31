"""nginx and Caddy, set up as docs/proxies.md says, before a server with a token."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.command import PATIENCE
from tests.e2e.site import TOKEN, client, served

PAGE = Path(__file__).parents[2] / "docs" / "proxies.md"


def documented(language: str, address: str) -> str:
    """What the page says of a proxy, with the server's own address in it."""
    [block] = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert "127.0.0.1:5000" in block
    there = f"{address}:" if address.startswith("unix:") else urlsplit(address).netloc
    return str(block).replace("127.0.0.1:5000", there)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def nginx(home: Path, address: str) -> Iterator[str]:
    port, folders = free_port(), ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{one}_temp_path {home}/{one};\n" for one in folders)
    server = f"server {{ listen 127.0.0.1:{port};\n{documented('nginx', address)} }}"
    config = home / "nginx.conf"
    user = "" if os.getuid() else "user root;\n"  # its workers would else be nobody, who may not write here
    config.write_text(
        f"{user}pid {home}/pid; error_log {home}/log; events {{}}\nhttp {{ access_log off;\n{paths}{server} }}"
    )
    command = ("nginx", "-p", home, "-c", config)
    subprocess.run(command, check=True, timeout=PATIENCE)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run([*command, "-s", "stop"], check=True, timeout=PATIENCE)


@contextmanager
def caddy(home: Path, address: str) -> Iterator[str]:
    port, config, admin = free_port(), home / "Caddyfile", f"unix/{home}/admin"
    here = f"http://127.0.0.1:{port}"
    config.write_text(f"{{\nadmin {admin}\n}}\n{here} {{\n{documented('caddy', address)} }}\n")
    started = ("caddy", "start", "--config", config, "--adapter", "caddyfile")
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "timeout": PATIENCE}
    subprocess.run(started, check=True, env={"HOME": str(home), "PATH": "/usr/bin:/bin"}, **quiet)
    try:
        yield here
    finally:
        subprocess.run(("caddy", "stop", "--address", admin), check=True, **quiet)


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[httpx.Client]:
    """A browser before a proxy that is trusted."""
    proxy: Callable[[Path, str], Iterator[str]] = request.param
    if not shutil.which(request.node.callspec.id):
        pytest.skip(f"{request.node.callspec.id} is not installed")
    with (
        served(tmp_path, token=TOKEN, trusted_proxies=("127.0.0.1",)) as address,
        proxy(tmp_path, address) as here,  # type: ignore[attr-defined]
        client(here, "127.0.0.2") as one,
    ):
        one.follow_redirects = True
        yield one


def test_people_log_in_and_correct_tags(proxied: httpx.Client) -> None:
    form = proxied.get("/tagger", headers={"Accept": "text/html"})
    assert (form.status_code, form.url.path) == (200, "/tagger/login")
    own = {"Origin": str(proxied.base_url).rstrip("/")}
    page = proxied.post("/tagger/login", data={"token": TOKEN}, headers=own)
    assert (page.status_code, page.url.path) == (200, "/tagger/")
    for path in re.findall(r'(?:href|src)="(/[^"]*)"', page.text):
        assert proxied.get(path).status_code == 200
    verdict = proxied.post("/tagger/images/1/verdicts", json={"add": ["red"]}, headers=own)
    assert "tagger web only reads" in verdict.json()["detail"]
    elsewhere = proxied.post("/tagger/failures/retry", headers={"Origin": "http://evil.example"})
    assert "Origin is http://evil.example" in elsewhere.json()["detail"]


def test_events_are_handed_on_at_once(proxied: httpx.Client) -> None:
    right = {"Authorization": f"Bearer {TOKEN}"}
    with proxied.stream("GET", "/tagger/events", headers=right) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")
        assert [next(lines), next(lines)] == ["", ": nothing new"]


def test_large_pictures_get_through_and_guesses_are_their_senders(proxied: httpx.Client) -> None:
    right = {"Authorization": f"Bearer {TOKEN}"}
    large = proxied.post("/tagger/predict", content=b"x" * 5_000_000, headers=right)
    assert "tagger web only reads" in large.json()["detail"]
    for number in range(5):
        forged = {"X-Forwarded-For": f"10.0.0.{number}", "X-API-Key": f"guess {number}"}
        assert proxied.get("/tagger/stats", headers=forged).status_code == 401
    assert proxied.get("/tagger/stats", headers=right).json()["wrong_tokens"] == {"127.0.0.2": 5}


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
@pytest.mark.parametrize("web", [{}, {"public_url": "http://pictures.example/tagger"}])
def test_nginx_asks_at_a_file(tmp_path: Path, web: dict[str, str]) -> None:
    with (
        served(tmp_path, token=TOKEN, socket=tmp_path / "web.sock", **web) as address,
        nginx(tmp_path, address) as here,
        client(here, "127.0.0.2") as one,
    ):
        left = one.get("/tagger/status", headers={"Accept": "text/html"})
        assert left.headers["location"].endswith("/tagger/login?to=/status")
        for number in range(5):
            assert one.get("/tagger/stats", headers={"X-API-Key": f"guess {number}"}).status_code == 401
        done = one.post("/tagger/login", data={"token": TOKEN}, headers={"Origin": here})
        assert done.status_code == 303
        assert one.get("/tagger/stats").json()["wrong_tokens"] == {"127.0.0.2": 5}
