"""Files become square pictures, decoded as the daemon decodes: what is hostile is bounded, and never more than a few batches are held."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tagger.config.tagging import DecodeSettings
from tagger.records import Content, Failed, Picture, Stamp
from tagger.vision import cores
from tagger.vision.budget import PixelBudget
from tagger.vision.child_decoder import ChildDecoder
from tagger.vision.decode import Decoder, read
from tagger.vision.models import Preprocessing

_AHEAD = 2
"""Batches that are read while another is learned from."""


@dataclass(frozen=True, slots=True, eq=False)
class SquarePicture:
    """The middle square of a picture, side×side×3 uint8, and the sha256 of the file."""

    pixels: NDArray[np.uint8]
    sha256: str


class PictureReader(AbstractContextManager["PictureReader"]):
    """Reads files on all cores, each as the square in whose middle the network's own window lies.

    `unreadable` are the files that could not be read until now, with the reason in words.
    """

    def __init__(self, settings: DecodeSettings, preprocessing: Preprocessing) -> None:
        self.unreadable: dict[str, str] = {}
        self._max_bytes = settings.max_bytes
        self._children = ChildDecoder(settings)
        self._pool = ThreadPoolExecutor(cores.available())
        self._decoder = Decoder(
            replace(preprocessing, crop=preprocessing.resize),
            settings.max_pixels,
            PixelBudget(),
            settings.mode,
            max_frames=settings.max_frames,
            max_memory=settings.max_memory,
            children=self._children,
        )

    def __exit__(self, *_: object) -> None:
        """End its threads and its children; what is not begun yet is left."""
        self._pool.shutdown(cancel_futures=True)
        self._children.close()

    def read(self, paths: Iterable[str]) -> list[SquarePicture | None]:
        """Return each file's picture, None where it cannot be read."""
        return list(self._pool.map(self._one, paths))

    def ahead(self, batches: Iterable[Sequence[str]]) -> Iterator[list[SquarePicture | None]]:
        """Yield the same for one batch after the other; the next are read meanwhile."""
        waiting: deque[list[Future[SquarePicture | None]]] = deque()
        for batch in batches:
            waiting.append([self._pool.submit(self._one, path) for path in batch])
            if len(waiting) > _AHEAD:
                yield [one.result() for one in waiting.popleft()]
        while waiting:
            yield [one.result() for one in waiting.popleft()]

    def _one(self, path: str) -> SquarePicture | None:
        seen = self._seen(path)
        if isinstance(seen, str):
            self.unreadable[path] = seen
            return None
        return seen

    def _seen(self, path: str) -> SquarePicture | str:
        real = os.path.realpath(path)  # the folder is its user's own, and may be made of links
        try:
            content = read(Stamp.of(real, "", os.stat(real)), self._max_bytes)  # noqa: PTH116
        except OSError as error:
            return f"the file cannot be read: {error.strerror}"
        seen = self._decoder.decode(content) if isinstance(content, Content) else content
        if isinstance(seen, Picture):
            return SquarePicture(seen.frames[0], seen.facts.sha256)
        return seen.reason if isinstance(seen, Failed) else "it is gone, or being written just now"
