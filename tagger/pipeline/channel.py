"""A bounded queue that can be closed.

Closing is how work ends: put raises at once, take goes on until the channel is empty and then raises.
Sentinels were rejected: with several takers one must be counted out per thread, and a lost one hangs.
(`queue.Queue.shutdown` does the same, but only from Python 3.13 on, and without taking in batches.)
"""

from collections import deque
from threading import Condition, Lock
from typing import Generic, TypeVar

from tagger.supervision import Closed, waiting

T = TypeVar("T")


class Channel(Generic[T]):
    """Holds at most `capacity` items; safe for any number of threads on either side."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._closed = False
        lock = Lock()
        # Two conditions, so that each item wakes one sleeper: the others would wake in vain, and need the same cores.
        self._filled, self._drained = Condition(lock), Condition(lock)

    def put(self, item: T) -> None:
        """Put an item; wait while the channel is full. Raises Closed."""
        with self._drained, waiting():
            self._drained.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            if self._closed:
                raise Closed
            self._items.append(item)
            self._filled.notify()

    def take(self, limit: int, patience: float = 0) -> list[T]:
        """Wait for one item, then up to `patience` seconds for `limit`, and return what is there. Raises Closed."""
        with self._filled, waiting():
            self._filled.wait_for(lambda: self._closed or self._items)
            if patience:
                self._filled.wait_for(lambda: self._closed or len(self._items) >= limit, patience)
            if not self._items:
                raise Closed
            taken = [self._items.popleft() for _ in range(min(limit, len(self._items)))]
            self._drained.notify(len(taken))
            if self._items:  # what is left may have woken this taker alone
                self._filled.notify()
            return taken

    def get(self) -> T:
        """Return one item; wait for it. Raises Closed."""
        return self.take(1)[0]

    def close(self) -> None:
        with self._filled:
            self._closed = True
            self._filled.notify_all()
            self._drained.notify_all()

    def __len__(self) -> int:
        return len(self._items)
