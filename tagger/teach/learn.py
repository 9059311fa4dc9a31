"""A head's numbers for one model, learned of examples.

Examples are scored by what was learned of the others (`folds`), and these scores say how good the head is, from which score on
a label is given, and by what logits are divided. Then it is learned of all, and everything is folded into one matrix and one row.

Pictures of the library stand for none, but for those that lie nearly as near to a label as its examples do (`nearness`):
they probably have it. Where hardly any is left, none is known, and nearness alone tells it (`logistic.fitted`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagger.heads.head import Fit
from tagger.records import ModelIdentity
from tagger.teach import by_light, folds, logistic, nearness, thresholds
from tagger.teach.examples import MOST_BACKGROUND, Aims, Examples, Vectors

_NEARLY = 0.9
"""Of how near the label's own pictures usually lie: the part from which on a picture of the library is left out."""
_FEW = 20
"""Pictures that are too few to tell what a library is like."""
_FAR = 0.1
"""So many, of those that are left out, may lie farther off than the label's own pictures usually do, and have it nonetheless."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Calibrated scores of what was learned of others: of N examples, and of the background that was learned from.

    Both have a column for each label, and one more for none where a picture has one label at most. `known` tells which
    examples were judged at all: not those that are the only one of their label. Logits were divided by `heat`. `least` and
    `maybe` are a head's thresholds; `unsure` is, for each label that must not be missed, the part of clear pictures between them.
    """

    scores: thresholds.Scores
    known: NDArray[np.bool_]
    background: thresholds.Scores
    heat: float
    least: tuple[float, ...]
    maybe: tuple[float, ...]
    unsure: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What was learned of all examples, how each was judged by what was learned of others, and how much `light` counts."""

    fit: Fit
    judged: Judged
    light: float


def learn(examples: Examples, identity: ModelIdentity, aims: Aims) -> Lesson:
    """Return what the examples teach. Raises ConfigError where they teach nothing."""
    examples.check()
    light = by_light.weight(examples, far(examples))
    examples = examples.weighed(light)
    background = far(examples)
    judged = judge(examples, background, aims)
    line = logistic.fitted(examples, background)
    scale = np.float32(1 / judged.heat)
    weights = scale * _unweighed(line.weights, examples.light, light)
    return Lesson(Fit(identity, weights, scale * line.bias, judged.least, judged.maybe), judged, light)


def judge(
    examples: Examples, background: Vectors, aims: Aims, chosen: NDArray[np.bool_] | None = None
) -> Judged:
    """Return how examples are judged by what was learned of others; where some are chosen, of them alone."""
    logits, known, others = _crossed(examples, background, chosen)
    heat = _temperature(examples, logits[known], known, others)
    own, foreign = (thresholds.scores(rows / heat, examples.any) for rows in (logits, others))
    return Judged(own, known, foreign, heat, *_thresholds(examples, own[known], known, foreign, aims))


def far(examples: Examples) -> Vectors:
    """Return the background without what is probably one of the labels.

    Where hardly any is left, it is none of it, or the farther half where several labels may be given and one has all examples.
    """
    background = examples.background[:MOST_BACKGROUND]
    labelled = examples.only(examples.classes < len(examples.labels))
    near = nearness.to_a_label(background, labelled)
    left = near < _NEARLY * nearness.usual(labelled)
    if left.sum() >= max(min(_FEW, len(left)), _FAR * (~left).sum()):
        return background[left]
    count = (len(left) + 1) // 2 if examples.any and examples.truth.all(axis=0).any() else 0
    return background[np.sort(np.argsort(near)[:count])]


def _unweighed(weights: Vectors, count: int, light: float) -> Vectors:
    """Return weights for pictures whose light is not weighed, its last `count` rows; without these where it does not count."""
    features = len(weights) - count
    return np.concatenate([weights[:features], light * weights[features:]]) if light else weights[:features]


def _crossed(
    examples: Examples, background: Vectors, chosen: NDArray[np.bool_] | None
) -> tuple[Vectors, NDArray[np.bool_], Vectors]:
    """Return logits of examples and background, each of what was learned of others, and which examples were judged."""
    parts = folds.dealt(examples)
    own = folds.background_dealt(len(background), len(parts))
    use = np.ones(len(parts), bool) if chosen is None else chosen
    width = len(examples.labels) + (not examples.any)
    logits, others = np.zeros((len(parts), width), np.float32), np.zeros((len(background), width), np.float32)
    for part in np.union1d(parts[parts != folds.ALWAYS], own):
        line = logistic.fitted(examples.only(use & (parts != part)), background[own != part])
        logits[parts == part], others[own == part] = (
            line.of(examples.vectors[parts == part]),
            line.of(background[own == part]),
        )
    return logits, parts != folds.ALWAYS, others


def _temperature(examples: Examples, logits: Vectors, known: NDArray[np.bool_], others: Vectors) -> float:
    truth = examples.answers[known]
    foreign = np.zeros((len(others), truth.shape[1]), bool)
    foreign[:, len(examples.labels) :] = True
    return thresholds.temperature(
        np.concatenate([logits, others]), np.concatenate([truth, foreign]), examples.any
    )


def _thresholds(
    examples: Examples,
    scores: thresholds.Scores,
    known: NDArray[np.bool_],
    foreign: thresholds.Scores,
    aims: Aims,
) -> tuple[tuple[float, ...], tuple[float, ...], dict[str, float]]:
    count = len(examples.labels)
    own, others, truth = scores[:, :count], foreign[:, :count], examples.truth[known]
    labelled = truth.any(axis=1)
    best = np.where(truth, own, 0).max(axis=1, initial=0)
    right = best[labelled & (best >= own.max(axis=1, initial=0))]
    clear = np.concatenate([own[~labelled], others]).max(axis=1, initial=0)
    common = thresholds.least(right, clear, aims.none_at_most)
    recalls, unsure = {}, {}
    for at, label in enumerate(examples.labels):
        if label in aims.recalls:
            without = np.concatenate([own[~truth[:, at], at], others[:, at]])
            recalls[label] = thresholds.recalled(own[truth[:, at], at], without, aims.recalls[label])
            unsure[label] = thresholds.unsure_share(without, *recalls[label])
    return *thresholds.with_recalls(examples.labels, common, recalls), unsure
