"""Folders that hold a marker, such as .nomedia, are left out; a marker with patterns, such as .ignore, leaves out what these match.

The patterns are those of .gitignore. Whoever may write into a watched folder writes them, so they are matched by RE2, in
time that grows with the path alone. Rejected: wcmatch, whose expressions look around, which RE2 cannot; and to keep what was
read, since a marker may come and go at any moment.
"""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tagger.config.sources import Source
from tagger.host import beneath
from tagger.store.core import pathtext

LARGEST = 64 * 1024
"""Bytes of a marker that is read for patterns."""

MOST_PATTERNS = 1000
"""In one folder: each file below may be matched with each of them."""

FOLDERS_REMEMBERED = 1000


class _LeftOutError(Exception):
    """Raised where a folder is left out whole."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    regex: Any
    takes_back: bool
    is_for_folders: bool


@dataclass(frozen=True, slots=True)
class Patterns:
    """The patterns of the markers in one folder, whose path ends with a slash."""

    folder: str
    lines: Sequence[_Pattern]

    def judge(self, path: str, is_folder: bool) -> bool | None:
        """Return whether the last pattern that matches leaves the path out; None where none matches."""
        text = pathtext.storable(path[len(self.folder) :])
        for line in reversed(self.lines):
            if (is_folder or not line.is_for_folders) and line.regex.fullmatch(text):
                return not line.takes_back
        return None


def leave_out(patterns: Sequence[Patterns], path: str, is_folder: bool) -> bool:
    """Return whether patterns leave a path out; those of the innermost folder come first."""
    judged = (one.judge(path, is_folder) for one in reversed(patterns))
    return next((verdict for verdict in judged if verdict is not None), False)


class Markers:
    """The markers of one source, as they are during one walk or look."""

    def __init__(self, source: Source) -> None:
        self._source, self._root = source, str(source.path).rstrip("/")
        self._read = lru_cache(FOLDERS_REMEMBERED)(self._patterns_in)

    def patterns(self, folder: str) -> Sequence[Patterns] | None:
        """Return the patterns for what is in a folder of the source, those of folders around it first; None where it is left out."""
        if not self._source.markers:
            return ()
        found = list[Patterns]()
        try:
            for around in self._down_to(folder):
                if leave_out(found, around, is_folder=True):
                    return None
                if patterns := self._read(around):
                    found.append(patterns)
        except _LeftOutError:
            return None
        return found

    def leave_out(self, path: str, is_folder: bool) -> bool:
        """Return whether a file or folder of the source is left out, by a marker in a folder around it."""
        patterns = self.patterns(path.rpartition("/")[0])
        return patterns is None or leave_out(patterns, path, is_folder)

    def _down_to(self, folder: str) -> Iterator[str]:
        """Yield the source's folder and those on the way to one in it."""
        yield self._root
        ends = (at for at, letter in enumerate(folder + "/") if letter == "/" and at > len(self._root))
        yield from (folder[:end] for end in ends)

    def _patterns_in(self, folder: str) -> Patterns | None:
        """Return the patterns of a folder's own markers. Raises _LeftOutError where one has none, or cannot be read."""
        texts = [
            text for name in self._source.markers if (text := self._text(f"{folder}/{name}")) is not None
        ]
        lines = [line for text in texts for line in _lines(text)]
        if len(lines) > MOST_PATTERNS:
            raise _LeftOutError
        return Patterns(f"{folder}/", lines) if texts else None

    def _text(self, path: str) -> str | None:
        """Return what stands in a marker; None where there is none. Raises _LeftOutError where there is nothing to be read."""
        try:
            descriptor = self._source.reach.open(path)
        except beneath.OutsideError:
            raise _LeftOutError from None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            raise _LeftOutError from None
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _LeftOutError
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST or not data.strip():
            raise _LeftOutError
        return os.fsdecode(data.removeprefix(b"\xef\xbb\xbf"))


def _lines(text: str) -> Iterator[_Pattern]:
    for raw in text.split("\n"):
        line = raw if raw.endswith("\\ ") else raw.rstrip(" \r")
        if not line or line.startswith("#"):
            continue
        takes_back = line.startswith("!")
        pattern = line.removeprefix("!")
        yield _Pattern(_compiled(pattern.rstrip("/")), takes_back, pattern.endswith("/"))


def _compiled(pattern: str) -> Any:
    """Return RE2's form of a pattern. Raises _LeftOutError where it has none: what is meant is not known then."""
    import re2  # here, because few use it

    anchored = pattern.removeprefix("/")
    options = re2.Options()
    options.log_errors, options.dot_nl, options.never_nl = False, True, False
    try:
        return re2.compile(_regex(anchored if "/" in pattern else f"**/{anchored}"), options)
    except re2.error:
        raise _LeftOutError from None


_TOKENS = re.compile(
    r"(?P<folders>(?:^|(?<=/))\*\*/)|(?P<all>(?<=/)\*\*$)|(?P<some>\*+)|(?P<one>\?)"
    r"|\[(?P<negated>[!^]?)(?P<set>\]?[^\]/]*)\]|\\(?P<escaped>.)|(?P<plain>.)",
    re.DOTALL,
)


def _regex(pattern: str) -> str:
    return "".join(map(_part, _TOKENS.finditer(pathtext.storable(pattern))))


def _part(token: re.Match[str]) -> str:
    match token.lastgroup:
        case "folders":
            return "(?:[^/]+/)*"
        case "all":
            return ".+"
        case "some":
            return "[^/]*"
        case "one":
            return "[^/]"
        case "set":
            letters = re.sub(r"([\\\[\]^&~|])", r"\\\1", token["set"])
            return f"[{'^/' if token['negated'] else ''}{letters}]"
    return re.escape(token[token.lastgroup or 0])
