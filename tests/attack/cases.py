"""What once did harm, each by a name. A case raises AssertionError where something came of it that should not have."""

import base64
import io
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from tests.attack.pictures import fax, tall
from tests.attack.pulse import seconds
from tests.attack.target import GUESSER, TOKEN, Target, swap

Case = Callable[[Target], None]

STOP = 10.0
"""Seconds within which the daemon ends, whatever it is doing."""


def is_answered(target: Target) -> None:
    answered = seconds(target.port, target.patience) < target.patience
    assert target.is_alive, "the daemon has ended"
    assert answered, "/healthz does not answer"


@contextmanager
def many(target: Target, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    """So many clients who have said that much; fewer where the daemon has had enough of them."""
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            with suppress(OSError):
                clients.append(stack.enter_context(target.connect(first)))
        yield clients


def with_token(head: str) -> bytes:
    return f"{head} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n".encode()


def hosts_that_are_paths(target: Target) -> None:
    """Nobody reads or writes without the token, whatever name they call the daemon by."""
    let_in = []
    for host in (
        "x/static/",
        "x/healthz?",
        "x/healthz#",
        "x/login?",
        "a@localhost/healthz?",
        "[",
        "[::1",
        "x:y/static/",
        "",
    ):
        for head in ("GET /images?limit=1", "GET /stats", "POST /failures/retry", "GET /images/1/file"):
            request = f"{head} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            answer = target.ask(request.encode())
            if answer[9:10] in (b"2", b"5"):
                let_in.append(f"{head} as {host!r}: {answer[9:12].decode()}")
    assert let_in == []


def searches_of_or(target: Target) -> None:
    """41 of 401 words, whose clients do not wait for an answer: others do not wait for them."""
    words = quote(" or ".join(["red"] * 401))
    with many(target, 41, with_token(f"GET /images?q={words}") + b"\r\n"):
        for _ in range(10):
            is_answered(target)
    other = quote(" or ".join(f"red or blue{number}" for number in range(200)))
    target.get(f"/images?q={other}", "a search of 400 different words")
    is_answered(target)


def searches_of_patterns(target: Target) -> None:
    for one in (
        "path:" + "*a" * 300,
        "path:" + "[!-~]" * 500,
        "path:" + "**/" * 900,
        " ".join(["path:*a*"] * 300),
    ):
        target.get(f"/images?q={quote(one)}", f"the search {one[:20]}…")
    is_answered(target)


def slow_heads(target: Target) -> None:
    with many(target, 600, b"GET / HTTP/1.1\r\nX: ") as clients:
        for _ in range(10):
            for client in clients:
                with suppress(OSError):
                    client.sendall(b"x")
            is_answered(target)


def slow_bodies(target: Target) -> None:
    head = with_token("POST /predict") + b"Content-Type: image/png\r\nContent-Length: 30000000\r\n\r\nabc"
    with many(target, 300, head):
        is_answered(target)


def streams_of_events(target: Target) -> None:
    """Who is one too many is told so, and is not left with a stream in which nothing comes."""
    with many(target, 250, with_token("GET /events") + b"\r\n") as clients:
        is_answered(target)
        said: dict[bytes, int] = {}
        end = time.monotonic() + target.patience
        for client in clients:
            client.settimeout(max(end - time.monotonic(), 0.001))
            with suppress(OSError):
                code = client.recv(100)[9:12]
                said[code] = said.get(code, 0) + 1
    assert set(said) == {b"200", b"429"}, f"250 streams were answered {said}"


def a_fax(target: Target) -> None:
    """Handed in and dropped into the folder."""
    (target.inbox / "fax.tif").write_bytes(fax())
    answer = target.post("/predict", "image/tiff", fax(), "a fax of 90,000,000 rows")
    assert answer[9:12] in (b"200", b"422", b"400"), answer[:100]
    is_answered(target)


def a_tall_picture(target: Target) -> None:
    (target.inbox / "tall.tif").write_bytes(tall())
    target.post("/predict", "image/tiff", tall(), "a TIFF of a million strips")
    is_answered(target)


def bodies(target: Target) -> None:
    """Large, deep and wrong ones, to each that reads one."""
    wrong: list[tuple[str, bytes]] = [
        ("a list of 1,000,000 numbers", b'{"add":[' + b"1," * 1_000_000 + b"1]}"),
        ("a name of 1 MB", b'{"add":["' + b"x" * 1_000_000 + b'"]}'),
        ("200,000 brackets", b'{"add":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
        ("a surrogate", b'{"add":["\\ud800"]}'),
        ("a NUL", b'{"add":["\\u0000"]}'),
        ("the same twice", b'{"add":["red"],"remove":["Red"]}'),
        ("no UTF-8", b'{"add":["\xff"]}'),
        ("UTF-16", '{"add":["red"]}'.encode("utf-16")),
    ]
    for name, body in wrong:
        for path in ("/images/1/verdicts", "/predict"):
            target.post(path, "application/json", body, f"{name}, to {path}")
            is_answered(target)
    target.post(
        "/login", "application/x-www-form-urlencoded", b"token=" + b"a" * 30_000_000, "a token of 30 MB"
    )
    target.post("/predict", "multipart/form-data; boundary=X", b"\r\n" * 10_000_000, "20 MB of line ends")
    is_answered(target)


def numbers_and_times(target: Target) -> None:
    cursors: tuple[str, ...] = (
        '["2026-01-01T00:00:00",Infinity]',
        f'["2026-01-01T00:00:00",{2**70}]',
        '["0001-01-01T00:00:00+23:59",1]',
    )
    cursors += (
        '["9999-12-31T23:59:59-23:59",1]',
        '["2026-01-01",5]',
        "[null,5]",
        "[" * 120,
        '["2026-01-01T00:00:00",NaN]',
    )
    for one in cursors:
        cursor = quote(base64.urlsafe_b64encode(one.encode()).decode())
        target.get(f"/images?cursor={cursor}", f"the cursor {one}")
        target.get(f"/?part=1&cursor={cursor}", f"the cursor {one}, of the page")
    for path in (
        "/images?q=%ed%a0%80",
        "/images?q=%00",
        "/images/" + "9" * 5_000,
        "/images?cursor=%ED%A0%80",
        "/?lang=%ff",
    ):
        target.get(path)


def links_that_come_and_go(target: Target) -> None:
    """A folder that is a link to outside, time and again: nothing out there is ever read."""
    outside = target.home / "outside"
    outside.mkdir()
    folder = target.inbox / "swapped"
    folder.mkdir()
    for number in range(40):
        colour = bytes((number, 9, 9))
        (outside / f"secret-{number}.bmp").write_bytes(_bmp(colour))
        (folder / f"own-{number}.bmp").write_bytes(_bmp(colour[::-1]))
    stop = threading.Event()
    swapper = threading.Thread(target=swap, args=(folder, outside, stop))
    swapper.start()
    try:
        for number in range(4):
            if number % 2:  # a reload scans all anew, but also has each file that is just coming wait anew
                target.signal(signal.SIGHUP)
            stop.wait(1)
            for file in outside.iterdir():
                file.touch()
            for file in target.inbox.glob("*swapped/own-*"):
                with suppress(OSError):
                    file.touch()
    finally:
        stop.set()
        swapper.join()
    with closing(sqlite3.connect(target.home / "tags.db")) as database:
        sql = "SELECT path FROM {} WHERE path LIKE '%secret-%'"
        found = [row for view in ("top_tag", "failed_files") for row in database.execute(sql.format(view))]
    assert found == [], "what lies outside the folder was read"
    is_answered(target)


def _bmp(colour: bytes) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32), tuple(colour)).save(file, "BMP")
    return file.getvalue()


def configs(target: Target) -> None:
    """A wrong one changes nothing, and the right one is taken again."""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    wrong: tuple[str, ...] = (
        "sources: [inbox",
        "rescan: " + "9" * 5_000,
        "sources: " + "[" * 900,
        "rescan: .nan",
        "rescan: 2026-99-99",
        bomb,
    )
    wrong += (f"{bomb}sources: *h\n", "\0", "sources: &s [*s]", "\t- x", "web: {rate: -.inf}")
    file = target.home / "tagger.yaml"
    right = file.read_text()
    before = target.log.stat().st_size
    for text in wrong:
        file.write_text(text)
        target.signal(signal.SIGHUP)
        threading.Event().wait(0.3)
        is_answered(target)
    file.write_text(right)
    target.signal(signal.SIGHUP)
    is_answered(target)
    with target.log.open("rb") as log:
        log.seek(before)
        said = log.read()
    assert b"Traceback" not in said, "a config brings a traceback"


def guesses_of_the_token(target: Target) -> None:
    for number in range(200):
        guess = b"token=guess-%d-0123456789" % number
        kind = "application/x-www-form-urlencoded"
        answer = target.post("/login", kind, guess, "a guess of the token", GUESSER)
        assert not answer.startswith(b"HTTP/1.1 303") or b"set-cookie: tagger=" not in answer.lower()
    is_answered(target)


def pictures_that_are_none(target: Target) -> None:
    os.mkfifo(target.inbox / "fifo.png")
    (target.inbox / "folder.png").mkdir()
    (target.inbox / "\udcff\n\x1b[31m.png").write_bytes(b"no picture")
    (target.inbox / "device.png").symlink_to("/dev/zero")
    target.get("/failures")
    is_answered(target)


CASES: tuple[Case, ...] = (
    hosts_that_are_paths,
    guesses_of_the_token,
    numbers_and_times,
    bodies,
    slow_heads,
    slow_bodies,
    streams_of_events,
    a_fax,
    a_tall_picture,
    searches_of_or,
    searches_of_patterns,
    links_that_come_and_go,
    pictures_that_are_none,
    configs,
)


def a_stop_after_a_thousand_reloads(target: Target) -> float:
    """Seconds until it has ended of itself. Comes last, and so is none of the others."""
    for _ in range(1_000):
        target.signal(signal.SIGHUP)
    start = time.monotonic()
    target.signal(signal.SIGTERM)
    with suppress(Exception):
        target.process.wait(3 * STOP)
    took = time.monotonic() - start
    assert target.process.poll() == 0, f"the exit code is {target.process.poll()}"
    assert took <= STOP, f"a stop took {took:.0f} s"
    return took


def ended_well(home: Path) -> bool:
    """Whether what it left behind is a database in order."""
    with closing(sqlite3.connect(home / "tags.db")) as database:
        return bool(database.execute("PRAGMA integrity_check").fetchone()[0] == "ok")
