"""Items → batches, work-conserving: an engine that is free takes what is there.

It waits for more only where waiting pays: on an accelerator, and under load, which the batch before tells. A lone
picture is never held up by others that may not come. Rejected: a fixed batch size, which would hold it for ever.
"""

from typing import Generic, TypeVar

from tagger.pipeline.channel import Channel

T = TypeVar("T")


class Batcher(Generic[T]):
    """`max_wait` is in seconds, from the batch's first item on; 0 where waiting never pays."""

    def __init__(self, channel: Channel[T], max_size: int, max_wait: float) -> None:
        self._channel, self._max_size, self._max_wait = channel, max_size, max_wait
        self._loaded = False

    def take(self) -> list[T]:
        """Return the next batch, once there is an item for it. Raises Closed."""
        batch = self._channel.take(self._max_size, self._max_wait if self._loaded else 0)
        self._loaded = len(batch) > 1
        return batch
