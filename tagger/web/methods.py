"""HEAD is answered as GET is, without the body, and OPTIONS with what may be asked, wherever there is anything (RFC 9110).

Rejected: HEAD at each route, which a new one would be missing from, and which would describe each path twice.
"""

import asyncio
from collections.abc import Iterable

from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Message, Receive, Scope, Send

_ASKED = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Headless:
    """Takes the answer to a GET, and passes on its head alone; what would go on to say the rest hears that its client has left."""

    def __init__(self, send: Send) -> None:
        self._send, self._answered = send, asyncio.Event()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._send(message)
            await self._send({"type": "http.response.body", "body": b""})
            self._answered.set()

    async def receive(self) -> Message:
        await self._answered.wait()
        return {"type": "http.disconnect"}


def as_get(scope: Scope, receive: Receive, send: Send) -> tuple[Scope, Receive, Send]:
    """Return a HEAD as the GET that is answered in its place, and any other request as it is."""
    if scope["method"] != "HEAD":
        return scope, receive, send
    headless = Headless(send)
    return {**scope, "method": "GET"}, headless.receive, headless.send


def is_full(routes: Iterable[BaseRoute], scope: Scope) -> bool:
    """Return whether one of the routes answers this path and method."""
    return any(route.matches(scope)[0] is Match.FULL for route in routes)


def allowed(routes: Iterable[BaseRoute], scope: Scope) -> Response | None:
    """Return the answer to OPTIONS: the methods of this path; None where there is nothing at it."""
    here = [one for one in routes if one.matches({**scope, "method": "GET"})[0] is not Match.NONE]
    if any(isinstance(one, Mount) for one in here):
        methods = ["GET"]  # a folder of files matches whatever is asked of it
    else:
        methods = [one for one in _ASKED if is_full(here, {**scope, "method": one})]
    if "GET" in methods:
        methods.insert(1, "HEAD")
    return Response(None, 204, {"Allow": ", ".join([*methods, "OPTIONS"])}) if methods else None
