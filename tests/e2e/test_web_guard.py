"""Who is let in, and how much they may ask: a server with a token, on real sockets."""

import http.client
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tagger.config.web import WebSettings
from tagger.store.core.database import Database
from tagger.web import guard
from tagger.web.api.events import MOST as MOST_LISTENERS
from tagger.web.app import create_app
from tagger.web.bodies import MOST_HELD, THROWN_AWAY
from tagger.web.guesses import AT_ONCE
from tagger.web.rate import BURST
from tests.e2e.command import PATIENCE, tagger
from tests.e2e.site import TOKEN, client, reading, serve, served

RIGHT = {"Authorization": f"Bearer {TOKEN}"}
PUBLIC = {("GET", "/healthz"), ("GET", "/login"), ("POST", "/login")}
TRICKS = ("x/static/", "x/healthz?", "x/healthz#", "x/login?", "a@localhost/healthz?", "localhost/static/")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path, token=TOKEN) as address:
        yield address


@pytest.fixture
def local(tmp_path: Path) -> Iterator[str]:
    """Without a token."""
    with served(tmp_path) as address:
        yield address


def said(address: str, sent: bytes) -> bytes:
    """All that is answered to these bytes; whoever says nothing more is closed by `Connection: close`."""
    parts = urlsplit(address)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=PATIENCE) as connection:
        connection.sendall(sent)
        return connection.makefile("rb").read()


def status(address: str, method: str, path: str, *headers: str) -> int:
    return int(said(address, request(method, path, *headers)).split()[1])


def request(method: str, path: str, *headers: str) -> bytes:
    lines = (f"{method} {path} HTTP/1.1", *headers, "Connection: close", "", "")
    return "\r\n".join(lines).encode("latin-1")


def asked(folder: Path) -> Iterator[tuple[str, str]]:
    """Every method and path that there is, and some that there are not."""
    with (
        closing(Database.open(str(folder / "tags.db"), create=True)) as database,
        reading(database, folder) as context,
    ):
        app = create_app(WebSettings(), context)
    for route in routes(app.routes):
        path = re.sub(r"\{\w+(:\w+)?\}", "1", route.path)
        yield from ((method, path) for method in route.methods)
    paths = (
        "/nowhere",
        "//healthz",
        "/healthz/",
        "/static",
        "/static/../images",
        "/static/%2e%2e/images",
        "*",
    )
    yield from (
        ("GET", path) for path in (*paths, "/login/../images", "/healthz;/../images", "http://x/images")
    )
    yield from (("DELETE", "/healthz"), ("PUT", "/images/1"), ("PATCH", "/static/tagger.css"), ("TRACE", "/"))


def routes(given: Any) -> Iterator[Any]:
    """Some releases of FastAPI keep routers as they are, some their routes."""
    for route in given:
        if router := getattr(route, "original_router", None):
            yield from routes(router.routes)
        else:
            yield route


# The token


def test_nothing_but_what_is_public_is_answered_without_the_token(guarded: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    every = set(asked(tmp_path / "other"))
    assert {
        ("GET", "/images"),
        ("POST", "/images/1/verdicts"),
        ("GET", "/openapi.json"),
        ("GET", "/"),
    } < every
    got = {one: status(guarded, *one, "Host: localhost") for one in every}
    below = {one: code for one, code in got.items() if one[1].startswith("/static/")}
    assert set(below.values()) <= {404, 405}
    assert {one for one, code in got.items() if code != 401} == PUBLIC | set(below)
    assert status(guarded, "GET", "/static/tagger.css", "Host: localhost") == 200


@pytest.mark.parametrize("host", TRICKS)
def test_no_host_makes_one_path_look_like_another(guarded: str, host: str) -> None:
    for method, path in (("GET", "/images"), ("POST", "/images/1/verdicts"), ("GET", "/openapi.json")):
        assert status(guarded, method, path, f"Host: {host}") == 400
        assert status(guarded, method, path, f"Host: {host}", f"Authorization: Bearer {TOKEN}") == 400


@pytest.mark.parametrize(
    "headers",
    [
        RIGHT,
        {"X-API-Key": TOKEN},
        {"Authorization": f"AWS4-HMAC-SHA256 Credential={TOKEN}/20260101/r/s/aws4_request, SignedHeaders=h"},
        {"Cookie": "tagger=stale", **RIGHT},
    ],
)
def test_the_token_opens_however_it_is_said(guarded: str, headers: dict[str, str]) -> None:
    with client(guarded) as one:
        assert one.get("/images", headers=headers).status_code == 200
        assert one.get("/nowhere", headers=headers).status_code == 404
        assert one.delete("/images", headers=headers).status_code == 405


def test_who_logs_out_is_asked_for_the_token_again(guarded: str) -> None:
    with client(guarded) as one:
        assert one.post("/login", data={"token": TOKEN}).status_code == 303
        assert one.get("/status").status_code == 200
        assert "Log out" in one.get("/status").text
        left = one.post("/logout")
        assert (left.status_code, left.headers["location"], dict(one.cookies)) == (303, "/login", {})
        assert one.get("/images").status_code == 401


def test_a_token_that_was_made_is_told_once(tmp_path: Path, inbox: Path) -> None:
    file = tmp_path / "token"
    with serve(tmp_path, token_file=str(file)) as daemon:
        token = file.read_text().strip()
        assert daemon.log.count(f"/login?token={token} once") == 1
        assert file.stat().st_mode & 0o777 == 0o600
    with serve(tmp_path, token_file=str(file)) as daemon:
        again = daemon.log
    web = {"TAGGER_WEB__ENABLED": "true", "TAGGER_WEB__TOKEN_FILE": str(file)}
    commands = (
        ("config", "show"),
        ("config", "check"),
        ("doctor", inbox),
        ("service", "install", "--dry-run", inbox),
    )
    said = [tagger(tmp_path, *command, **web) for command in commands]
    assert token not in again + "".join(one.stdout + one.stderr for one in said)


def test_a_token_of_the_config_is_not_shown(tmp_path: Path) -> None:
    shown = tagger(tmp_path, "config", "show", TAGGER_WEB__TOKEN=TOKEN)
    assert (shown.returncode, "token: hidden" in shown.stdout, TOKEN in shown.stdout) == (0, True, False)


def test_a_form_in_an_encoding_that_there_is_not_is_no_mistake_of_ours(guarded: str) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=XX; charset=undefined"}
    form = b'--XX\r\nContent-Disposition: form-data; name="token"\r\n\r\nx\r\n--XX--\r\n'
    with client(guarded) as one:
        answer = one.post("/login", content=form, headers=kind)
    assert (answer.status_code, answer.json()["detail"][:21]) == (400, "Content-Type: its cha")


# Names


HOSTS = (
    "[",
    "[::1",
    "[::1]]",
    "[g::1]",
    "localhost:99999",
    "localhost:abc",
    "localhost:0",
    "a b",
    "a,b",
    "é",
    "",
)


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_none_is_refused_with_a_sentence(local: str, host: str) -> None:
    answer = said(
        local, f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1")
    )
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"is no name with a port" in answer


@pytest.mark.parametrize("head", ["GET / HTTP/1.0", "GET / HTTP/1.1", "GET / HTTP/1.1\r\nHost: a\r\nHost: b"])
def test_no_host_or_two_are_refused(local: str, head: str) -> None:
    assert said(local, f"{head}\r\nConnection: close\r\n\r\n".encode()).split()[1] == b"400"


def test_a_proxy_that_says_no_host_learns_that_tagger_is_alive(guarded: str) -> None:
    assert said(guarded, b"GET /healthz HTTP/1.0\r\n\r\n").split()[1] == b"200"
    assert said(guarded, b"GET /version HTTP/1.0\r\n\r\n").split()[1] == b"401"
    asked = f"POST /failures/retry HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\nOrigin: null\r\n\r\n"
    assert said(guarded, asked.encode()).split()[1] == b"403"


@pytest.mark.parametrize("host", ["localhost", "LocalHost:5000", "127.0.0.1:", "[::1]:5000"])
def test_this_machine_is_known_by_its_names(local: str, host: str) -> None:
    assert status(local, "GET", "/version", f"Host: {host}") == 200


def test_the_page_itself_may(local: str) -> None:
    ask = ("POST", "/failures/retry", "Host: LocalHost:5000", "Origin: http://localhost:5000")
    assert "tagger web only reads" in said(local, request(*ask)).decode()


@pytest.mark.parametrize(
    ("origin", "code"),
    [
        ("http://[", 400),
        ("http://localhost:99999", 400),
        ("http://localhost@evil.example", 400),
        ("http://localhost/x", 400),
        ("//localhost", 400),
        ("", 400),
        ("null", 403),
        ("file://", 403),
        ("http://evil.example", 403),
        ("http://LOCALHOST", 403),
        ("http://localhost:1", 403),
    ],
)
def test_a_page_of_another_site_changes_nothing(local: str, origin: str, code: int) -> None:
    ask = ("POST", "/failures/retry", "Host: localhost:5000", f"Origin: {origin}")
    assert status(local, *ask) == code
    assert status(local, *ask, "Origin: http://localhost:5000") == 400  # it says two


# Budgets


def test_guesses_are_slowed_and_nobody_elses_requests(guarded: str) -> None:
    with client(guarded) as guesser, client(guarded, "127.0.0.2") as other:
        wrong = [guesser.get("/images", headers={"X-API-Key": f"guess {n}"}) for n in range(AT_ONCE + 5)]
        assert [one.status_code for one in wrong] == [401] * AT_ONCE + [429] * 5
        assert "too many wrong tokens came from 127.0.0.1" in wrong[-1].json()["detail"]
        assert int(wrong[-1].headers["retry-after"]) > 0
        lucky = guesser.get("/images", headers=RIGHT)
        form = guesser.post("/login", data={"token": TOKEN})
        assert (lucky.status_code, form.status_code) == (429, 429)
        assert "Too many wrong tokens" in form.text
        assert other.get("/images", headers=RIGHT).status_code == 200
        assert guesser.get("/healthz").status_code == 200
        assert other.get("/stats", headers=RIGHT).json()["wrong_tokens"] == {"127.0.0.1": AT_ONCE}


def test_the_form_counts_guesses_too(guarded: str) -> None:
    with client(guarded) as one:
        codes = [one.post("/login", data={"token": f"guess {n}"}).status_code for n in range(AT_ONCE + 1)]
    assert codes == [403] * AT_ONCE + [429]


def test_an_old_token_that_is_said_again_and_again_shuts_nobody_out(guarded: str) -> None:
    with client(guarded) as one:
        old = {"Cookie": "tagger=last-year"}
        assert {one.get("/stats", headers=old).status_code for _ in range(3 * AT_ONCE)} == {401}
        assert one.get("/stats", headers=RIGHT).status_code == 200


def test_nobody_says_where_they_come_from(guarded: str) -> None:
    with client(guarded) as one:
        for number in range(AT_ONCE):
            here = {"X-Forwarded-For": f"10.0.0.{number}", "X-API-Key": f"guess {number}"}
            assert one.get("/images", headers=here).status_code == 401
        here = {"X-Forwarded-For": "10.0.1.1", "X-API-Key": "one more"}
        assert one.get("/images", headers=here).status_code == 429


def test_a_page_of_the_gallery_is_no_attack_and_a_flood_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert guard.READS * BURST > 10 * 70
    monkeypatch.setattr(guard, "READS", 7.0)
    with served(tmp_path) as address, client(address) as one:
        codes = [one.get(f"/images/{n}/thumbnail").status_code for n in range(150)]
        assert (set(codes[:70]), 429 in codes[70:]) == ({404}, True)
        assert {one.get("/healthz").status_code for _ in range(100)} == {200}
        assert one.get("/static/tagger.css").status_code == 200


def test_writes_have_a_budget_of_their_own(tmp_path: Path) -> None:
    with served(tmp_path, rate=0.1, token=TOKEN) as address, client(address) as one:
        assert [one.post("/failures/retry", headers=RIGHT).status_code for _ in range(2)] == [403, 429]
        assert one.get("/images", headers=RIGHT).status_code == 200
        assert one.post("/login", data={"token": TOKEN}).status_code == 303


# Sizes


HEAD = "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
SIZE = 40_000_000


def test_a_client_that_sends_to_the_end_before_it_reads_hears_what_was_wrong(local: str) -> None:
    """urllib does, and asks for the connection to be closed: were it closed at once, it would be reset."""
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(f"{local}/predict", data=b"x" * SIZE, timeout=PATIENCE)  # noqa: S310 (its own)
    with answer.value:
        assert answer.value.code == 413
        assert b"web.max_bytes" in answer.value.read()


def test_who_waits_to_be_told_to_go_on_is_told_not_to(local: str) -> None:
    answer = said(local, f"{HEAD}Content-Length: {SIZE}\r\nExpect: 100-continue\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 413")


def test_the_answer_does_not_wait_for_the_body(local: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(local).netloc, timeout=PATIENCE)
    with closing(connection):
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Length", str(SIZE))
        connection.endheaders(b"half")
        assert connection.getresponse().read().startswith(b'{"type":"about:blank"')


def test_what_never_ends_is_not_taken_for_ever(local: str) -> None:
    parts = urlsplit(local)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=PATIENCE) as connection:
        connection.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        chunk, sent = b"100000\r\n" + b"x" * 0x100000 + b"\r\n", 0
        with pytest.raises(ConnectionError):
            while sent < 2 * (THROWN_AWAY + MOST_HELD):
                connection.sendall(chunk)
                sent += len(chunk)


def test_a_json_body_without_a_length_is_as_bounded_as_any(tmp_path: Path) -> None:
    with served(tmp_path, max_bytes=2048) as address, client(address) as one:
        body = (b" " * 1000 for _ in range(10))
        answer = one.post("/images/1/verdicts", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_who_has_no_token_may_send_no_more_than_a_token(guarded: str) -> None:
    with client(guarded) as one:
        assert one.post("/login", content=b"token=" + b"x" * 100_000).status_code == 413
        assert one.post("/predict", content=b"x" * 1_000_000).status_code == 401


# Listeners


def test_who_listens_beyond_the_limit_is_told_so(local: str) -> None:
    parts = urlsplit(local)
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((str(parts.hostname), parts.port or 0), PATIENCE))
            for _ in range(MOST_LISTENERS + 20)
        ]
        for one in connections:
            one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        codes = sorted(one.recv(12)[9:12] for one in connections)
    assert codes == [b"200"] * MOST_LISTENERS + [b"429"] * 20
    with client(local) as again:
        while (answer := again.send(again.build_request("GET", "/events"), stream=True)).status_code == 429:
            answer.close()  # until the server has noticed that they are gone
        assert answer.status_code == 200
        answer.close()
