"""Where people hand in pictures and wait for the answer: they take the same way as files, in threads of their own.

The answer is what became of the picture, and nothing is stored. So many may wait and no more: whoever comes then is
told so at once, and files go on at their pace. Rejected: to put requests into the files' queue in the database, which
is for what must survive a kill; nobody waits for an answer across one.
"""

import hashlib
import itertools
import logging
from concurrent.futures import Future
from threading import Lock

from tagger.pipeline.channel import Channel
from tagger.records import Content, Failed, Reply, Tagged
from tagger.supervision import Closed

log = logging.getLogger(__name__)


class BusyError(Exception):
    """As many pictures wait as may: come again."""


class PredictQueue:
    """Holds at most `most` pictures that were not answered yet. Threads may share it."""

    def __init__(self, most: int) -> None:
        self._most, self._numbers = most, itertools.count(1)
        self._asked: Channel[Content] = Channel(most)
        self._lock = Lock()
        self._unanswered: set[Reply] = set()
        self._closed = False

    def ask(self, data: bytes, top_k: int) -> "Future[Tagged | Failed]":
        """Return what the model says of a picture's bytes, in future. Raises BusyError, and Closed where nobody answers any more."""
        reply = Reply(next(self._numbers), Future())
        # A server that ends cancels what it waits for, and the picture goes its way all the same.
        reply.future.set_running_or_notify_cancel()
        with self._lock:
            if self._closed:
                raise Closed
            if len(self._unanswered) >= self._most:
                raise BusyError
            self._unanswered.add(reply)
        log.debug("%s: %d bytes", reply.path, len(data))
        self._asked.put(Content(reply, data, hashlib.sha256(data).hexdigest(), top_k))
        return reply.future

    def get(self) -> Content:
        """Return the next picture; wait for one. Raises Closed."""
        return self._asked.get()

    def answer(self, reply: Reply, outcome: Tagged | Failed) -> None:
        """Give whoever waits for this reply what became of their picture."""
        with self._lock:
            self._unanswered.discard(reply)
            if not reply.future.done():
                reply.future.set_result(outcome)

    @property
    def waiting(self) -> int:
        """Return how many pictures were not answered yet."""
        return len(self._unanswered)

    def close(self) -> None:
        """Serve nobody else: whoever waits is told so."""
        with self._lock:
            self._closed = True
            for reply in self._unanswered:
                if not reply.future.done():
                    reply.future.set_exception(Closed())
        self._asked.close()
