"""Pictures in base64, in JSON, are decoded so that others have their turn meanwhile."""

import binascii
from collections.abc import Iterator
from string import whitespace

from tagger.web.problems import ProblemError

MOST = 32
"""Pictures in one request."""
MOST_PARTS = 1_000
"""Commas in a request's JSON, which is some pictures in base64 and little else."""
_PIECE = 1 << 20
"""Characters, by fours."""
_WHITESPACE = whitespace.encode()


def refuse_many_parts(body: bytes) -> None:
    """Raises ProblemError for a million short texts before they are parsed: JSON with pictures is a few long ones."""
    if body.count(b",") > MOST_PARTS:
        raise ProblemError(413, f"JSON of more than {MOST_PARTS:,} parts; send {MOST} pictures or fewer")


def decoded(text: str) -> bytes:
    """Return the bytes of base64, whitespace left out. Raises ProblemError where it is none.

    They are decoded in pieces: 32 MB in one go would keep everybody else waiting.
    """
    try:
        plain = b"".join(one.translate(None, _WHITESPACE) for one in _pieces(text.encode("ascii")))
        return b"".join(binascii.a2b_base64(one, strict_mode=True) for one in _pieces(plain))
    except ValueError:
        raise ProblemError(400, "the picture is not base64") from None


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))
