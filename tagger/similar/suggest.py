"""Which pictures' labels would teach a head most: those of which it is unsure, and that are unlike one another and the examples.

How unsure a head is, is how near its best two answers are. Of the most unsure pictures the first is taken, then again and again
the one that has most of both: unsure, and far from all examples and all that were taken. Rejected: the most unsure alone, which
are the same scene many times.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tagger.heads.head import Fit, Head
from tagger.records import ModelIdentity
from tagger.store.core.database import Database
from tagger.store.tags import examples
from tagger.store.tags.examples import StoredPicture, numbers

LOOKED_AT = 20_000
"""Pictures, chosen at random, among which the most telling are looked for: some seconds, and 200 MB."""
_SPARE = 20
"""So many times the pictures that are wanted are looked at for being unlike one another."""


def suggested(
    database: Database, head: Head, readers: Mapping[ModelIdentity, Sequence[str]], most: int
) -> list[StoredPicture]:
    """Return the library's pictures whose label would teach most, the most telling first; examples are none of them.

    `readers` are the models that read the pictures, each with the names of its sources.
    """
    pictures: list[StoredPicture] = []
    doubt = [np.zeros(0, np.float32)]
    taught: list[bytes] = []
    with database.read() as connection:
        known = {one.sha256 for one in examples.of(connection, head.name)}
        for identity, fit in ((one, fit) for one in readers if (fit := head.fit_for(one))):
            some = examples.some(connection, identity, readers[identity], LOOKED_AT // len(readers))
            new = [one for one in _once(some, fit) if one.sha256 not in known]
            pictures += new
            doubt.append(_doubts(head, fit, new))
            taught += examples.vectors(connection, identity, list(known)).values()
    if not pictures:
        return []
    vectors = numbers([one.vector for one in pictures])
    its = [one for one in taught if len(one) == 2 * vectors.shape[1]]
    given = numbers(its).reshape(-1, vectors.shape[1])
    return [pictures[at] for at in chosen(np.concatenate(doubt), vectors, given, most)]


def _once(pictures: Iterable[StoredPicture], fit: Fit) -> list[StoredPicture]:
    """Return one picture of each content, of those that have as many numbers as the head knows."""
    its = {one.sha256: one for one in pictures if len(one.vector) == 2 * len(fit.weights)}
    return list(its.values())


def _doubts(head: Head, fit: Fit, pictures: Sequence[StoredPicture]) -> NDArray[np.float32]:
    if not pictures:
        return np.zeros(0, np.float32)
    return doubts(head.scores(fit, numbers([one.vector for one in pictures])), head.any)


def doubts(scores: NDArray[np.float32], any_: bool) -> NDArray[np.float32]:
    """Return how unsure N×C scores of pictures are, from 0 to 1."""
    if any_ or scores.shape[1] == 1:
        return np.asarray(1 - 2 * np.abs(scores - 0.5).min(axis=1), np.float32)
    best = np.sort(scores, axis=1)[:, ::-1]
    return np.asarray(1 - (best[:, 0] - best[:, 1]), np.float32)


def chosen(
    doubt: NDArray[np.float32], vectors: NDArray[np.float32], known: NDArray[np.float32], most: int
) -> Iterator[int]:
    """Yield which pictures to ask for, the most telling first. `known` are the features of examples; all have length 1."""
    likely = np.argsort(-doubt, kind="stable")[: _SPARE * most]
    rows, worth = vectors[likely], doubt[likely]
    nearest = (rows @ known.T).max(axis=1) if len(known) else np.zeros(len(rows), np.float32)
    left = np.ones(len(rows), bool)
    for _ in range(min(most, len(rows))):
        at = int(np.where(left, worth * (1 - nearest), -1).argmax())
        left[at] = False
        nearest = np.maximum(nearest, rows @ rows[at])
        yield int(likely[at])
