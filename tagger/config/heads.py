"""`heads`, `none`: which of the user's own labels pictures get, and how seldom a foreign picture may."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from tagger.config.section import Section

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


def _once(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        if value.count(name) > 1:
            raise ValueError(f"{name!r} is there more than once")
    return value


Heads = Annotated[
    tuple[Annotated[str, AfterValidator(head_name)], ...],
    Field(strict=False, max_length=100),
    AfterValidator(_once),
]


class NoneSettings(Section):
    at_most: float = Field(default=0.05, gt=0, le=0.5)
