"""A head: a user's own labels, told from the features that a model gives of a picture anyway.

For each model, and each way in which it crops pictures, a head has one matrix and one row (`Fit`): a picture's features,
scaled to length 1, and its light, times the one and plus the other, are the logits of its labels. Whatever learning did besides, such as
to centre features or to calibrate scores, is folded into these numbers, so that a picture costs one product.

A head of one label a picture has one class more, of pictures that show none of them, and its scores are shares of 1. A
head of `any` labels has a score for each, from 0 to 1. Below its label's threshold, a score says nothing: the picture
has the label `none`, or `unsure` where the head was taught to tell what people should look at.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagger.heads import light
from tagger.heads.names import CLEAR, FLAGGED, NONE, UNSURE
from tagger.records import Label, ModelIdentity, Tagged


@dataclass(frozen=True, slots=True)
class HeadTag:
    """What a head says of a picture: one of its labels' names, or `none` or `unsure`. `score` is a probability (0–1)."""

    label: str
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What a head learned of the features of one model, whose crop is a part of its identity.

    `weights` are F×C and `bias` C, float32; C is the number of labels, and one more for none where a picture has one label.
    F counts features, and the numbers of light behind them where it goes by light (`light`).
    `least` are the scores from which on each label is given, and `maybe` those from which on a picture is `unsure` of it;
    the two are equal but for a label that must not be missed.
    """

    identity: ModelIdentity
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    least: tuple[float, ...]
    maybe: tuple[float, ...]

    def reads(self, vector: bytes) -> bytes:
        """Return the part of a lit vector that it goes by; empty where the features are another model's."""
        size = 2 * len(self.weights)
        return vector[:size] if len(vector) in (size, size + light.SIZE) else b""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The user's own labels, by the name that the config calls them.

    `labels` are names, in the order of the classes, and `names_zh` what they are called in Chinese, where they are.
    `examples` are the sha256 of the pictures that it learned from, by label; `report` is how well it does, as
    `teach` tells it (JSON). `recalls` are the parts of a label's pictures that must not be missed, where that was asked for.
    """

    name: str
    labels: tuple[str, ...]
    any: bool
    fits: tuple[Fit, ...]
    learned_at: datetime
    sha256: str = ""
    names_zh: Mapping[str, str] = field(default_factory=dict)
    recalls: Mapping[str, float] = field(default_factory=dict)
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)

    def fit_for(self, identity: ModelIdentity) -> Fit | None:
        """Return what was learned of this model's features; None where it was taught for others."""
        return next((fit for fit in self.fits if fit.identity == identity), None)

    def label(self, name: str) -> Label:
        """Return one of its labels, or `none` or `unsure`, as the database has it: its key is `head/name`."""
        return Label(key_of(self.name, name), name, self.names_zh.get(name, ""))

    def state(self, label: str) -> str | None:
        """Return what people who must not miss a label are to do about a picture of this one; None where nobody asked for that."""
        if label in self.recalls or label == UNSURE:
            return FLAGGED if label in self.recalls else UNSURE
        return CLEAR if self.recalls else None

    def tags(self, fit: Fit, vectors: NDArray[np.float32]) -> list[tuple[HeadTag, ...]]:
        """Return what is said of N×F numbers that `Fit.reads` gave: the labels of each picture, best first, `unsure`, or `none`.

        A label that must not be missed comes before a better one.
        """
        scores = self.scores(fit, vectors)
        return [self._given(fit, row) for row in scores.tolist()]

    def scores(self, fit: Fit, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return N×C scores of N×F numbers. Where a picture has one label, the last class is `none`."""
        logits = vectors @ fit.weights + fit.bias
        if self.any:
            return np.asarray(1 / (1 + np.exp(-np.clip(logits, -80, 80))), np.float32)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)

    def _given(self, fit: Fit, row: Sequence[float]) -> tuple[HeadTag, ...]:
        """A doubt whether a picture has a label that must not be missed comes before labels that it has for sure."""
        each = list(zip(self.labels, row, fit.least, fit.maybe, strict=False))
        over = sorted(
            [(label in self.recalls, score, label) for label, score, least, _ in each if score >= least],
            key=_first,
        )
        doubted = [score for _, score, least, maybe in each if maybe <= score < least]
        tags = [HeadTag(label, score) for _, score, label in over]
        if doubted and not any(must_not_be_missed for must_not_be_missed, _, _ in over):
            tags.insert(0, HeadTag(UNSURE, max(doubted)))
        if tags:
            return tuple(tags if self.any else tags[:1])
        return (HeadTag(NONE, 1 - max(row[: len(self.labels)])),)


def key_of(head: str, label: str) -> str:
    """Return the key of a head's label in the database."""
    return f"{head}/{label}"


def said_of(picture: Tagged, heads: Iterable[tuple[Head, Fit]]) -> list[tuple[Head, HeadTag]]:
    """Return all that heads say of a picture; nothing where it has no features."""
    if picture.features is None:
        return []
    vector = light.lit(picture.features, picture.facts.health)
    each = [(head, fit, fit.reads(vector)) for head, fit in heads]
    return [(head, tag) for head, fit, read in each if read for tag in head.tags(fit, numbers([read]))[0]]


def numbers(vectors: Sequence[bytes]) -> NDArray[np.float32]:
    """Return vectors of float16 numbers, all of one length, as N×F."""
    stored = np.frombuffer(b"".join(vectors), np.float16).astype(np.float32)
    return stored.reshape(len(vectors), -1) if vectors else stored.reshape(0, 0)


def _first(found: tuple[bool, float, str]) -> tuple[bool, float]:
    must_not_be_missed, score, _ = found
    return not must_not_be_missed, -score
