"""How good a network is, on pictures that neither taught it nor said when to stop."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Z = 1.959964
"""95 % of a normal distribution lie within so many deviations."""
_WORST = 5
_TEMPERATURES = np.geomspace(0.5, 5, 47)
"""Those that are tried. A few dozen pictures, all right, would ask for ever smaller ones."""

Logits = NDArray[np.float32]
Truth = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TestResult:
    """`confusion` counts pictures: a row for what they show, a column for what the network says, in the labels' order.

    Those of the labels in `of_one_look` look nearly like some that taught it.
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    of_one_look: Sequence[str] = ()

    @classmethod
    def of(
        cls, labels: Sequence[str], logits: Logits, truth: Truth, of_one_look: Sequence[str] = ()
    ) -> "TestResult":
        """Return the result of what was said of pictures whose labels are known."""
        confusion = np.zeros((len(labels), len(labels)), np.int64)
        np.add.at(confusion, (truth, logits.argmax(1)), 1)
        return cls(tuple(labels), confusion, of_one_look)

    def lines(self) -> Iterator[str]:
        """Yield it in words, to be printed."""
        right, count = int(self.confusion.trace()), int(self.confusion.sum())
        low, high = interval(right, count)
        yield f"right: {right / count:.1%} (between {low:.0%} and {high:.0%}) of {count:,} different pictures that it did not learn from"
        yield from self._label_lines()
        yield from (f"  {count} of {label} are taken for {other}" for count, label, other in self._worst())

    def _label_lines(self) -> Iterator[str]:
        wide = max(map(len, self.labels))
        for at, label in enumerate(self.labels):
            own, of = int(self.confusion[at, at]), int(self.confusion[at].sum())
            if of:
                low, high = interval(own, of)
                seen = ", and it learned from some that look the same" if label in self.of_one_look else ""
                yield f"  {at + 1:>4} {label:{wide}}  {own / of:>4.0%} of {of} (between {low:.0%} and {high:.0%}){seen}"

    def _worst(self) -> list[tuple[int, str, str]]:
        wrong = self.confusion - np.diag(self.confusion.diagonal())
        order = np.argsort(-wrong, axis=None, kind="stable")[:_WORST]
        places = (divmod(int(at), len(self.labels)) for at in order)
        return [
            (int(wrong[row, column]), self.labels[row], self.labels[column])
            for row, column in places
            if wrong[row, column]
        ]


def interval(right: int, of: int) -> tuple[float, float]:
    """Return between what the true part lies, of which `right` of so many were seen: Wilson's interval, of 95 %."""
    part, z = right / of, _Z**2 / of
    middle, half = part + z / 2, _Z * math.sqrt(part * (1 - part) / of + z / (4 * of))
    return max(0.0, (middle - half) / (1 + z)), min(1.0, (middle + half) / (1 + z))


def temperature(logits: Logits, truth: Truth) -> float:
    """Return the number that logits are to be divided by, so that the true labels of these pictures are likeliest."""
    return round(float(min(_TEMPERATURES, key=lambda one: _surprise(logits / one, truth))), 2)


def _surprise(logits: NDArray[np.floating], truth: Truth) -> float:
    shifted = logits - logits.max(1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(truth)), truth]).mean())
