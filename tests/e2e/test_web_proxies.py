"""The web behind a proxy, and asked by pages elsewhere: whose word is taken for what, on real sockets."""

import re
import signal
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import ValidationError

from tagger.config.web import WebSettings
from tagger.web.guesses import AT_ONCE
from tests.e2e.command import PATIENCE
from tests.e2e.site import TOKEN, client, serve, served, site_of

RIGHT = {"Authorization": f"Bearer {TOKEN}"}
SITE = "https://tagger.example.com"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path, token=TOKEN) as address:
        yield address


def login(one: httpx.Client, headers: Mapping[str, str]) -> httpx.Response:
    return one.post("/login", data={"token": TOKEN}, headers=headers)


# Names


SAME_PAGE = [
    {"Host": "tagger.example.com"},
    {"Host": "tagger.example.com:443"},
    {"Host": "Tagger.Example.com"},
    {"X-Forwarded-Host": "tagger.example.com", "X-Forwarded-Proto": "https"},
    {"X-Forwarded-Host": "elsewhere.example.com, tagger.example.com"},
    {"X-Forwarded-Host": "tagger.example.com", "X-Forwarded-Port": "443"},
    {"Host": "tagger.example.com", "X-Forwarded-Port": "443"},
]


@pytest.mark.parametrize("headers", SAME_PAGE, ids=str)
def test_people_log_in_behind_a_proxy(guarded: str, headers: dict[str, str]) -> None:
    with client(guarded) as one:
        assert login(one, headers | {"Origin": SITE}).status_code == 303


def test_a_port_of_the_proxys_own_is_heard_of(guarded: str) -> None:
    ask = {"Host": "tagger.example.com", "Origin": f"{SITE}:8443"}
    with client(guarded) as one:
        assert login(one, ask).status_code == 403
        assert login(one, ask | {"X-Forwarded-Port": "8443"}).status_code == 303


def test_who_asks_and_by_which_name_are_believed_together(tmp_path: Path) -> None:
    said = {"X-Forwarded-Host": "tagger.example.com", "X-Forwarded-For": "203.0.113.9", "Origin": SITE}
    with (
        served(tmp_path, token=TOKEN, trusted_proxies=("127.0.0.1",)) as address,
        client(address) as one,
        client(address, "127.0.0.2") as stranger,
    ):
        assert (login(one, said).status_code, login(stranger, said).status_code) == (303, 403)


def test_a_refusal_says_which_two_values_differ(guarded: str) -> None:
    with client(guarded) as one:
        answer = login(one, {"Origin": "https://evil.example", "X-Forwarded-Host": "tagger.example.com"})
        assert answer.status_code == 403
        assert "Origin is https://evil.example" in answer.json()["detail"]
        assert "X-Forwarded-Host is tagger.example.com" in answer.json()["detail"]
        plain = login(one, {"Origin": SITE, "Host": "10.0.0.5:5000"})
        assert "Origin is https://tagger.example.com, and Host is 10.0.0.5:5000" in plain.json()["detail"]
        assert "web.public_url" in plain.json()["detail"]


def test_the_public_address_is_tagger_s_own(tmp_path: Path) -> None:
    with served(tmp_path, token=TOKEN, public_url=f"{SITE}:8443/") as address, client(address) as one:
        assert login(one, {"Origin": f"{SITE}:8443"}).status_code == 303
        assert login(one, {"Origin": address}).status_code == 303
        assert login(one, {"Origin": SITE}).status_code == 403


def test_without_a_token_the_public_name_is_the_only_other_one(tmp_path: Path) -> None:
    with served(tmp_path, public_url=SITE) as address, client(address) as one:
        assert one.get("/version", headers={"Host": "tagger.example.com"}).status_code == 200
        bent = {"Host": "evil.example", "X-Forwarded-Host": "localhost"}
        assert one.get("/version", headers=bent).status_code == 421


BENT = [
    {},
    {"X-Forwarded-Host": "localhost"},
    {"X-Forwarded-Host": "evil.example", "X-Forwarded-Port": "5000"},
]


@pytest.mark.parametrize("said", BENT, ids=str)
def test_a_name_that_was_bent_to_this_machine_reaches_nothing(
    tmp_path: Path, guarded: str, said: dict[str, str]
) -> None:
    """Its page is of Tagger's own origin to the browser, and may send what headers it likes, but for Host, Origin and the cookie."""
    bent = said | {"Host": "evil.example:5000", "Origin": "http://evil.example:5000"}
    (tmp_path / "open").mkdir()
    with client(guarded) as one:
        assert one.get("/images", headers=bent).status_code == 401
        assert one.post("/failures/retry", headers=bent).status_code == 401
    with served(tmp_path / "open") as address, client(address) as one:
        for path in ("/", "/images", "/healthz", "/static/tagger.js", "/login"):
            assert one.get(path, headers=bent).status_code == 421
        assert one.post("/failures/retry", headers=bent).status_code == 421
        cross = said | {"Origin": "http://other.example:5000"}
        assert one.post("/failures/retry", headers=cross).status_code == 403


@pytest.mark.parametrize("proxies", [(), ("10.0.0.0/8",)])
def test_who_is_no_trusted_proxy_is_not_believed(tmp_path: Path, proxies: tuple[str, ...]) -> None:
    with served(tmp_path, token=TOKEN, trusted_proxies=proxies) as address, client(address) as one:
        headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil", "X-Forwarded-For": "x"}
        assert login(one, headers | {"Origin": "https://evil.example"}).status_code == 403
        left = one.get("/", headers=headers | {"Accept": "text/html", "X-Forwarded-Proto": "https"})
        assert left.headers["location"] == "/login?to=/"


# Addresses


def test_a_trusted_proxy_says_who_guesses(tmp_path: Path) -> None:
    proxies = ("127.0.0.1", "10.0.0.0/8")
    with (
        served(tmp_path, token=TOKEN, trusted_proxies=proxies) as address,
        client(address) as one,
        client(address, "127.0.0.2") as stranger,
    ):
        here = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7, 10.0.0.3"}
        for number in range(AT_ONCE):
            assert one.get("/stats", headers=here | {"X-API-Key": f"guess {number}"}).status_code == 401
        assert one.get("/stats", headers=here | RIGHT).status_code == 429
        other = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
        assert one.get("/stats", headers=other | RIGHT).json()["wrong_tokens"] == {"198.51.100.7": AT_ONCE}
        assert stranger.get("/stats", headers=here | RIGHT).status_code == 200


def test_who_is_gone_before_it_is_looked_at_is_nobody_s_proxy(tmp_path: Path, inbox: Path) -> None:
    """The kernel knows no address of a connection that was reset, and still has what came by it."""
    with serve(tmp_path, token=TOKEN, trusted_proxies='["10.0.0.1"]') as daemon, site_of(daemon) as site:
        daemon.process.send_signal(signal.SIGSTOP)
        for number in range(5):
            reset(site.address, {"X-API-Key": f"guess {number}", "X-Forwarded-For": "203.0.113.9"})
        daemon.process.send_signal(signal.SIGCONT)
        assert "203.0.113.9" not in site.get("/stats", headers=RIGHT)["wrong_tokens"]


def reset(address: str, headers: Mapping[str, str]) -> None:
    """Ask, and leave so that the connection is reset."""
    lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    with socket.create_connection(urlsplit(address).netloc.split(":")) as connection:  # type: ignore[arg-type]
        connection.sendall(f"GET /images HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("X-Forwarded-For", "unknown"),
        ("X-Forwarded-For", "203.0.113.9:abc"),
        ("X-Forwarded-For", "1" * 5000),
        ("X-Forwarded-Host", "a@b"),
        ("X-Forwarded-Prefix", "/a%2f%2e%2e"),
        ("X-Forwarded-Prefix", "/a\\b"),
        ("X-Forwarded-Host", "a/b"),
        ("X-Forwarded-Proto", "javascript"),
        ("X-Forwarded-Port", "http"),
        ("X-Forwarded-Prefix", "//evil.example"),
        ("X-Forwarded-Prefix", "/a/../b"),
        ("X-Forwarded-Prefix", '/"><script>'),
        ("X-Forwarded-Prefix", "tagger"),
        ("X-Forwarded-Prefix", "/" + "x" * 300),
    ],
)
def test_what_cannot_be_is_refused_by_the_headers_name(tmp_path: Path, key: str, value: str) -> None:
    with served(tmp_path, token=TOKEN, trusted_proxies=("127.0.0.1",)) as address, client(address) as one:
        answer = one.get("/login", headers={key: value})
        assert (answer.status_code, answer.json()["detail"].startswith(f"{key}: ")) == (400, True)


def test_a_large_picture_with_a_header_that_cannot_be_hears_why(tmp_path: Path) -> None:
    with served(tmp_path, token=TOKEN, trusted_proxies=("127.0.0.1",)) as address:
        host, port = urlsplit(address).netloc.split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            size = 20_000_000
            head = (
                f"POST /predict HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ?\r\nContent-Length: {size}\r\n\r\n"
            )
            connection.sendall(head.encode() + bytes(size))
            assert connection.recv(12) == b"HTTP/1.1 400"


# Sub-paths


ADDRESSES = re.compile(
    r'(?:href|src|action|data-load|data-address|data-again|data-here|data-after)="(/[^"]*)"'
)


@pytest.mark.parametrize(
    ("web", "headers", "path"),
    [
        ({}, {"X-Forwarded-Prefix": "/tagger"}, ""),
        ({}, {"X-Forwarded-Prefix": "/tagger/"}, ""),
        ({"public_url": f"{SITE}/tagger"}, {}, ""),
        ({"public_url": f"{SITE}/tagger/"}, {}, "/tagger"),
    ],
)
def test_below_a_path_every_address_begins_with_it(
    tmp_path: Path, web: dict[str, str], headers: dict[str, str], path: str
) -> None:
    """`path` is what a proxy leaves of the prefix."""
    with served(tmp_path, token=TOKEN, **web) as address, client(address) as one:
        sent = one.get(f"{path}/status", headers=headers | {"Accept": "text/html"})
        assert sent.headers["location"] == "/tagger/login?to=/status"
        done = one.post(f"{path}/login", data={"token": TOKEN, "to": "/status"}, headers=headers)
        assert done.headers["location"] == "/tagger/status"
        assert "Path=/tagger;" in done.headers["set-cookie"]
        for page in ("/", "/status", "/status/chart", "/docs", "/try", "/login"):
            text = one.get(f"{path}{page}", headers=headers | RIGHT).raise_for_status().text
            found = ADDRESSES.findall(text)
            assert all(one.startswith("/tagger/") for one in found), found
            assert 'data-prefix="/tagger"' in text or "<html" not in text
        assert one.get(f"{path}/static/tagger.css", headers=headers).status_code == 200
        left = one.post(f"{path}/logout", headers=headers | RIGHT)
        assert (left.headers["location"], "Path=/tagger;" in left.headers["set-cookie"]) == (
            "/tagger/login",
            True,
        )


def test_the_description_says_where_people_see_it(tmp_path: Path) -> None:
    with served(tmp_path, public_url=f"{SITE}/tagger") as address, client(address) as one:
        assert one.get("/openapi.json").json()["servers"] == [{"url": f"{SITE}/tagger"}]


@pytest.mark.parametrize("said", [{"X-Forwarded-Prefix": "/"}, {"X-Forwarded-Host": "tagger.example.com:"}])
def test_what_a_proxy_says_without_need_does_no_harm(guarded: str, said: dict[str, str]) -> None:
    with client(guarded) as one:
        assert one.get("/", headers=said | {"Accept": "text/html"}).headers["location"] == "/login?to=/"


def test_no_prefix_lets_anybody_past_the_token(tmp_path: Path) -> None:
    for prefix in ("/static", "/login", "/healthz"):
        with served(tmp_path, token=TOKEN, public_url=f"{SITE}{prefix}") as address, client(address) as one:
            for path in ("/images", f"{prefix}/images", f"{prefix}{prefix}/../images"):
                for headers in ({}, {"X-Forwarded-Prefix": prefix}):
                    assert one.get(path, headers=headers).status_code == 401


def test_a_stale_cookie_from_above_the_path_shuts_nobody_out(guarded: str) -> None:
    with client(guarded) as one:
        right = login(one, {"X-Forwarded-Prefix": "/tagger"}).cookies["tagger"]
    for said in (f"tagger={right}; tagger=stale", f"tagger=stale; tagger={right}"):
        assert httpx.get(f"{guarded}/images", headers={"Cookie": said}).status_code == 200
    many = "; ".join([*(f"tagger={number}" for number in range(50)), f"tagger={right}"])
    assert httpx.get(f"{guarded}/images", headers={"Cookie": many}).status_code == 401


def test_a_cookie_that_came_by_tls_goes_by_nothing_else(guarded: str, tmp_path: Path) -> None:
    with client(guarded) as one:
        assert "Secure" in login(one, {"X-Forwarded-Proto": "https"}).headers["set-cookie"]
        assert "Secure" not in login(one, {}).headers["set-cookie"]
    (tmp_path / "public").mkdir()
    with served(tmp_path / "public", token=TOKEN, public_url=SITE) as address, client(address) as one:
        assert "Secure" in login(one, {"Host": "Tagger.example.com"}).headers["set-cookie"]
        assert "Secure" not in login(one, {}).headers["set-cookie"]


# Pages elsewhere


def test_who_says_the_token_in_a_header_may_come_from_any_page(guarded: str) -> None:
    elsewhere = {"Origin": "http://ha.local:8123"}
    with client(guarded) as one:
        for said in (RIGHT, {"X-API-Key": TOKEN}):
            answer = one.post("/failures/retry", headers=elsewhere | said)
            assert "tagger web only reads" in answer.json()["detail"]
        one.post("/login", data={"token": TOKEN})
        for said in ({}, {"Authorization": "Bearer wrong"}):
            refused = one.post("/failures/retry", headers=elsewhere | said)
            assert "a page of another site" in refused.json()["detail"]


ASKED = {"Origin": "http://ha.local:8123", "Access-Control-Request-Method": "POST"}


def test_no_page_elsewhere_reads_anything_unless_the_config_names_it(guarded: str, tmp_path: Path) -> None:
    with client(guarded) as one:
        for answer in (one.get("/healthz", headers=ASKED), one.options("/images", headers=ASKED)):
            assert "access-control-allow-origin" not in answer.headers
    assert WebSettings(cors_origins=("https://HA.local:443",)).cors_origins == ("https://ha.local",)
    pages = ("http://HA.local:8123",)
    with served(tmp_path, token=TOKEN, cors_origins=pages) as address, client(address) as one:
        wants = {"Access-Control-Request-Headers": "authorization"}
        preflight = one.options("/predict", headers=ASKED | wants)
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (
            200,
            ASKED["Origin"],
        )
        assert "access-control-allow-credentials" not in preflight.headers
        assert (
            one.get("/images", headers=RIGHT).headers["vary"] == "Origin"
        )  # a browser may keep it for either
        read = one.get("/images", headers={"Origin": ASKED["Origin"], **RIGHT})
        assert (read.status_code, read.headers["access-control-allow-origin"]) == (200, ASKED["Origin"])
        other = one.get("/images", headers={"Origin": "http://evil.example", **RIGHT})
        assert "access-control-allow-origin" not in other.headers
        one.post("/login", data={"token": TOKEN})
        assert (
            one.post("/failures/retry", headers={"Origin": ASKED["Origin"]})
            .json()["detail"]
            .startswith("a page")
        )


@pytest.mark.parametrize(
    "web",
    [
        {"public_url": "tagger.example.com"},
        {"public_url": "https://tagger.example.com/a/../b"},
        {"public_url": "https://user@tagger.example.com"},
        {"public_url": "https://tagger.example.com/?a"},
        {"public_url": "https://[1:2]/"},
        {"public_url": "https://tagger.example.com:99999"},
        {"cors_origins": ("https://[:::]",)},
        {"trusted_proxies": ("nginx",)},
        {"trusted_proxies": ("10.0.0.1/8",)},
        {"cors_origins": ("*",)},
        {"cors_origins": ("https://a.example/",)},
    ],
)
def test_what_no_proxy_and_no_page_could_be_is_refused(web: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        WebSettings(**web)  # type: ignore[arg-type]
