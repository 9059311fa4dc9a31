"""What changes for whoever searches, if another model tags the same pictures: told before one switches."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tagger.records import Reading

Scores = Mapping[str, float]
"""By the name of a label or category."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How many of the pictures pass a name's threshold with each model, and how many with the other one only."""

    name: str
    before: int
    after: int
    gained: int
    lost: int


@dataclass(frozen=True, slots=True)
class Difference:
    """How much two models differ on the same `pictures`. Fractions are 0–1.

    `same_top` have the same best label; `overlap` is the mean part of the first's labels above their thresholds that
    the second has above them too, None where the first has none.
    """

    pictures: int
    same_top: float
    overlap: float | None
    labels: tuple[Shift, ...]
    categories: tuple[Shift, ...]


def difference(
    before: Sequence[Reading], after: Sequence[Reading], threshold: Callable[[str], float]
) -> Difference:
    """Return what the second model changes. `threshold` gives the score from which on a name counts.

    Shifts are by size, the largest first; unmoved are left out.
    """
    pairs = [(_labels(one), _labels(other)) for one, other in zip(before, after, strict=True)]
    same = sum(_top(one) == _top(other) for one, other in zip(before, after, strict=True))
    passing = [(_passing(one, threshold), _passing(other, threshold)) for one, other in pairs]
    sums = [(dict(one.categories), dict(other.categories)) for one, other in zip(before, after, strict=True)]
    grouped = [(_passing(one, threshold), _passing(other, threshold)) for one, other in sums]
    return Difference(
        len(pairs), same / max(len(pairs), 1), _overlap(passing), _shifts(passing), _shifts(grouped)
    )


def _labels(reading: Reading) -> Scores:
    return {tag.label.name: tag.score for tag in reading.tags}


def _top(reading: Reading) -> str:
    return reading.tags[0].label.key if reading.tags else ""


def _passing(scores: Scores, threshold: Callable[[str], float]) -> frozenset[str]:
    return frozenset(name for name, score in scores.items() if score >= threshold(name))


def _overlap(passing: Iterable[tuple[frozenset[str], frozenset[str]]]) -> float | None:
    parts = [len(one & other) / len(one) for one, other in passing if one]
    return sum(parts) / len(parts) if parts else None


def _shifts(passing: Sequence[tuple[frozenset[str], frozenset[str]]]) -> tuple[Shift, ...]:
    befores, afters, gained, lost = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for one, other in passing:
        befores.update(one)
        afters.update(other)
        gained.update(other - one)
        lost.update(one - other)
    moved = sorted(gained | lost, key=lambda name: (-gained[name] - lost[name], name))
    return tuple(Shift(name, befores[name], afters[name], gained[name], lost[name]) for name in moved)
