"""Was a picture taken outdoors? Told by what an ImageNet-1k model sees in it: a lawn mower is rarely in a kitchen.

A weight for each class times the logarithm of its probability, summed up: a logistic regression, learned by
`tools.indoor_outdoor` from labelled pictures. The weights add up to 0, so that neither how sure a model is of itself nor what
classes it has besides moves the sum: they hold for every model with ImageNet-1k's classes.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tagger.records import Label
from tagger.vision.labels import DATA

TABLE = DATA / "outdoor.tsv"
"""Lines of a class's WordNet id and its weight; BIAS stands for what is added to the sum."""
BIAS = "bias"
LEAST = 1e-6
"""Probabilities below this count as this: how far below says more of a model's arithmetic than of the picture."""


class Outdoor:
    """What a model with these labels can tell."""

    def __init__(self, labels: Sequence[Label]) -> None:
        weights = dict(_table())
        self._bias = weights.pop(BIAS)
        at = {label.key: index for index, label in enumerate(labels)}
        self._can_tell = weights.keys() <= at.keys()
        self._classes = np.array([at[key] for key in weights if self._can_tell], int)
        self._weights = np.array(list(weights.values()))

    def probability(self, rows: NDArray[np.float32]) -> float | None:
        """Return how probably a picture was taken outdoors, from its probabilities, a row for each frame; None where the model lacks classes of ImageNet-1k."""
        if not self._can_tell:
            return None
        seen = np.log(np.maximum(rows.mean(axis=0)[self._classes], LEAST))
        return 1 / (1 + math.exp(-float(self._weights @ seen) - self._bias))


@cache
def _table() -> tuple[tuple[str, float], ...]:
    lines = (line.split("\t") for line in TABLE.read_text("utf-8").splitlines())
    return tuple((key, float(weight)) for key, weight in lines)
