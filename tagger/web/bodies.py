"""A request's body: how much of it is read, and what becomes of the rest once it is answered.

A connection that is closed while its client still sends is reset, and with it may go the answer that says why: many clients send
to the end before they read. So the answer is sent at once, and what still comes is taken and thrown away, for a while.
"""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from tagger.web.problems import ProblemError

MOST_HELD = 256 << 20
"""Bytes that all requests together may have sent and not been answered. Hundreds of half uploads would else fill the memory."""

THROWN_AWAY = 256 << 20
"""Bytes of one request: eight times what it may have, as `web.max_bytes` is from the start. Then the connection is closed."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A request may have `most` bytes; `said` is what is added where it has more."""

    most: int
    said: str

    def check(self, size: int) -> None:
        """Raises ProblemError where there are more bytes than that."""
        if size > self.most:
            raise ProblemError(413, f"a request may have {self.most:,} bytes {self.said}")


class HeldBytes:
    """Counts the bytes of all the bodies that are being read or answered."""

    size = 0


class Body:
    """Reads a body that may say that it is as long as it likes, but is refused past its limit, as are all bodies together.

    `receive` and `send` are for whoever answers the request.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: Limit, held: HeldBytes) -> None:
        headers = Headers(scope=scope)
        self._receive, self._send, self._limit, self._held = receive, send, limit, held
        self.said = _length(headers)
        self.size = 0
        self._has_ended = not self.said and "transfer-encoding" not in headers
        self._is_held_back = "expect" in headers

    async def receive(self) -> Message:
        """Return the next part. Raises ProblemError where it, or all together, is too much."""
        message = await self._next()
        size = len(message.get("body", b""))
        self.size += size
        self._held.size += size
        self._limit.check(self.size)
        if self._held.size > max(MOST_HELD, self._limit.most):
            raise ProblemError(
                429, "others send much at this moment; ask again in a second", {"Retry-After": "1"}
            )
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer; after the last one, what still comes is taken and thrown away."""
        is_last = message["type"] == "http.response.body" and not message.get("more_body")
        if not is_last or self._has_ended or self._is_held_back:
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._throw_away()
        await self._send({"type": "http.response.body", "body": b""})

    async def _throw_away(self) -> None:
        size = 0
        while not self._has_ended and size < THROWN_AWAY:
            size += len((await self._next()).get("body", b""))

    async def _next(self) -> Message:
        self._is_held_back = False  # who waits to be told to go on is told so now
        message = await self._receive()
        self._has_ended = not message.get("more_body")
        return message


def _length(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0
