"""How far two engines say the same of the same pictures: what a smaller or faster one must show."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEAR = 0.03
"""Two labels this near to each other in score are a toss-up: an engine that takes the other one is not wrong."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Fractions of `pictures` (0-1): `agreeing` counts toss-ups as the same, `same_top1` does not."""

    agreeing: float
    same_top1: float
    pictures: int


def untempered(rows: NDArray[np.float32], temperature: float | None) -> NDArray[np.float32]:
    """Return probabilities, N×C, as they were before their logits were divided by the temperature.

    NEAR is a distance of those: a temperature below 1 draws scores apart, and would make of a toss-up a disagreement.
    """
    raised: NDArray[np.float32] = rows ** np.float32(temperature or 1)
    found: NDArray[np.float32] = raised / raised.sum(axis=1, keepdims=True)
    return found


def agreement(reference: NDArray[np.float32], other: NDArray[np.float32]) -> Agreement:
    """Return how far two engines agree, by their probabilities, N×C each; how near two labels are is judged by the reference."""
    rows, ours, theirs = np.arange(len(reference)), reference.argmax(axis=1), other.argmax(axis=1)
    same = ours == theirs
    near = reference[rows, ours] - reference[rows, theirs] <= NEAR
    return Agreement(float((same | near).mean()), float(same.mean()), len(reference))
