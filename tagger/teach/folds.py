"""Which examples are judged together, by what was learned of the others.

What was taken together is judged together: neighbouring frames of a video are so alike that a head which saw the one knows the
other, and would look better than it is. Where all of a label was taken together, that says nothing of it, and each example is
on its own.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagger.teach.examples import Examples

MANY = 2000
"""Examples from which on two parts do, since for each part all others are learned from."""
ALWAYS = -1
"""The part of an example that is never judged, for it is the only one of its label."""


def by_groups(examples: Examples) -> bool:
    """Return whether examples are judged by sessions: where there are any, and each label has two at least."""
    if examples.groups is None:
        return False
    groups = np.asarray(examples.groups)
    return all(len(np.unique(groups[has])) > 1 for has in examples.truth.T)


def dealt(examples: Examples) -> NDArray[np.intp]:
    """Return the part that each example is judged with: from 0, and ALWAYS for the only one of its label."""
    own = examples.groups if by_groups(examples) and examples.groups is not None else None
    part = _dealt(
        _kinds(examples),
        own or [str(at) for at in range(len(examples.vectors))],
        _count(len(examples.vectors)),
    )
    single = examples.truth.sum(axis=0) == 1
    part[examples.truth[:, single].any(axis=1)] = ALWAYS
    return part


def background_dealt(pictures: int, examples: int) -> NDArray[np.intp]:
    """Return the part that each picture of the background is judged with, beside so many examples: at random."""
    return np.random.default_rng(0).permutation(pictures) % _count(examples)


def _count(examples: int) -> int:
    return 2 if examples > MANY else 5


def _kinds(examples: Examples) -> NDArray[np.intp]:
    return np.asarray(np.unique(examples.truth, axis=0, return_inverse=True)[1]).ravel()


def _dealt(kinds: NDArray[np.intp], groups: Sequence[str], count: int) -> NDArray[np.intp]:
    """Return parts of which each has its share of each kind, as far as groups allow: the largest go first."""
    names, group, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    held = np.zeros((len(names), kinds.max() + 1), np.int64)
    np.add.at(held, (group, kinds), 1)
    order = np.random.default_rng(0).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    full, part = np.zeros((count, held.shape[1])), np.zeros(len(names), np.intp)
    for at in order:
        there = held[at] > 0
        load = full[:, there].sum(axis=1) + full.sum(axis=1) / (1 + full.sum())
        part[at] = load.argmin()
        full[part[at]] += held[at]
    return part[group]
