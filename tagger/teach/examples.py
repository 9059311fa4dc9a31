"""What a head learns from: features of examples, which labels each has, and pictures of the library that nobody looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tagger.errors import ConfigError

Vectors = NDArray[np.float32]
Truth = NDArray[np.bool_]

MOST, MOST_BACKGROUND = 20_000, 2000
"""Pictures that are learned from: at 1,280 numbers each, 110 MB."""
_LENGTH = 0.01
"""How far a vector's length may be from 1. Those of float16 are within 0.001."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Features of N examples, of length 1, and their labels.

    The last `light` numbers of a vector are no features, but of light (`heads.light`). `truth` is N×L. A row without a label is a `none` example; with `any` a row may have several labels, else it has one.
    `groups` tells which examples were taken together, such as in one session or on one day: they are judged by what was
    learned of the others. `background` are pictures of the library, of which nobody knows what they show.
    """

    labels: tuple[str, ...]
    vectors: Vectors
    truth: Truth
    background: Vectors
    any: bool = False
    groups: Sequence[str] | None = None
    light: int = 0

    def check(self) -> None:
        """Raise ConfigError where nothing can be learned from them, and say what to do."""
        for what, rows in (("examples", self.vectors), ("background", self.background)):
            _check_numbers(what, rows, self.width - self.light)
        if (
            self.truth.shape != (len(self.vectors), len(self.labels))
            or self.background.shape[1] != self.width
        ):
            raise ValueError("examples, labels and background do not fit together")
        if not self.any and (self.truth.sum(axis=1) > 1).any():
            raise ConfigError("examples", "a picture has two labels", "give it one, or learn with --any")
        if len(self.vectors) > MOST:
            raise ConfigError("examples", f"there are more than {MOST:,}", "leave some out")
        for label, has in zip(self.labels, self.truth.T, strict=True):
            if not has.any():
                raise ConfigError(label, "the label has no example", "give it one, or leave the label out")
        if not len(self.background) and self.truth.all(axis=0).any():
            raise ConfigError(
                self.labels[int(self.truth.all(axis=0).argmax())],
                "there is no picture without the label, so it cannot be told from anything",
                "give examples of none, or a second label, or tag the library with features: true",
            )

    @property
    def width(self) -> int:
        """Return how many numbers a vector has."""
        return int(self.vectors.shape[1])

    @property
    def features(self) -> Vectors:
        """Return the vectors without light."""
        return self.vectors[:, : self.width - self.light]

    @property
    def answers(self) -> Truth:
        """Return what is to be said of each example: its labels, or, where it has one label at most, its class."""
        return self.truth if self.any else np.column_stack([self.truth, ~self.truth.any(axis=1)])

    @property
    def classes(self) -> NDArray[np.intp]:
        """Return the class of each example that has one label at most: that of none is the last."""
        return np.where(self.truth.any(axis=1), self.truth.argmax(axis=1), len(self.labels))

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Examples":
        """Return some of them, with the same background."""
        groups = None if self.groups is None else list(np.asarray(self.groups)[chosen])
        return replace(self, vectors=self.vectors[chosen], truth=self.truth[chosen], groups=groups)

    def and_none(self, background: Vectors) -> "Examples":
        """Return them with this background as examples without a label, each taken by itself."""
        groups = None if self.groups is None else [*self.groups, *map(str, range(len(background)))]
        truth = np.concatenate([self.truth, np.zeros((len(background), len(self.labels)), bool)])
        return replace(self, vectors=np.concatenate([self.vectors, background]), truth=truth, groups=groups)

    def weighed(self, weight: float) -> "Examples":
        """Return them with light that counts so much."""
        scale = np.repeat(np.array((1, weight), np.float32), (self.width - self.light, self.light))
        return replace(self, vectors=self.vectors * scale, background=self.background * scale)


@dataclass(frozen=True, slots=True)
class Aims:
    """What is asked of a head: the part of foreign pictures that may get a label, and what of a label must be found."""

    none_at_most: float = 0.05
    recalls: Mapping[str, float] = field(default_factory=dict)


def _check_numbers(what: str, rows: Vectors, features: int) -> None:
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.linalg.norm(rows[:, :features], axis=1)
    wrong = np.flatnonzero(~((np.abs(lengths - 1) < _LENGTH) & np.isfinite(rows).all(axis=1)))
    if len(wrong):
        raise ConfigError(
            what,
            f"the features of {len(wrong)} pictures are no numbers, or not of length 1; the first is number {wrong[0] + 1}",
            "tag these pictures again: tagger retag",
        )
