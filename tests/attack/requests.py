"""Requests, as no honest client sends them: a right one, with something of it exchanged, repeated, cut off or moved.

They are bytes, since no library would send the half of them.
"""

import random
from collections.abc import Callable, Iterator

METHODS = (
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"PRI",
    b"get",
    b"G\0T",
    b"\x7fX",
)
PATHS = (
    *(
        b"/",
        b"/images",
        b"/images/1",
        b"/images/1/file",
        b"/images/1/thumbnail",
        b"/images/1/similar",
        b"/labels",
    ),
    *(b"/stats", b"/failures", b"/failures/retry", b"/predict", b"/api/v1/predict", b"/images/1/verdicts"),
    *(b"/version", b"/readyz", b"/metrics", b"/login", b"/status", b"/openapi.json", b"/static/tagger.css"),
    *(
        b"/images/9223372036854775808",
        b"/images/-1",
        b"/images/" + b"9" * 5_000,
        b"/images/1%00",
        b"//healthz",
    ),
    *(b"/static/../images", b"/static/%2e%2e/images", b"/static/..%2f..%2fguard.py", b"/healthz;/../images"),
    *(
        b"http://127.0.0.1/images",
        b"*",
        b"",
        b"/%ff%fe",
        b"/images?q=%ed%a0%80",
        b"/images?q=%00",
        b"/?source=%ff",
    ),
    *(b"/images?cursor=WyIyMDI2LTAxLTAxVDAwOjAwOjAwIixJbmZpbml0eV0", b"/images?cursor=%F0%9F%98%80"),
    *(b"/images?limit=99999999999999999999", b"/images?since=0001-01-01", b"/images?since=9999-12-31"),
    *(b"/images?q=" + b"(" * 3_000, b"/images?q=" + b"not+" * 2_000 + b"red", b"/images?q=path:%5B%21-~%5D*"),
    *(b"/?category=%22%5c", b"/?lang=" + b"x" * 9_000, b"/predict?top_k=1e9", b"/predict?min_score=nan"),
)
HOSTS = (
    *(
        b"localhost",
        b"127.0.0.1",
        b"x/static/",
        b"x/healthz?",
        b"x/healthz#",
        b"x/login?",
        b"a@localhost/healthz?",
        b"[",
    ),
    *(
        b"[::1",
        b"",
        b"127.0.0.1:99999",
        b"localhost:abc",
        b"evil.example",
        b"local\xadhost",
        b"localhost\\evil",
        b"\xff",
    ),
)
HEADERS = (
    *(
        b"Origin: http://[",
        b"Origin: null",
        b"Origin: http://evil.example",
        b"Cookie: tagger=",
        b"Cookie: tagger=\xff; ;=;",
    ),
    *(
        b"Cookie: " + b"a=b;" * 2_000,
        b"Authorization: Bearer ",
        b"Authorization: Bearer \xff\xfe",
        b"Authorization: \0",
    ),
    *(b"Content-Length: -1", b"Content-Length: +4", b"Content-Length: " + b"9" * 30, b"Content-Length: 4, 5"),
    *(
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding : chunked",
        b"Expect: 100-continue",
    ),
    *(
        b"Content-Type: application/json",
        b"Content-Type: multipart/form-data; boundary=",
        b"Content-Type: image/png",
    ),
    *(
        b"Content-Type: multipart/form-data; boundary=X; charset=nope",
        b"Content-Type: application/x-www-form-urlencoded",
    ),
    *(
        b"Accept: text/html",
        b"Accept-Language: " + b"zh,;q=," * 500,
        b"If-None-Match: " + b"*" * 5_000,
        b"Range: bytes=" + b"0-," * 2_000,
    ),
    *(
        b"X-Amz-Target: RekognitionService.DetectLabels",
        b"X-Amz-Target: \x1b[31m\xff",
        b"Last-Event-ID: " + b"9" * 30,
    ),
    *(
        b"Upgrade: websocket",
        b"X: a\r\n b",
        b": x",
        b"X",
        b"X-Forwarded-For: 1.2.3.4",
        b'Forwarded: for="_"',
        b"X: " + b"a" * 60_000,
    ),
)
BODIES = (
    *(b"", b"{}", b"[" * 60_000, b'{"add":["\\ud800"]}', b'{"add":["red"],"remove":["Red"]}', b'{"add":[' + b"1," * 20_000 + b"1]}"),
    *(b'{"add":["' + b"x" * 60_000 + b'"]}', b'{"image":' + b"9" * 60_000 + b"}", b'{"image":"\\ud800"}', b'{"image":"QQ=="}', b'{"image":NaN}'),
    *(b"--X\r\n" * 5_000, b'--X\r\nContent-Disposition: form-data; name="image"; filename="\x1b[31m"\r\n\r\na\r\n--X--\r\n'),
    *(b"token=%ed%a0%80&to=//evil.example", b"a=b&" * 20_000, b"%" * 50_000, b"\0" * 1_000, b'{"Image":{"Bytes":"QQ=="},"MinConfidence":NaN}'),
    *(b"5\r\nhello\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"-1\r\n", b"\xff\xd8\xff" * 999),
)  # fmt: skip


def whole(random: random.Random, token: str) -> bytes:
    """Something that is parsed, mostly; every second one knows the token."""
    lines = [
        b" ".join(
            (random.choice(METHODS), random.choice(PATHS), random.choice((b"HTTP/1.1",) * 9 + (b"HTTP/9.9",)))
        )
    ]
    lines.append(b"Host: " + random.choice((b"localhost", random.choice(HOSTS))))
    if random.random() < 0.5:
        lines.append(b"Authorization: Bearer " + token.encode())
    lines += random.choices(HEADERS, k=random.randrange(4))
    body = random.choice((b"", random.choice(BODIES)))
    if body and random.random() < 0.8:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body


def _cut(request: bytes, random: random.Random) -> bytes:
    return request[: random.randrange(len(request))]


def _flipped(request: bytes, random: random.Random) -> bytes:
    changed = bytearray(request)
    for _ in range(random.randint(1, 6)):
        changed[random.randrange(min(len(changed), 400))] = random.randrange(256)
    return bytes(changed)


def _twice(request: bytes, _: random.Random) -> bytes:
    return request + request


def _moved(request: bytes, random: random.Random) -> bytes:
    lines = request.split(b"\r\n")
    random.shuffle(lines)
    return b"\r\n".join(lines)


def _as_it_is(request: bytes, _: random.Random) -> bytes:
    return request


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _cut,
    _flipped,
    _flipped,
    _twice,
    _moved,
    _as_it_is,
    _as_it_is,
)


def mutated(count: int, seed: int, token: str) -> Iterator[bytes]:
    """So many; the same for the same seed. The stream of events is not among them: it is no hang that it does not end."""
    rng = random.Random(seed)  # noqa: S311
    for _ in range(count):
        yield rng.choice(MUTATIONS)(whole(rng, token), rng)
