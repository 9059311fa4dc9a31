"""Where people hand in pictures and wait for the answer: they take the same road as files, in threads of their own.

The answer is what became of the picture, and nothing is stored. So many may wait and no more: whoever comes then is
told so at once, and files go on at their pace. Rejected: to put requests into the files' queue, the journal, which
is for what must survive a kill; nobody waits for an answer across one.
"""

import hashlib
import itertools
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock

from tagger.pipeline.channel import Channel, Closed
from tagger.records import Content, Failed, Outcome, Stamp, Tagged

log = logging.getLogger(__name__)

Answer = Future["Tagged | Failed"]


class BusyError(Exception):
    """As many pictures wait as may: come again."""


class PredictQueue:
    """Holds at most `most` pictures that were not answered yet. Threads may share it."""

    def __init__(self, most: int) -> None:
        self._most, self._numbers = most, itertools.count(1)
        self._asked: Channel[Content] = Channel(most)
        self._lock = Lock()
        self._answers: dict[Stamp, Answer] = {}
        """Of the pictures that are still on the road."""
        self._closed = False

    def ask(self, data: bytes, top_k: int) -> Answer:
        """What the model says of a picture's bytes, in future. Raises BusyError, and Closed where nobody answers any more."""
        stamp = Stamp(f"request {next(self._numbers)}", "", len(data), 0, 0)
        answer: Answer = Future()
        answer.set_running_or_notify_cancel()  # a server that ends cancels what it waits for, and the picture travels on
        with self._lock:
            if self._closed:
                raise Closed
            if len(self._answers) >= self._most:
                raise BusyError
            self._answers[stamp] = answer
        log.debug("%s: %d bytes", stamp.path, len(data))
        self._asked.put(Content(stamp, data, hashlib.sha256(data).hexdigest(), top_k))
        return answer

    def get(self) -> Content:
        """The next picture; waits for one. Raises Closed."""
        return self._asked.get()

    def answered(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Answers those whose pictures these were; gives the others back."""
        others = []
        for outcome in outcomes:
            with self._lock:
                answer = self._answers.pop(outcome.stamp, None)
                if answer is None:
                    others.append(outcome)
                elif isinstance(outcome, Tagged | Failed) and not answer.done():
                    answer.set_result(outcome)
        return others

    @property
    def waiting(self) -> int:
        """How many pictures were not answered yet."""
        return len(self._answers)

    def close(self) -> None:
        """Nobody else is served: whoever waits is told so. What becomes of their pictures is still known to be no file's."""
        with self._lock:
            self._closed = True
            for answer in self._answers.values():
                answer.set_exception(Closed())
        self._asked.close()
