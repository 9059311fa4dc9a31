"""From which score on a label is given, found of scores that pictures got from what was learned of others.

Scores are logits divided by a temperature, by which the right answers are likeliest. A label is given where few foreign
pictures score as high, and from 0.5 on at the latest: but not at less than nearly all of the known pictures score, since
foreign pictures of another sort than the background score higher than it does.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tagger.teach.examples import Truth, Vectors

_TEMPERATURES = np.geomspace(0.1, 4, 60)
_SURE, _UNKNOWN = 0.5, 0.02
"""Scores from which on a label is given at the latest: where known pictures tell so, and where each label has one example."""
_LOST = 0.05
"""The part of known pictures that may lose their label to foreign ones that are like none of the background."""
Scores = NDArray[np.float32]


def scores(logits: Vectors, any_: bool) -> Scores:
    """Return N×C scores of logits, as a head does."""
    if any_:
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -80, 80))), np.float32)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def temperature(logits: Vectors, truth: Truth, any_: bool) -> float:
    """Return by what to divide logits, so that N×C truth is likeliest and all classes weigh the same.

    Few pictures, or none, leave it near 1.
    """
    losses = _losses(logits, truth, any_)
    held = np.log(_TEMPERATURES) ** 2 / (1 + len(logits))
    return float(_TEMPERATURES[int(np.argmin(losses + held))])


def least_loss(logits: Vectors, truth: Truth, any_: bool) -> float:
    """Return how unlikely N×C truth is at the best temperature."""
    return min(_losses(logits, truth, any_))


def _losses(logits: Vectors, truth: Truth, any_: bool) -> list[float]:
    weights = 1 / np.maximum(truth.sum(axis=0), 1)
    return [_loss(scores(logits / one, any_), truth, weights, any_) for one in _TEMPERATURES]


def _loss(found: Scores, truth: Truth, weights: NDArray[np.float64], any_: bool) -> float:
    right = np.where(truth, found, 1 - found) if any_ else found
    logs = np.log(np.clip(right, 1e-6, 1))
    if any_:
        return float(-logs.mean()) if len(logs) else 0.0
    each = truth * weights
    return float(-(logs * each).sum() / max(each.sum(), 1e-9))


def least(known: Scores, foreign: Scores, at_most: float) -> float:
    """Return the score from which on labels are given: of the best label of known pictures, and of foreign ones."""
    enough = _above(foreign, at_most)
    usual = float(np.quantile(known, _LOST)) if len(known) else _UNKNOWN
    return max(enough, min(_SURE, usual))


def recalled(own: Scores, clear: Scores, recall: float) -> tuple[float, float]:
    """Return from which scores on a picture is flagged, and is unsure, so that the label's own pictures are not missed.

    Below the second one lies so small a part of its pictures, and above the first one so small a part of the clear ones.
    """
    if not len(own):
        return _SURE, 0.0
    missed = int(np.floor((1 - recall) * len(own) + 1e-9))
    maybe = float(np.sort(own)[missed])
    return max(_above(clear, 1 - recall), maybe), maybe


def _above(found: Scores, at_most: float) -> float:
    """Return the lowest score that at most such a part of them reaches."""
    if not len(found):
        return 0.0
    passed = int(np.floor(at_most * len(found) + 1e-9))
    over = np.sort(found)[::-1]
    return min(float(np.nextafter(over[passed], np.float32(2))), 1.0) if passed < len(over) else 0.0


def unsure_share(clear: Scores, least_: float, maybe: float) -> float:
    """Return the part of clear pictures that people must look at."""
    return float(((clear >= maybe) & (clear < least_)).mean()) if len(clear) else 0.0


def with_recalls(
    labels: Sequence[str], common: float, recalls: Mapping[str, tuple[float, float]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return all labels' thresholds: the common one but for labels that must not be missed."""
    both = [recalls.get(label, (common, common)) for label in labels]
    return tuple(one for one, _ in both), tuple(one for _, one in both)
