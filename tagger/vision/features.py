"""What a picture looks like to the model, in a form that is stored and compared.

The vector, scaled to length 1, is for exact comparison: the scalar product of two is the cosine of their angle. The
code is for finding candidates among millions: each bit tells on which side of a random plane the vector lies, so the
share of bits in which two codes differ is, on average, their angle as a part of a half turn. The planes are the same
everywhere and for ever, whatever numpy comes: `RandomState` promises that. Rejected: a bit for each of the model's
numbers, above their mean or not, which finds three quarters of what these find among a hundred candidates.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tagger.records import Features

BITS = 512
"""Of a code, however many numbers the model's features have."""
_LOOK = 8
"""Bytes of a code that are the look."""


def features_of(rows: NDArray[np.float32], counts: Sequence[int]) -> list[Features | None]:
    """N×F features of frames → those of pictures, which have so many frames each: the mean, scaled to length 1.

    None where they are no numbers, or all zero: of such a picture nothing can be said.
    """
    sums = np.add.reduceat(rows, np.cumsum([0, *counts[:-1]]), dtype=np.float32)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        units = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        sides = units @ _planes(units.shape[1]) > 0
    codes, vectors = np.packbits(sides, axis=1), units.astype(np.float16)
    return [
        _features(vector, code) if np.isfinite(vector).all() else None
        for vector, code in zip(vectors, codes, strict=True)
    ]


def _features(vector: NDArray[np.float16], code: NDArray[np.uint8]) -> Features:
    text = code.tobytes()
    return Features(vector.tobytes(), text, int.from_bytes(text[:_LOOK], "big", signed=True))


@cache
def _planes(width: int) -> NDArray[np.float32]:
    """F×BITS: the planes' normals."""
    return np.random.RandomState(0).standard_normal((width, BITS)).astype(np.float32)
