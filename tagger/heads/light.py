"""A picture's light, as numbers behind its features. Both together are its lit vector, of which a head tells its labels.

Networks learn to see what is there in any light, so their features hardly keep it. But health is measured of each picture anyway,
and where labels differ in light, it tells them: of day and night, with 5 examples each, 96 in place of 87 % are right. Where labels
do not, the same numbers mislead; so learning weighs them, and may leave them out (`teach.by_light`).

Rejected: a table of its own, since the numbers are there, and a finer look at the light, which would be one more pass.
"""

from collections.abc import Sequence
from math import isnan
from struct import pack

from tagger.records import Features, Health

LIGHT = ("brightness", "contrast", "sharpness", "colourfulness", "flatness")
"""The numbers of `Health`, and the columns of `file`, in their order."""
SIZE = 2 * len(LIGHT)
"""Bytes of them behind a vector: float16, as features are."""
_USUAL, _SPREAD = (0.45, 0.2, 0.29, 40, 0.12), (0.2, 0.07, 0.11, 27, 0.17)
"""Mean and standard deviation of 1,640 pictures: games, rooms, cameras, weather, weapons, and photos of anything."""
_MOST = 3.0
"""Deviations from what is usual, at the most: else one odd number would outweigh all features."""


def with_light(vector: bytes, light: Sequence[float | None]) -> bytes:
    """Return the lit vector of features (float16) and numbers of light, in the order of LIGHT; what is not known is as usual.

    It is empty where there are no features.
    """
    if not vector:
        return b""
    return vector + pack(f"={len(LIGHT)}e", *map(_told, light, _USUAL, _SPREAD))


def _told(number: float | None, usual: float, spread: float) -> float:
    if number is None or isnan(number):
        return 0.0
    return max(-_MOST, min(_MOST, (number - usual) / spread))


def lit(features: Features, health: Health | None) -> bytes:
    """Return the lit vector of a picture that was just looked at."""
    return with_light(features.vector, [getattr(health, name, None) for name in LIGHT])


def features_alone(vector: bytes) -> bytes:
    """Return the features of a lit vector."""
    return vector[:-SIZE]
