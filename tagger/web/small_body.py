"""Requests that carry no picture are small, and are refused by their size before they are read.

FastAPI reads a body as a whole before it looks at it, so that whoever may send a picture's worth of JSON to a route that wants a
name would have it all parsed. Rejected: a list of paths in the guard, which a new route would be missing from.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from tagger.web.problems import ProblemError

MOST = 64 << 10
"""Bytes."""


class SmallBody(APIRoute):
    """A route that answers 413 to requests of more than `MOST` bytes."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def small(request: Request) -> Response:
            length = request.headers.get("content-length", "")
            if length.isdecimal() and (len(length) > 9 or int(length) > MOST):
                raise _too_large()
            return await handle(Request(request.scope, _counted(request.receive)))

        return small


def _counted(receive: Receive) -> Receive:
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MOST:
            raise _too_large()
        return message

    return counted


def _too_large() -> ProblemError:
    return ProblemError(413, f"a request without a picture may have {MOST:,} bytes; send less at a time")
