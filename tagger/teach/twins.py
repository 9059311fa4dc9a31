"""Pictures that must not vote twice: nearly the same ones within a label, and the same one under two.

Twins are told by the cosine of their features. From 0.95 on, 37 of 37 pairs of 450 frames of videos look the same (their
thumbnails correlate by 0.88 at least), and so does the one pair of 200 pictures of weather; from 0.93 on, two of three pairs of
the weather are different clouds. Copies that were cropped or scaled otherwise lie near 0.85, where most pairs are none, so
they count as two. Each picture is compared with the first of each kind, not with its neighbours: else a video whose frames
change slowly were one picture. Rejected: to compare the codes of features, which differ by 1 bit in 10 at this angle.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from tagger.teach.examples import Truth, Vectors

ALIKE = 0.95
"""The cosine from which on two pictures are twins."""
_AT_ONCE = 512


def originals(vectors: Vectors, truth: Truth) -> NDArray[np.intp]:
    """Return, for each of N examples, which one stands for it: itself, or an earlier one with the same labels that it is like."""
    stands = np.arange(len(vectors))
    _, kinds = np.unique(truth, axis=0, return_inverse=True)
    for kind in np.unique(kinds):
        chosen = np.flatnonzero(kinds == kind)
        stands[chosen] = chosen[_leaders(vectors[chosen])]
    return stands


def contradictions(labelled: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """Return the contents (sha256) of pairs of content and label that have several labels, each with all of its labels."""
    found: dict[str, set[str]] = {}
    for content, label in labelled:
        found.setdefault(content, set()).add(label)
    return {content: tuple(sorted(labels)) for content, labels in found.items() if len(labels) > 1}


def _leaders(vectors: Vectors) -> NDArray[np.intp]:
    """Return which earlier one each is like, or itself; in memory for some hundred rows of N."""
    leader = np.arange(len(vectors))
    for start in range(0, len(vectors), _AT_ONCE):
        end = min(start + _AT_ONCE, len(vectors))
        first = np.flatnonzero(leader[:end] == np.arange(end))
        alike = vectors[start:end] @ vectors[first].T >= ALIKE
        for at in np.flatnonzero(alike.sum(axis=1) > 1) + start:
            earlier = first[alike[at - start] & (first < at)]
            own = earlier[leader[earlier] == earlier]
            if len(own):
                leader[at] = own[0]
    return leader
