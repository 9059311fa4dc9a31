"""How good a head is, told of examples that were judged by what was learned of the others.

An example is right where the head gives it its label, or `none` where it has none. Intervals are Wilson's, of 95 %. Suspects are
examples that the others contradict, and examples that mislead: of pictures that were wrongly given a label, the nearest one
that has it. Rejected: what each example changes of the loss, by the inverse of the second derivative, which takes longer than
learning and names the same pictures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagger.heads.names import NONE
from tagger.teach import folds
from tagger.teach.examples import Aims, Examples, Truth
from tagger.teach.learn import Judged, Lesson, far, judge

_Z = 1.96
_UNEVEN = 3
"""How many times the examples of one label may be those of another."""
_FEW, _GAIN = 5, 0.01
_SUSPECTS = 20
_DOUBTFUL, _MISLEADS = 0.5, 2
_HALVED = 4
_PAIRS = 3
_COMPARED = 2000
"""Mistakes that are looked into."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of `of` pictures, with the interval that it is probably in."""

    value: float
    low: float
    high: float
    of: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """An example, by its number, that looks wrong or harms: how likely the others say that it has its label, or which instead.

    `misleads` counts pictures that were taken for its label and are like it.
    """

    example: int
    label: str
    instead: str
    score: float
    misleads: int


@dataclass(frozen=True, slots=True)
class Recall:
    """Of a label that must not be missed: the parts of its pictures that are flagged or unsure, and of clear ones that are unsure.

    `is_proven` tells whether there are so many examples that the wish could have failed.
    """

    wanted: float
    found: Share
    unsure: float
    is_proven: bool


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is known of a head: `confusion` has a row for what is true, a column for what is said, and none as the last of both.

    `accuracy` and `half`, that with half of the examples, are None where no example could be judged; `foreign` is the part of
    the library's pictures that got a label, None where there were none to try.
    """

    labels: tuple[str, ...]
    examples: Mapping[str, int]
    by_groups: bool
    accuracy: Share | None
    half: Share | None
    per_label: Mapping[str, Share]
    confusion: tuple[tuple[int, ...], ...]
    foreign: Share | None
    suspects: tuple[Suspect, ...]
    uneven: Mapping[str, float]
    recalls: Mapping[str, Recall]
    next: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def wilson(right: int, of: int) -> Share:
    """Return the part that is right, of one picture at least, with the interval of 95 %."""
    part, spread = right / of, _Z**2 / of
    middle = (part + spread / 2) / (1 + spread)
    half = _Z * float(np.sqrt(part * (1 - part) / of + spread / (4 * of))) / (1 + spread)
    return Share(part, max(0.0, middle - half), max(part, min(1.0, middle + half)), of)


def evaluate(examples: Examples, lesson: Lesson, aims: Aims) -> Evaluation:
    """Return how good a head is that was learned of these examples."""
    judged = lesson.judged
    truth, said = examples.truth[judged.known], _said(examples, judged, aims)
    counts = {label: int(has.sum()) for label, has in zip(examples.labels, examples.truth.T, strict=True)}
    confusion = _confusion(truth, said)
    accuracy, half = _right(truth, said), _half(examples, aims)
    uneven = _uneven(counts)
    return Evaluation(
        examples.labels,
        counts | {NONE: int((~examples.truth.any(axis=1)).sum())},
        folds.by_groups(examples),
        accuracy,
        half,
        dict(_per_label(examples.labels, truth, said)),
        confusion,
        _foreign(judged),
        _suspects(examples, judged, said),
        uneven,
        dict(_recalls(examples, judged, aims)),
        tuple(advice(examples.labels, counts, confusion, accuracy, half, uneven)),
    )


def _said(examples: Examples, judged: Judged, aims: Aims) -> Truth:
    """Return the labels that each judged example would get if nothing were unsure: those that must not be missed first."""
    own = judged.scores[judged.known, : len(examples.labels)]
    over: Truth = own >= np.array(judged.least, np.float32)
    if examples.any or not len(own):
        return over
    first = np.array([label in aims.recalls for label in examples.labels])
    best = np.where(over, own + first, -1).argmax(axis=1)
    over &= best[:, np.newaxis] == np.arange(own.shape[1])
    return over


def _right(truth: Truth, said: Truth) -> Share | None:
    return wilson(int((said == truth).all(axis=1).sum()), len(truth)) if len(truth) else None


def _half(examples: Examples, aims: Aims) -> Share | None:
    """Return the accuracy with half of each label's examples; None where that were too few to learn from."""
    if (examples.truth.sum(axis=0) < _HALVED).any():
        return None
    judged = judge(examples, far(examples), aims, _every_second(examples.truth))
    return _right(examples.truth[judged.known], _said(examples, judged, aims))


def _every_second(truth: Truth) -> NDArray[np.bool_]:
    """Return half of the examples of each set of labels, at random."""
    kinds = np.unique(truth, axis=0, return_inverse=True)[1].ravel()
    rng, chosen = np.random.default_rng(0), np.zeros(len(truth), bool)
    for kind in np.unique(kinds):
        own = rng.permutation(np.flatnonzero(kinds == kind))
        chosen[own[: (len(own) + 1) // 2]] = True
    return chosen


def _confusion(truth: Truth, said: Truth) -> tuple[tuple[int, ...], ...]:
    """Return, for each label and for none, how many of its examples are told right, as which other, or as none."""
    true, got = (np.column_stack([rows, ~rows.any(axis=1)]) for rows in (truth, said))
    wrong = got & ~true
    counts = true.T.astype(int) @ wrong.astype(int) + np.diag((true & got).sum(axis=0))
    return tuple(tuple(map(int, row)) for row in counts)


def _per_label(labels: Sequence[str], truth: Truth, said: Truth) -> Iterator[tuple[str, Share]]:
    for label, has, gets in zip(labels, truth.T, said.T, strict=True):
        if has.any():
            yield label, wilson(int(gets[has].sum()), int(has.sum()))


def _foreign(judged: Judged) -> Share | None:
    if not len(judged.background):
        return None
    over = judged.background[:, : len(judged.least)] >= np.array(judged.least, np.float32)
    return wilson(int(over.any(axis=1).sum()), len(over))


def _suspects(examples: Examples, judged: Judged, said: Truth) -> tuple[Suspect, ...]:
    """Return the worst examples first: those that the others contradict, and those that pictures are mistaken for."""
    misleads = _misleads(examples, judged, said)
    found = []
    for at, is_known in enumerate(judged.known):
        label, instead, score = _contradicted(examples, at, judged.scores[at])
        doubted = is_known and score < _DOUBTFUL and label != instead
        if doubted or misleads[at] >= _MISLEADS:
            found.append(
                Suspect(at, label, instead if doubted else "", score if is_known else 1.0, int(misleads[at]))
            )
    return tuple(sorted(found, key=lambda one: one.score - one.misleads)[:_SUSPECTS])


def _contradicted(examples: Examples, at: int, row: NDArray[np.float32]) -> tuple[str, str, float]:
    """Return the label of an example, the one that the others would give it, and the score of its own."""
    names, has = (*examples.labels, NONE), examples.truth[at]
    if not examples.any:
        own = int(examples.classes[at])
        return names[own], names[int(row.argmax())], float(row[own])
    agreed = np.where(has, row, 1 - row)
    worst = int(agreed.argmin())
    pair = (names[worst], NONE) if has[worst] else (NONE, names[worst])
    return *pair, float(agreed[worst])


def _misleads(examples: Examples, judged: Judged, said: Truth) -> NDArray[np.intp]:
    """Count, for each example, mistaken pictures that got a label of its own and are like no other example of it as much."""
    counts = np.zeros(len(examples.vectors), np.intp)
    truth, vectors = examples.truth[judged.known], examples.features[judged.known]
    for at, has in enumerate(examples.truth.T):
        mistaken, own = vectors[said[:, at] & ~truth[:, at]][:_COMPARED], np.flatnonzero(has)
        if len(mistaken):
            np.add.at(counts, own[(mistaken @ examples.features[own].T).argmax(axis=1)], 1)
    return counts


def _uneven(counts: Mapping[str, int]) -> dict[str, float]:
    """Return the labels that have too few examples beside the largest one, and how many times fewer."""
    most = max(counts.values())
    return {label: most / count for label, count in counts.items() if most > _UNEVEN * count}


def _recalls(examples: Examples, judged: Judged, aims: Aims) -> Iterator[tuple[str, Recall]]:
    for at, label in enumerate(examples.labels):
        own = judged.scores[judged.known & examples.truth[:, at], at]
        if label in aims.recalls and len(own):
            wanted = aims.recalls[label]
            found = wilson(int((own >= judged.maybe[at]).sum()), len(own))
            yield label, Recall(wanted, found, judged.unsure[label], len(own) * (1 - wanted) >= 1)


def advice(
    labels: Sequence[str],
    counts: Mapping[str, int],
    confusion: Sequence[Sequence[int]],
    accuracy: Share | None,
    half: Share | None,
    uneven: Mapping[str, float],
) -> Iterator[str]:
    """Yield what to add next, the most useful first, in whole sentences."""
    few = {label: count for label, count in counts.items() if count < _FEW}
    for label, count in few.items():
        yield f"Give {label} more examples: it has {count}, and fewer than {_FEW} say little."
    for label in sorted(uneven.keys() - few.keys()):
        yield f"Give {label} more examples: another label has {uneven[label]:.0f} times as many."
    yield from _confusions((*labels, NONE), confusion)
    if accuracy and half and accuracy.value < 1:
        yield _worth(accuracy.value, half.value)


def _worth(accuracy: float, half: float) -> str:
    if accuracy - half > _GAIN:
        return f"More examples still help: {half:.0%} were right with half of them, {accuracy:.0%} with all."
    return f"More of the same helps little: with half of them {half:.0%} were right, too."


def _confusions(names: Sequence[str], confusion: Sequence[Sequence[int]]) -> Iterator[str]:
    pairs = [
        (row[to], names[at], names[to])
        for at, row in enumerate(confusion)
        for to in range(len(row))
        if to != at
    ]
    for count, given, taken in sorted(pairs, key=lambda pair: -pair[0])[:_PAIRS]:
        if count >= _MISLEADS:
            yield _confused(count, given, taken)


def _confused(count: int, given: str, taken: str) -> str:
    if taken == NONE:
        return f"Add pictures of {given} that look otherwise than its others: {count} got no label."
    if given == NONE:
        return f"Add pictures without a label that look like {taken}: {count} were taken for it."
    return f"Add pictures of {given} that look like {taken}: {count} were taken for it."
