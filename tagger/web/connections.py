"""A connection has its place as long as its client gets on; where places are short, whoever got on last keeps it.

Each costs an open file, of which the pictures need some, too. uvicorn waits without end for a head and for a body, and its
`limit_concurrency` counts the idle with the others: a thousand of them, and everybody else is turned away, for good.
Rejected: to refuse who comes when it is full, for that is the honest client; a proxy, which everybody would need then.
"""

import asyncio
import resource
import time
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

PLACES = min(512, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


class Connection(H11Protocol):
    """A connection that speaks HTTP, and knows whose turn it is."""

    got_on_at = 0.0
    """A head that trickles in, a byte a second, gets nobody on."""

    @property
    def waits(self) -> bool:
        """Return whether it is the client's turn: to ask, to go on with its body, or to take what it is sent."""
        if not self._is_asked:
            return True
        return self.flow.write_paused or (self.cycle.more_body and not self.flow.read_paused)

    @property
    def _is_asked(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._gets_on()
        if len(self.connections) > PLACES:
            others = [one for one in self.connections if isinstance(one, Connection) and one.waits]
            min(others, key=lambda one: one.got_on_at).leave()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_asked:
            self._gets_on()

    def on_response_complete(self) -> None:
        self._gets_on()
        if self.cycle.more_body:  # it goes on sending what nobody reads
            self.transport.close()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP. In the middle of a body, whoever reads it hears that its client is gone, and answers nobody.

        uvicorn's own would be followed by the answer, which is a mistake then, with all of its traceback in the log.
        """
        if self._is_asked:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if (
            self.cycle is not None
            and self.cycle.response_started
            and (self._is_asked or self.cycle.more_body)
        ):
            self.transport.close()
        else:
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        self._gets_on()
        super().pause_writing()

    def leave(self) -> None:
        """Close it at once, and give its place to others."""
        self.connections.discard(self)
        self.transport.abort()

    def _gets_on(self) -> None:
        self.got_on_at = time.monotonic()


def end_silent(connections: Iterable[Any], patience: float) -> None:
    """Close the connections whose clients have not got on for `patience` seconds, though it was their turn."""
    latest = time.monotonic() - patience
    for one in list(connections):
        if isinstance(one, Connection) and one.waits and one.got_on_at < latest:
            one.leave()
