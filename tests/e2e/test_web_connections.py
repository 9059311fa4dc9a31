"""Clients who hold on to what others need, on real sockets: sooner or later they are shown out, and nobody else is."""

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tagger.config.web import WebSettings
from tagger.store.core.database import Database
from tagger.web.app import create_app
from tagger.web.bodies import MOST_HELD
from tagger.web.connections import PLACES
from tagger.web.server import Server
from tests.e2e.command import PATIENCE
from tests.e2e.site import Site, picture, reading, serve, site_of

pytestmark = pytest.mark.long

HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127"
HALF_A_BODY = b"POST /images/1/verdicts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf"
HALF_A_PICTURE = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nhalf"


@pytest.fixture
def impatient(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """The address of a server that waits no longer than a second."""
    caplog.set_level(logging.INFO)
    with (
        closing(Database.open(str(tmp_path / "tags.db"), create=True)) as database,
        reading(database, tmp_path) as context,
    ):
        web = WebSettings(port=0)
        server = Server(web, create_app(web, context), patience=1)
        server.start()
        try:
            yield next(line.split("web: ")[1] for line in caplog.messages if "web: " in line)
        finally:
            server.close(10)


@pytest.fixture
def site(tmp_path: Path, inbox: Path) -> Iterator[Site]:
    with serve(tmp_path) as daemon, site_of(daemon) as site:
        yield site


def connected(address: str, first: bytes = b"") -> socket.socket:
    parts = urlsplit(address)
    connection = socket.create_connection((str(parts.hostname), parts.port or 0), timeout=PATIENCE)
    connection.sendall(first)
    return connection


@pytest.mark.parametrize(
    "said", [b"", HALF_A_HEAD, HALF_A_BODY], ids=["nothing", "half a head", "half a body"]
)
def test_who_says_no_more_is_shown_out(impatient: str, said: bytes) -> None:
    with connected(impatient, said) as client:
        assert b"200" not in client.makefile("rb").read()


def test_a_head_of_a_byte_at_a_time_gets_nobody_on(impatient: str) -> None:
    with connected(impatient, b"GET / HTTP/1.1\r\nX: ") as client:
        client.settimeout(0.1)
        assert trickled(client) == b""


def trickled(client: socket.socket) -> bytes:
    """A byte every tenth of a second, until the other side says something, or ends."""
    while True:
        try:
            return client.recv(1)
        except TimeoutError:
            client.sendall(b"x")
        except ConnectionError:
            return b""


def test_where_places_are_short_who_only_holds_one_makes_room(site: Site, inbox: Path) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(connected(site.address)) for _ in range(PLACES + 100)]
        assert site.predict(content=picture())[0]["tags"][0]["label"] == "red"
        assert idle[0].recv(1) == b""
        (inbox / "red.png").write_bytes(picture())
        site.daemon.wait_for("red.png: red")


def test_who_goes_away_in_the_middle_of_a_picture_is_no_mistake_of_ours(site: Site) -> None:
    with connected(site.address, HALF_A_PICTURE):
        pass
    assert site.get("/healthz") == {"status": "ok"}
    assert site.daemon.stop(15) == 0
    assert "Traceback" not in site.daemon.log


def test_what_is_no_form_writes_nothing_into_the_log(site: Site) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=a"}
    assert site.client.post("/predict", content=b"--b\r\nno form", headers=form).status_code == 400
    assert site.daemon.stop(15) == 0
    assert "boundary" not in site.daemon.log


@pytest.mark.parametrize("host", ["localhost", "elsewhere"])
@pytest.mark.parametrize("path", ["/predict", "/images/1/verdicts", "/nothing"])
def test_a_body_that_is_no_http_is_refused_without_a_word_in_the_log(
    site: Site, path: str, host: str
) -> None:
    chunked = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with connected(site.address, chunked + b"no length\r\n") as client:
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 400")
    with connected(site.address, chunked + b"1\r\n{\r\n") as client:
        site.get("/healthz")
        client.sendall(b"no length\r\n")
        client.makefile("rb").read()
    assert site.daemon.stop(15) == 0
    assert "Traceback" not in site.daemon.log


def test_many_half_uploads_do_not_fill_the_memory(site: Site) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 33000000\r\n\r\n"
    size = 32_000_000
    with ExitStack() as stack:
        enough = MOST_HELD // size + 1
        clients = [stack.enter_context(connected(site.address, head)) for _ in range(enough)]
        for client in clients:
            with suppress(ConnectionError):  # who is refused has the connection closed under what it sends
                client.sendall(b"x" * size)
        busy = site.client.post("/predict", content=b"x" * size)
        assert (busy.status_code, "others send much" in busy.json()["detail"]) == (429, True)
    while (answer := site.client.post("/predict", content=picture())).status_code == 429:
        pass  # until the server has noticed that they are gone
    assert answer.json()["results"][0]["tags"][0]["label"] == "red"
