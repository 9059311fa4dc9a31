"""One name, written with composed letters (NFC: most systems) or decomposed ones (NFD: what macOS writes to many file systems).

Names are kept as they came, byte by byte, and compared in one form. Rejected: to store them in one form, which would no
longer open the file.
"""

import unicodedata
from itertools import product
from math import prod

_MOST = 8
"""Ways to write a path; one whose parts have more is looked for in one form throughout."""


def composed(text: str) -> str:
    """Return the text in NFC, in which names are compared."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def spellings(text: str) -> tuple[str, ...]:
    """Return the text as it is, composed and decomposed, each way once."""
    if text.isascii():
        return (text,)
    return tuple(dict.fromkeys((text, composed(text), unicodedata.normalize("NFD", text))))


def path_spellings(path: str) -> tuple[str, ...]:
    """Return a path in all ways to write its parts: a folder and a file in it may come from different systems."""
    parts = [spellings(part) for part in path.split("/")]
    if prod(map(len, parts)) > _MOST:
        return spellings(path)
    return tuple("/".join(one) for one in product(*parts))
