"""The guard decides who may ask, and how much, before anything is read of a request.

There are two applications. One has what anybody may ask; the other has all else, and nobody is let into it without the
token: what was not put into the first cannot be had, whatever a path is taken to mean, and be it that there is nothing at it.
Rejected: a dependency of each route, which FastAPI asks only once it has read the body, and never where no route is found;
a list of open paths beside the routes, which has to read a path as they do.
"""

from urllib.parse import quote, urlsplit

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tagger.config.web import WebSettings
from tagger.web import methods, names, problems
from tagger.web.admission import Admission, address_of
from tagger.web.bodies import Body, HeldBytes, Limit
from tagger.web.compat import rekognition
from tagger.web.problems import ProblemError
from tagger.web.proxies import Proxies, names_of, prefix_of
from tagger.web.rate import Rate

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
    """Lets requests in: `public` is what anybody may ask; the application within is for those whom `admission` knows.

    `web.rate` is how many requests a second an address may make that are not only for reading; 0 for any number.
    """

    def __init__(self, app: ASGIApp, public: FastAPI, web: WebSettings, admission: Admission) -> None:
        self._app, self._public, self._admission = app, public, admission
        self._proxies, public_name = Proxies(web), urlsplit(web.public_url).hostname
        self._names = None if web.secret else names.LOCAL | {public_name or "localhost"}
        self._limit = Limit(web.max_bytes, "(web.max_bytes); send fewer or smaller pictures")
        self._writes, self._reads, self._held = Rate(web.rate), Rate(READS), HeldBytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        scope, receive, send = methods.as_get(scope, receive, send)
        try:
            seen = self._proxies.seen(scope)
        except ProblemError as error:
            body = Body(scope, receive, _hardened(send), self._limit, self._held)
            await _refused(Request(scope), error)(scope, body.receive, body.send)
        else:
            await self._answer(Request(seen), seen, receive, send)

    async def _answer(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        is_public = methods.is_full(self._public.routes, scope)
        limit = Limit(MOST_PUBLIC, "to log in") if is_public else self._limit
        body = Body(scope, receive, _hardened(send), limit, self._held)
        answer: ASGIApp = self._public if is_public else self._app
        try:
            self._check(request, is_public)
            limit.check(body.said)
            if request.method == "OPTIONS":
                answer = methods.allowed((*self._public.routes, *scope["app"].routes), scope) or answer
        except ProblemError as error:
            answer = _refused(request, error)
        try:
            await answer(scope, body.receive, body.send)
        finally:
            self._held.size -= body.size

    def _check(self, request: Request, is_public: bool) -> None:
        """Raises ProblemError where the name, the page, the token or the rate of the request is not allowed."""
        names.check(request.headers, self._names)
        if not is_public:
            self._admission.check(request)
        if is_public or not self._admission.is_said(request):
            names.check_page(request.headers, request.method, names_of(request))
        if not is_public:
            self._count(request)

    def _count(self, request: Request) -> None:
        is_read, address = request.method in names.SAFE, address_of(request)
        if wait := (self._reads if is_read else self._writes).wait(address):
            allows = f"{READS:.0f} reads a second" if is_read else "web.rate allows"
            what = f"more requests than {allows}; ask again in {wait} s"
            raise ProblemError(429, what, {"Retry-After": str(wait)})


def _refused(request: Request, error: ProblemError) -> Response:
    """Return the refusal in the words of whoever asks: a browser is sent to where it can say the token."""
    if (
        error.status_code == 401
        and request.method == "GET"
        and "text/html" in request.headers.get("accept", "")
    ):
        return RedirectResponse(f"{prefix_of(request)}/login?to={quote(request.scope['path'])}", 303)
    if rekognition.is_asked(request):
        return rekognition.refusal(error.status_code, error.detail)
    return problems.response(error.status_code, error.detail, error.headers)


def _hardened(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = message.get("headers", [])
            known = {name for name, _ in said}
            message["headers"] = [*said, *(header for header in _HEADERS if header[0] not in known)]
        await send(message)

    return sent
