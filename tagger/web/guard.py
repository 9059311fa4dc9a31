"""Who may ask, and how much: before anything is read of a request.

There are two applications. One has what anybody may ask; the other has all else, and nobody is let into it without the
token: what was not put into the first cannot be had, whatever a path is taken to mean, and be it that there is nothing at it.
Rejected: a dependency of each route, which FastAPI asks only once it has read the body, and never where no route is found;
a list of open paths beside the routes, which has to read a path as they do.
"""

from dataclasses import dataclass
from urllib.parse import quote

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tagger.config import Web
from tagger.web import names, problems, rekognition
from tagger.web.admission import Admission, address_of
from tagger.web.problems import ProblemError
from tagger.web.rate import Rate

MOST_HELD = 256 << 20
"""Bytes that all requests together may have sent and not been answered. Hundreds of half uploads would else fill the memory."""

MOST_PUBLIC = 64 << 10
"""Bytes of a request that anybody may make: a form with a token."""

READS = 200.0
"""Reads a second of one address, ten seconds' worth at once: a page of the gallery is some 70, and who turns two or three a
second sees nothing of them. A flood of them leaves room for others where the machine answers twice as many."""

_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' blob:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)


class Guard:
    """`public` is what anybody may ask; the application within is for those whom `admission` knows.

    `web.rate` is how many requests a second an address may make that are not only for reading; 0 for any number.
    """

    def __init__(self, app: ASGIApp, public: FastAPI, web: Web, admission: Admission) -> None:
        self._app, self._public, self._admission = app, public, admission
        self._names = None if web.secret else names.LOCAL
        self._limit = _Limit(web.max_bytes, "(web.max_bytes); send fewer or smaller pictures")
        self._writes, self._reads, self._held = Rate(web.rate), Rate(READS), _Held()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        request, send = Request(scope), _hardened(send)
        is_public = any(route.matches(scope)[0] is Match.FULL for route in self._public.routes)
        limit = _Limit(MOST_PUBLIC, "to log in") if is_public else self._limit
        try:
            self._check(request, is_public, limit)
        except ProblemError as error:
            await _refused(request, error)(scope, receive, send)
            return
        body = _Counted(receive, limit, self._held)
        try:
            await (self._public if is_public else self._app)(scope, body, send)
        finally:
            self._held.size -= body.size

    def _check(self, request: Request, is_public: bool, limit: "_Limit") -> None:
        """Raises ProblemError."""
        names.check(request.headers, request.method, self._names)
        if not is_public:
            self._admission.check(request)
        limit.check(_length(request))
        if not is_public:
            self._count(request)

    def _count(self, request: Request) -> None:
        is_read, address = request.method in names.SAFE, address_of(request)
        if wait := (self._reads if is_read else self._writes).wait(address):
            allows = f"{READS:.0f} reads a second" if is_read else "web.rate allows"
            what = f"more requests than {allows}; ask again in {wait} s"
            raise ProblemError(429, what, {"Retry-After": str(wait)})


@dataclass(frozen=True, slots=True)
class _Limit:
    """`most` bytes of a request, and what else is said where it has more."""

    most: int
    said: str

    def check(self, size: int) -> None:
        """Raises ProblemError."""
        if size > self.most:
            raise ProblemError(413, f"a request may have {self.most:,} bytes {self.said}")


class _Counted:
    """A body that may be as long as it likes to say, but not longer than it may be; nor all bodies together."""

    def __init__(self, receive: Receive, limit: "_Limit", held: "_Held") -> None:
        self._receive, self._limit, self._held = receive, limit, held
        self.size = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        size = len(message.get("body", b""))
        self.size += size
        self._held.size += size
        self._limit.check(self.size)
        if self._held.size > max(MOST_HELD, self._limit.most):
            raise ProblemError(
                429, "others send much at this moment; ask again in a second", {"Retry-After": "1"}
            )
        return message


class _Held:
    """Bytes of all the bodies that are being read or answered."""

    size = 0


def _refused(request: Request, error: ProblemError) -> Response:
    """In the words of whoever asks: a browser is sent to where it can say the token."""
    if error.status == 401 and request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/login?to={quote(request.scope['path'])}", 303)
    if rekognition.is_asked(request):
        return rekognition.refusal(error.status, error.detail)
    return problems.response(error.status, error.detail, error.headers)


def _hardened(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = message.get("headers", [])
            known = {name for name, _ in said}
            message["headers"] = [*said, *(header for header in _HEADERS if header[0] not in known)]
        await send(message)

    return sent


def _length(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0
