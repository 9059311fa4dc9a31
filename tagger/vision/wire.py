"""What a decoding child and its parent say to each other: lengths, words in JSON, and bytes of pixels.

No pickle, in either direction, and the parent believes nothing: sizes, types and names are judged as those of any stranger's
request are, for a picture may have made the child say it.
"""

import struct
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from tagger.config.path_rules import IN_PICTURES
from tagger.config.tagging import DecodeSettings
from tagger.records import FailureKind, Health
from tagger.vision.models import Preprocessing

MOST_REASON = 1000
"""Characters of why a picture is refused."""
_MOST_WORDS = 1 << 14
"""Bytes of a message's words: a task has some 700."""
READY, GO = b"+", b"!"
"""What a child says once it has started, and what the parent says once there is room."""
_MOST_SIDE = 1 << 31
_LENGTH = struct.Struct(">I")


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Task(_Message):
    """What to make of the `size` bytes that follow: the model's input, or a thumbnail of so many pixels a `side`."""

    settings: DecodeSettings
    preprocessing: Preprocessing | None
    side: int
    size: int


class Needs(_Message):
    """So many bytes will be held: the parent says when there is room."""

    kind: Literal["needs"] = "needs"
    memory: Annotated[int, Field(ge=0)]


class Refused(_Message):
    """The picture cannot be decoded, for a `reason` in a sentence."""

    kind: Literal["refused"] = "refused"
    reason: Annotated[str, Field(max_length=MOST_REASON)]
    failure: FailureKind = FailureKind.CORRUPT


def _a_moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


class Decoded(_Message):
    """A picture's facts; its `frames` follow, which the parent knows the size of."""

    kind: Literal["decoded"] = "decoded"
    width: Annotated[int, Field(ge=1, le=_MOST_SIDE)]
    height: Annotated[int, Field(ge=1, le=_MOST_SIDE)]
    format: Annotated[str, Field(pattern="^[A-Z0-9]{0,8}$")]
    taken_at: Annotated[str, Field(max_length=40), AfterValidator(_a_moment)] | None
    taken_from: Annotated[str, Field(pattern=f"^({'|'.join(IN_PICTURES)})$")] | None
    health: Health | None
    from_camera: bool | None
    frames: Annotated[int, Field(ge=1, le=3)]


class Made(_Message):
    """A thumbnail of `size` bytes follows."""

    kind: Literal["made"] = "made"
    size: Annotated[int, Field(ge=1, le=1 << 26)]


Result = Refused | Decoded | Made
_ANSWERS: TypeAdapter[Needs | Result] = TypeAdapter(Annotated[Needs | Result, Field(discriminator="kind")])


def packed(words: _Message) -> bytes:
    text = words.model_dump_json().encode()
    return _LENGTH.pack(len(text)) + text


def answer(read: Callable[[int], bytes]) -> Needs | Result:
    """Return the next answer; `read` gives as many bytes as it is asked for. Raises ValueError where it is none."""
    return _ANSWERS.validate_json(_text(read))


def task(read: Callable[[int], bytes]) -> Task | None:
    """Return the next task; None at the end."""
    text = _text(read)
    return Task.model_validate_json(text) if text else None


def _text(read: Callable[[int], bytes]) -> bytes:
    length = int.from_bytes(read(_LENGTH.size))
    if length > _MOST_WORDS:
        raise ValueError("a message is too long")
    return read(length)
