"""Any path as text that every SQL client can read, and back again without loss.

A path is bytes, and a database wants UTF-8. Each byte that is not UTF-8 becomes the character
U+F700 + byte, of Unicode's private area; a character from U+F780 to U+F7FF that a path holds itself
is taken apart in the same way, so that no two paths share a text. Rejected: BLOB columns, which no
SQL user can compare or print, and replacement characters, which lose the file.
"""

import os
import re

from tagger.errors import DatabaseError
from tagger.wording.escape import cut, shown

_BASE = 0xF700
_AMBIGUOUS = re.compile("[\udc80-\udcff\uf780-\uf7ff]")
_BYTES = re.compile("[\uf780-\uf7ff]+")
NOWHERE = "\N{REPLACEMENT CHARACTER}"
"""Stands for what no path in the database has."""

_NEVER_STORED = re.compile("[\ud800-\udfff]")
_DAMAGED = "restore a copy of it, or move it away: tagger scan builds a new one"


def to_text(path: str) -> str:
    """Return a path, given as by `os.fsdecode`, as valid Unicode; it stays the same where it is plain UTF-8."""
    if path.isascii():
        return path
    return _AMBIGUOUS.sub(lambda found: _spell(found[0].encode("utf-8", "surrogateescape")), path)


def from_text(text: str) -> str:
    """Return the path, as `open` takes it, that `to_text` made this text of.

    Raises DatabaseError where no scan could have met such a path.
    """
    if not isinstance(text, str) or "\0" in text or (".." in text and ".." in text.split("/")):
        raise DatabaseError(
            "the database", f"holds {cut(shown(repr(text)), 80)} where a path should be", _DAMAGED
        )
    if text.isascii():
        return text
    return _BYTES.sub(lambda found: os.fsdecode(_unspell(found[0])), text)


def storable(text: str) -> str:
    """Return a text as it would stand in the database; what could not stand there becomes NOWHERE, which nothing equals."""
    return _NEVER_STORED.sub(NOWHERE, to_text(text))


def _spell(raw: bytes) -> str:
    return "".join(chr(_BASE + byte) for byte in raw)


def _unspell(text: str) -> bytes:
    return bytes(ord(character) - _BASE for character in text)
