"""What a head may be called: a word that a search can have before a colon, and that means nothing else there."""

import re

LONGEST = 60
"""Characters of a name."""
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_TAKEN = frozenset({
    "and", "or", "not", "since", "until", "in", "uncertain", "is", "path", "camera", "source", "state", "app",
    "app_id", "size", "width", "height", "format", "has", "like", "by", "none", "unsure",
})  # fmt: skip


def head_name(value: str) -> str:
    """Return the name of a head. Raises ValueError where no head can be called so."""
    if len(value) > LONGEST or not _NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is no name of a head: use small letters, digits, - and _, such as scene or game_mood"
        )
    if value in _TAKEN:
        raise ValueError(f"{value!r} is a word of the search language: call the head something else")
    return value
