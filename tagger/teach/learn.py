"""A head's numbers for one model, learned of examples.

Examples are scored by what was learned of the others (`folds`), and these scores say how good the head is, from which score on
a label is given, and by what logits are divided. Then it is learned of all, and everything is folded into one matrix and one row.

Pictures of the library stand for none. Those that lie as near to an example as examples of its label do to one another
probably have the label, and are left out. In a library of which a third has the labels, that brings foreign pictures that get
a label from 5.3 to 0.4 % (day and night, 5 examples each, 90 % of known ones kept); where none has, it costs nothing. As half
of the pictures that have a label lie nearer to an example than the median, twice as many as do are left out at least: of a library
of which six in ten have the labels, with 20 examples each, 93 in place of 76 % get the right one (games), 95 of 75 (day and
night) and 93 of 88 (rooms), and 3 to 7 % of foreign pictures get one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagger.heads.head import Fit
from tagger.records import ModelIdentity
from tagger.teach import folds, logistic, thresholds
from tagger.teach.examples import MOST_BACKGROUND, Aims, Examples, Truth, Vectors

_NEAR = 0.9
"""Of the cosine between an example and the next of its label: the part from which on a picture of the library is as near."""
_FEW = 20
"""Pictures that are too few to tell what a library is like."""
_ENOUGH = 500
"""Examples of a label that tell how near they lie to one another."""
_AT_ONCE = 512


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
    """What was learned of all examples, and how each was judged by what was learned of others."""

    fit: Fit
    judged: Judged


def learn(examples: Examples, identity: ModelIdentity, aims: Aims) -> Lesson:
    """Return what the examples teach. Raises ConfigError where they teach nothing."""
    examples.check()
    background = far(examples)
    judged = judge(examples, background, aims)
    line = logistic.fitted(examples, background)
    scale = np.float32(1 / judged.heat)
    return Lesson(Fit(identity, scale * line.weights, scale * line.bias, judged.least, judged.maybe), judged)


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

    Where hardly any is left, it is none of it, or the farther half where a label can be told from nothing else.
    """
    background = examples.background[:MOST_BACKGROUND]
    labelled = examples.only(examples.classes < len(examples.labels))
    if not len(background):
        return background
    nearest, cosine = _nearest(background, labelled.vectors)
    beyond = cosine / _usual(labelled)[nearest]
    order, likely = np.argsort(beyond), 2 * int((beyond >= 1).sum())
    count = min(int((beyond < _NEAR).sum()), len(background) - likely)
    if count < min(_FEW, len(background)):
        count = len(background) // 2 + 1 if examples.truth.all(axis=0).any() else 0
    return background[np.sort(order[:count])]


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
    truth = _with_none(examples.truth[known], examples.any)
    foreign = _with_none(np.zeros((len(others), len(examples.labels)), bool), examples.any)
    return thresholds.temperature(
        np.concatenate([logits, others]), np.concatenate([truth, foreign]), examples.any
    )


def _with_none(truth: Truth, any_: bool) -> Truth:
    return truth if any_ else np.column_stack([truth, ~truth.any(axis=1)])


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


def _nearest(rows: Vectors, examples: Vectors) -> tuple[NDArray[np.intp], Vectors]:
    """Return which example each row is nearest to, and their cosine."""
    nearest, cosine = np.zeros(len(rows), np.intp), np.zeros(len(rows), np.float32)
    for start in range(0, len(rows), _AT_ONCE):
        cosines = rows[start : start + _AT_ONCE] @ examples.T
        nearest[start : start + _AT_ONCE] = cosines.argmax(axis=1)
        cosine[start : start + _AT_ONCE] = cosines.max(axis=1)
    return nearest, cosine


def _usual(labelled: Examples) -> Vectors:
    """Return for each example the median cosine, within its label, of an example and the next one."""
    found = np.full(len(labelled.vectors), np.nan, np.float32)
    for has in labelled.truth.T:
        own = np.flatnonzero(has)[:_ENOUGH]
        if len(own) > 1:
            cosines = labelled.vectors[own] @ labelled.vectors[own].T
            np.fill_diagonal(cosines, -1)
            found[has] = np.median(cosines.max(axis=1))
    usual = np.nanmedian(found) if np.isfinite(found).any() else 1.0
    return np.where(np.isfinite(found), found, np.float32(usual))
