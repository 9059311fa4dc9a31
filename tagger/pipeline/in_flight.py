"""Content that is on its way: the same bytes under two names are decoded and inferred once.

The first file with some content travels; those that follow wait here, as stamps only, for its outcome.
It is released only after that outcome is stored, so that whoever comes later finds it in the database.
"""

from collections.abc import Hashable
from dataclasses import replace
from threading import Lock

from tagger.records import Content, Failed, Outcome, Stamp, Tagged


class InFlight:
    """Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._followers: dict[Hashable, list[Stamp]] = {}
        self._content_of: dict[Stamp, Hashable] = {}

    def leads(self, stamp: Stamp, content: Content, model: Hashable) -> bool:
        """Return whether this file is the first with its content for the model; if not, it now waits for the first."""
        key = (content.sha256, model)
        with self._lock:
            if key in self._followers:
                self._followers[key].append(stamp)
                return False
            self._followers[key] = []
            self._content_of[stamp] = key
            return True

    def release(self, outcome: Outcome) -> list[Outcome]:
        """Return the outcomes of the files that waited for this one."""
        with self._lock:
            key = self._content_of.pop(outcome.stamp, None)
            followers = self._followers.pop(key, []) if key else []
        return [_for(outcome, stamp) for stamp in followers]


def _for(outcome: Outcome, stamp: Stamp) -> Outcome:
    if isinstance(outcome, Tagged | Failed):
        return replace(outcome, target=stamp)
    return replace(outcome, stamp=stamp)
