"""Content that is on its way: the same bytes under two names are decoded and inferred once.

The first file with some content travels; those that follow wait here, as stamps only, for its outcome.
It is released only after that outcome is stored, so that whoever comes later finds it in the database.
"""

from dataclasses import replace
from threading import Lock

from tagger.records import Content, Outcome, Stamp


class InFlight:
    def __init__(self) -> None:
        self._lock = Lock()
        self._followers: dict[str, list[Stamp]] = {}
        self._content_of: dict[Stamp, str] = {}

    def leads(self, content: Content) -> bool:
        """Whether this file is the first with its content; if not, it now waits for the first."""
        with self._lock:
            if content.sha256 in self._followers:
                self._followers[content.sha256].append(content.stamp)
                return False
            self._followers[content.sha256] = []
            self._content_of[content.stamp] = content.sha256
            return True

    def release(self, outcome: Outcome) -> list[Outcome]:
        """The outcomes of the files that waited for this one."""
        with self._lock:
            sha256 = self._content_of.pop(outcome.stamp, None)
            followers = self._followers.pop(sha256, []) if sha256 else []
        return [replace(outcome, stamp=stamp) for stamp in followers]
