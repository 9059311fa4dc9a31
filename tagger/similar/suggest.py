"""Which pictures' labels would teach a head most: those of which it is unsure, and that are unlike one another and the examples.

How unsure a head is, is how near its best two answers are. Of the most unsure pictures the first is taken, then again and again
the one that has most of both: unsure, and far from all examples and all that were taken. Rejected: the most unsure alone, which
are the same scene many times.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagger.heads.head import Head, numbers
from tagger.heads.light import features_alone
from tagger.records import ModelIdentity
from tagger.store.core.database import Database
from tagger.store.tags import examples
from tagger.store.tags.examples import StoredPicture

LOOKED_AT = 20_000
"""Pictures, chosen at random, among which the most telling are looked for: some seconds, and 200 MB."""
_SPARE = 20
"""So many times the pictures that are wanted are looked at for being unlike one another."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A picture to be labelled. `label` is the head's likeliest one, empty where it has not learned yet."""

    id: int
    sha256: str
    path: str
    label: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """Of how many pictures, chosen at random, the most telling are suggested; another `seed` chooses others."""

    most: int = LOOKED_AT
    seed: int = 0


def suggested(
    database: Database,
    head: Head,
    readers: Mapping[ModelIdentity, Sequence[str]],
    most: int,
    among: Candidates = Candidates(),
) -> list[Suggestion]:
    """Return the library's pictures whose label would teach most, the most telling first; examples are none of them.

    `readers` are the models that read the pictures, each with the names of its sources.
    """
    fits = {one: fit for one in readers if (fit := head.fit_for(one))}
    pictures: list[Suggestion] = []
    vectors: list[bytes] = []
    doubt = [np.zeros(0, np.float32)]
    for identity, fit in fits.items():
        some = _unlabelled(database, head.name, identity, readers[identity], among, len(readers))
        new = [one for one in some if fit.reads(one.vector)]
        if new:
            scores = head.scores(fit, numbers([fit.reads(one.vector) for one in new]))
            best = scores[:, : len(head.labels)].argmax(axis=1).tolist()
            pictures += (_suggestion(one, head.labels[at]) for one, at in zip(new, best, strict=True))
            vectors += (features_alone(one.vector) for one in new)
            doubt.append(doubts(scores, head.any))
    order = _order(database, head.name, fits, vectors, np.concatenate(doubt), most)
    return [pictures[at] for at in order]


def unlike(
    database: Database,
    name: str,
    readers: Mapping[ModelIdentity, Sequence[str]],
    most: int,
    among: Candidates,
) -> list[Suggestion]:
    """Return pictures that are unlike one another and the examples, for a head that has not learned yet."""
    found = [
        one
        for identity, sources in readers.items()
        for one in _unlabelled(database, name, identity, sources, among, len(readers))
    ]
    same = [one for one in found if len(one.vector) == len(found[0].vector)]
    vectors = [features_alone(one.vector) for one in same]
    order = _order(database, name, readers, vectors, np.ones(len(same), np.float32), most)
    return [_suggestion(same[at], "") for at in order]


def _suggestion(one: StoredPicture, label: str) -> Suggestion:
    return Suggestion(one.id, one.sha256, one.path, label)


def _unlabelled(
    database: Database,
    name: str,
    identity: ModelIdentity,
    sources: Sequence[str],
    among: Candidates,
    shares: int,
) -> list[StoredPicture]:
    """Return one picture of each content that is no example."""
    with database.read() as connection:
        known = {one.sha256 for one in examples.of(connection, name)}
        some = examples.some(connection, identity, sources, among.most // shares, among.seed)
        its = {one.sha256: one for one in some if one.sha256 not in known}
    return list(its.values())


def _order(
    database: Database,
    name: str,
    identities: Iterable[ModelIdentity],
    vectors: Sequence[bytes],
    doubt: NDArray[np.float32],
    most: int,
) -> Iterable[int]:
    """Return which pictures to ask for, the most telling first."""
    if not vectors:
        return ()
    rows = numbers(vectors)
    with database.read() as connection:
        known = [one.sha256 for one in examples.of(connection, name)]
        stored = [examples.vectors(connection, one, known).values() for one in identities]
    features = (features_alone(one) for some in stored for one in some)
    its = [one for one in features if len(one) == 2 * rows.shape[1]]
    return chosen(doubt, rows, numbers(its).reshape(-1, rows.shape[1]), most)


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
