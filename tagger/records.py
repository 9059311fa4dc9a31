"""The values that travel through the pipeline, in the order in which they are born.

    Sighting → Stamp → Content → Picture → Tagged | Known | Failed | Gone | Changed

One frozen type per step, so that no field is ever "filled in later": a stage that needs a fact
takes the type that has it. A single `Item` that grows along the way was rejected for that reason.
Paths are `str` as `os.fsdecode` gives them: absolute, bytes that are not UTF-8 kept as surrogates.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # numpy costs a tenth of a second, which `tagger --help` need not pay
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray


class Origin(StrEnum):
    """Who saw the path. `urgency` orders the work: asked for by a person, then new, then backlog."""

    SCAN = "scan"
    WATCH = "watch"
    CLI = "cli"
    WEB = "web"

    @property
    def urgency(self) -> int:
        return {Origin.SCAN: 0, Origin.WATCH: 1}.get(self, 2)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A hint that a path may be new. Never the truth: that is a stat compared with the queue."""

    path: str
    source: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Stamp:
    """What was seen at a path: two equal stamps mean that nobody has touched the file between them.

    The change time (`ctime_ns`) tells a replacement even where size and mtime were restored. The inode
    is left out: network file systems renumber theirs, and it tells nothing that the change time does not.
    """

    path: str
    source: str
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: str, source: str, found: os.stat_result) -> "Stamp":
        """The stamp of what `stat` found. Times past the years 1677–2262 are cut to them: a database's integers end there."""
        return cls(
            path, source, found.st_size, _in_64_bits(found.st_mtime_ns), _in_64_bits(found.st_ctime_ns)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """Where the answer goes to whoever handed a picture in and waits for it. Requests are numbered from 1."""

    number: int
    future: "Future[Tagged | Failed]"

    @property
    def path(self) -> str:
        """Return what the picture is called in the log."""
        return f"request {self.number}"

    @property
    def source(self) -> str:
        """Return the empty name: a picture that was handed in is of no source."""
        return ""


Target = Stamp | Reply
"""What a picture is tagged for: a file, whose tags are stored, or somebody who waits."""


def file_of(target: Target) -> Stamp:
    """Return the stamp of a target that is a file. Raises TypeError for any other: what is for a reply is never stored."""
    if isinstance(target, Stamp):
        return target
    raise TypeError(f"{target.path} is no file")


@dataclass(frozen=True, slots=True)
class Content:
    """A picture's bytes, read once, and their hash (hex). `top_k` is the number of tags that is asked for; 0: as is usual."""

    target: Target
    data: bytes
    sha256: str
    top_k: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """What a picture's pixels tell of the camera, whatever they show. See `vision.health` for units and sources.

    `flatness` is None where an earlier Tagger looked at the picture.
    """

    brightness: float
    contrast: float
    sharpness: float
    colourfulness: float
    is_blank: bool
    flatness: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says about itself. `width` and `height` are those of the upright picture, in pixels.

    `taken_at` is the camera's own time, or None where the file does not tell: aware where the camera told its offset
    from UTC, naive where it did not. `taken_from` is what told it, a word of `captured_from`. `from_camera` is whether
    its EXIF names a camera. The file of a `damaged` picture ends before the picture does.
    """

    sha256: str
    width: int
    height: int
    format: str
    taken_at: datetime | None
    health: Health | None = None
    from_camera: bool | None = None
    damaged: bool = False
    taken_from: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded file. `frames` is N×H×W×3 uint8 RGB, upright and of the model's input size; most crops make one."""

    target: Target
    facts: Facts
    frames: "NDArray[np.uint8]"
    top_k: int = 0


@dataclass(frozen=True, slots=True)
class Label:
    """A class of things that a model tells apart. `key` is its identity (a WordNet id, or `head/label`), `name` is for people and unique.

    `name_zh` is its name in Chinese, empty where it has none; `synonyms` are what it is called besides, in either.
    """

    key: str
    name: str
    name_zh: str = ""
    synonyms: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called; `crane (bird)` is a crane too."""
        return _names(self)


@dataclass(frozen=True, slots=True)
class Category:
    """What people search for where a label says too much. `key` is its identity; `within` are its parents' keys."""

    key: str
    name: str
    name_zh: str = ""
    synonyms: tuple[str, ...] = ()
    within: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called."""
        return _names(self)


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The categories of one model. `sha256` is that of which classes are in which: scores by another are stale.

    `members` are the keys of the labels in each category, by its key.
    """

    sha256: str
    categories: tuple[Category, ...]
    members: Mapping[str, Collection[str]] = field(default_factory=dict, compare=False)

    def by_label(self) -> dict[str, list[str]]:
        """Return the keys of the categories that each label is in, by the label's key."""
        found: dict[str, list[str]] = {}
        for category, labels in self.members.items():
            for label in labels:
                found.setdefault(label, []).append(category)
        return found


@dataclass(frozen=True, slots=True)
class Tag:
    """One label of a picture: `score` is a probability (0–1), `rank` counts from 1."""

    label: Label
    score: float
    rank: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model says of one picture.

    `margin` is the top score less the second; `entropy` is that of the full distribution, in nats. Where several frames
    were made of the picture, scores are the best of any, and these two are of the frame with the top score.
    `categories` are keys and scores: the sum of the probabilities of all classes in each. `outdoor` is the probability
    that it was taken outdoors; None where the model has not the classes that tell.
    """

    tags: tuple[Tag, ...]
    top_score: float
    margin: float
    entropy: float
    categories: tuple[tuple[str, float], ...] = ()
    outdoor: float | None = None


@dataclass(frozen=True, slots=True)
class Features:
    """What a picture looks like to the model, as it is stored.

    `vector` are float16 numbers, the input of the model's last layer scaled to length 1. `code` are 512 bits made from
    them, and `look` the first 64 of those as a signed integer: the more bits two pictures share, the more alike they are.
    """

    vector: bytes
    code: bytes
    look: int


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What makes two models the same: tags of another identity are stale."""

    name: str
    weights_sha256: str
    preprocessing: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Which model is in use, as the config calls it, and why; `other` says what would bring another, or is empty."""

    name: str
    why: str
    other: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """A picture with its reading."""

    target: Target
    facts: Facts
    reading: Reading
    features: Features | None = None

    @property
    def stamp(self) -> Stamp:
        """Return the file's stamp. Raises TypeError where it is no file's."""
        return file_of(self.target)


@dataclass(frozen=True, slots=True)
class Known:
    """A file whose content this model has tagged before: the store copies, nothing is inferred.

    `facts` are there where those in the store are of an earlier release, which read less of a picture.
    """

    stamp: Stamp
    sha256: str
    facts: Facts | None = None


class FailureKind(StrEnum):
    """What is wrong with a file that could not be tagged, for whoever must choose by it; people read the reason."""

    UNREADABLE = "unreadable"  # the file cannot be read
    TOO_LARGE = "too large"  # it takes more pixels, frames, memory or time than is allowed, or than there is
    UNSUPPORTED = "unsupported"  # it is no picture in a format that is decoded here
    LEFT_OUT = "left out"  # it is in a format that an extra decodes, and that is not installed
    CORRUPT = "corrupt"  # it is damaged, empty, or claims what no honest picture has
    TIMEOUT = "timeout"  # it had not been decoded when its time was over
    CRASHED = "crashed"  # to decode it ended its process, or made that answer nonsense
    NOT_INFERRED = "not inferred"  # the model failed on it
    INTERRUPTED = "interrupted"  # tagger ends, or cannot start what decodes it: the file is not to blame


@dataclass(frozen=True, slots=True)
class Failed:
    """A picture that could not be tagged: at which stage, why, and whether trying again could help."""

    target: Target
    stage: str
    reason: str
    retryable: bool = False
    kind: FailureKind = FailureKind.CORRUPT

    @property
    def stamp(self) -> Stamp:
        """Return the file's stamp. Raises TypeError where it is no file's."""
        return file_of(self.target)


@dataclass(frozen=True, slots=True)
class Gone:
    """A file that vanished before it was read. Not an error."""

    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Changed:
    """A file that was no longer what its stamp says when it was read: it must settle again."""

    stamp: Stamp


Outcome = Tagged | Known | Failed | Gone | Changed


def _in_64_bits(nanoseconds: int) -> int:
    if -(2**63) <= nanoseconds < 2**63:  # all but always, and asked of every file of every scan
        return nanoseconds
    return 2**63 - 1 if nanoseconds > 0 else -(2**63)


def _names(named: Label | Category) -> tuple[str, ...]:
    plain = named.name.partition(" (")[0]
    return tuple(filter(None, (named.name, named.name_zh, named.key, plain, *named.synonyms)))
