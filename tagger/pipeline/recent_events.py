"""What happens to files and sources, for whoever listens at the moment: the last thousand notices, and none from before a start.

Tagged pictures are not among them: those are in the database, where a listener that was away finds all that it missed.
"""

import itertools
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

KEPT = 1000


@dataclass(frozen=True, slots=True)
class Notice:
    """A file that could not be tagged, a source that is watched or no longer is, or a head that has labelled. Numbers count up from 1."""

    number: int
    kind: Literal["failed", "source", "head"]
    about: Mapping[str, str]


class RecentEvents:
    """Keeps what happened last. Threads may share it: a deque's own methods are atomic."""

    def __init__(self) -> None:
        self._notices: deque[Notice] = deque(maxlen=KEPT)
        self._numbers = itertools.count(1)

    def post(self, kind: Literal["failed", "source", "head"], **about: str) -> None:
        self._notices.append(Notice(next(self._numbers), kind, about))

    def since(self, number: int) -> list[Notice]:
        """Return those that came after that one, in their order."""
        return [notice for notice in self._notices.copy() if notice.number > number]

    @property
    def last(self) -> int:
        """Return the number of the newest; 0 where there is none."""
        return self._notices[-1].number if self._notices else 0
