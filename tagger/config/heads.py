"""`heads`, `none`: which of the user's own labels pictures get, and how seldom a foreign picture may."""

from typing import Annotated

from pydantic import AfterValidator, Field

from tagger.config.head_names import head_name
from tagger.config.section import Section


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
