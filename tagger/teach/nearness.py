"""How near pictures lie to labels: by the cosine of a picture and the middle of a label's examples.

Most of a library may have the labels and show other scenes than the examples do, of which nothing tells that they are meant. But
they lie as near to the middle of their label's examples as an example lies to the middle of the others, and foreign pictures do
not: of libraries of which 30 to 85 % have the labels (games in other clips, rooms, day and night, weather), this tells which ones
do in 93 to 99 of 100 pairs of a picture that has one and one that has none. Rejected: the nearest example, which says as much, but
not from where on a picture is near, for examples of one scene lie nearer to one another than to any other scene; and what
a regression told from the library says of its pictures (63 to 99, the fewer the more of them have the labels).
"""

import numpy as np
from numpy.typing import NDArray

from tagger.teach.examples import Examples, Vectors

_MOST = 0.95
"""The part of examples that lie at least so near to the others of their label."""
_SINGLE = 0.55
"""How near pictures of a label lie to a single example: half of two that have one label do in the sets of above."""


def middles(examples: Examples) -> Vectors:
    """Return the middle of each label's examples, of length 1: L×F for F features."""
    return _of_length_1(np.stack([examples.features[has].mean(axis=0) for has in examples.truth.T]))


def to_a_label(vectors: Vectors, examples: Examples) -> Vectors:
    """Return how near each picture lies to the label that it is nearest to, from -1 to 1."""
    return np.asarray(
        (vectors[:, : examples.width - examples.light] @ middles(examples).T).max(axis=1, initial=-1),
        np.float32,
    )


def usual(examples: Examples) -> float:
    """Return how near nearly all pictures that have a label lie to it: as examples lie to its others, of other sessions if there are."""
    groups = np.asarray(examples.groups or range(len(examples.vectors)))
    found = [_to_the_others(examples.features[has], groups[has]) for has in examples.truth.T if has.sum() > 1]
    return float(np.quantile(np.concatenate(found), 1 - _MOST)) if found else _SINGLE


def _to_the_others(rows: Vectors, groups: NDArray[np.generic]) -> Vectors:
    names, group = np.unique(groups, return_inverse=True)
    if len(names) == 1:
        group = np.arange(len(rows))
    taken_together = np.zeros((group.max() + 1, rows.shape[1]), np.float32)
    np.add.at(taken_together, group, rows)
    others = _of_length_1(rows.sum(axis=0) - taken_together)
    return np.asarray((rows * others[group]).sum(axis=1), np.float32)


def _of_length_1(rows: Vectors) -> Vectors:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)
