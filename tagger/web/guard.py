"""Who may ask, and how much: before anything is read of a request.

A page of another site must not reach Tagger through its visitor's browser: without a token only names of this machine
are answered (a name that was bent to 127.0.0.1 is not one), and what changes something must come from the page itself.
"""

import hmac
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tagger.web import problems, rekognition
from tagger.web.rate import Rate

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_OPEN = frozenset({"/healthz", "/login"})
_OPEN_BELOW = "/static/"
"""What tells nothing: whether the service is alive, the page that asks for the token, and how pages look."""

COOKIE = "tagger"

MOST_HELD = 256 << 20
"""Bytes that all requests together may have sent and not been answered. Hundreds of half uploads would else fill the memory."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' blob:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)


class Guard:
    """`token` is empty where only this machine may ask. A request has no more than `most` bytes.

    `rate` is how many requests a second an address may make that are not only for reading; 0 for any number.
    """

    def __init__(self, app: ASGIApp, token: str, most: int, rate: float) -> None:
        self._app, self._token, self._most = app, token, most
        self._rate, self._held = Rate(rate), _Held()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if refusal := self._refusal(request):
            if refusal[0] == 401 and "text/html" in request.headers.get("accept", ""):
                await RedirectResponse(f"/login?to={quote(request.url.path)}", 303)(scope, receive, send)
                return
            respond = rekognition.refusal if rekognition.is_asked(request) else problems.response
            await respond(*refusal)(scope, receive, send)
            return
        body = _Counted(receive, self._most, self._held)
        try:
            await self._app(scope, body, _hardened(send))
        finally:
            self._held.size -= body.size

    def _refusal(self, request: Request) -> tuple[int, str] | None:
        headers = request.headers
        host = _name(headers.get("host", ""))
        if not self._token and host not in LOCAL:
            return 421, f"Tagger does not answer to the name {host!r}; ask for it at 127.0.0.1"
        origin = headers.get("origin")
        if request.method not in _SAFE and origin and urlsplit(origin).netloc != headers.get("host"):
            return 403, "a page of another site may not ask this"
        if self._token and not _is_open(request.url.path) and not self._knows_token(request):
            return 401, "say the token of the config: Authorization: Bearer TOKEN"
        if _length(headers) > self._most:
            return (
                413,
                f"a request may have {self._most:,} bytes (web.max_bytes); send fewer or smaller pictures",
            )
        address = request.client.host if request.client else ""
        if request.method not in _SAFE and (wait := self._rate.wait(address)):
            return 429, f"more requests than web.rate allows; ask again in {wait} s"
        return None

    def _knows_token(self, request: Request) -> bool:
        cookie = request.cookies.get(COOKIE, "")
        return is_same(cookie, session(self._token)) or self._has_token(request.headers)

    def _has_token(self, headers: Headers) -> bool:
        kind, _, said = headers.get("authorization", "").partition(" ")
        given = headers.get("x-api-key", "")
        if kind.lower() == "bearer":
            given = said
        elif kind == "AWS4-HMAC-SHA256":
            given = _access_key(said)
        return is_same(given, self._token)


def session(token: str) -> str:
    """What a browser keeps in place of the token: whoever reads it there does not learn the token."""
    return hmac.new(token.encode(), b"Tagger's page", "sha256").hexdigest()


def is_same(given: str, secret: str) -> bool:
    """In a time that tells nothing of the secret."""
    return hmac.compare_digest(given.encode(), secret.encode())


class _Counted:
    """A body that may be as long as it likes to say, but not longer than it may be; nor all bodies together."""

    def __init__(self, receive: Receive, most: int, held: "_Held") -> None:
        self._receive, self._most, self._held = receive, most, held
        self.size = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        size = len(message.get("body", b""))
        self.size += size
        self._held.size += size
        if self.size > self._most:
            raise problems.ProblemError(413, f"a request may have {self._most:,} bytes (web.max_bytes)")
        if self._held.size > max(MOST_HELD, self._most):
            raise problems.ProblemError(
                429, "others send much at this moment; ask again in a second", {"Retry-After": "1"}
            )
        return message


class _Held:
    """Bytes of all the bodies that are being read or answered."""

    size = 0


def _hardened(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = message.get("headers", [])
            known = {name for name, _ in said}
            message["headers"] = [*said, *(header for header in _HEADERS if header[0] not in known)]
        await send(message)

    return sent


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith(_OPEN_BELOW)


def _name(host: str) -> str:
    """Without the port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _access_key(signed: str) -> str:
    """Of `Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=…`: KEY, which may have a slash in it.

    The signature is not verified: it proves that a client has the secret which goes with its key, and here the key is
    the secret, said as openly as a Bearer's.
    """
    credential = signed.partition("Credential=")[2].partition("SignedHeaders=")[0]
    return credential.rstrip(", ").rsplit("/", 4)[0]


def _length(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0
