"""Groups of pictures that are the same, or all but the same, each with the one that is worth keeping."""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from tagger.similar import duplicates
from tagger.similar.forest import Forest
from tagger.similar.neighbours import scores
from tagger.store.core.database import Database
from tagger.store.search import features
from tagger.store.search.features import StoredFeatures
from tagger.store.tags import copies
from tagger.store.tags.copies import Copy

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A picture of a group. `score` is its cosine to the group's best; None where one of the two has no features."""

    picture: Copy
    score: float | None


def groups(
    database: Database, at_least: float, among: "array[int] | None", limit: int
) -> Iterator[list[GroupMember]]:
    """Yield the largest groups first, in each the best picture first: of most pixels, then of most bytes.

    `among` are ids of files, or None for all. Groups hang together: in each, two pictures may be further apart.
    """
    ids = np.array(copies.there(database), np.int64)
    if among is not None:
        ids = np.intersect1d(ids, np.array(among, np.int64))
    with ExitStack() as stack:
        models = [stack.enter_context(features.of_model(database, one)) for one in features.weights(database)]
        forest = Forest(len(ids))
        _link_same(forest, database, ids)
        for stored in models:
            duplicates.link(forest, stored, ids, at_least)
        for group in forest.groups()[:limit]:
            if len(found := _described(database, models, ids[group].tolist())) > 1:
                yield found


def _link_same(forest: Forest, database: Database, ids: duplicates.Ids) -> None:
    pairs = np.array(list(copies.same_content(database)), np.int64).reshape(-1, 2)
    pairs = pairs[np.isin(pairs, ids).all(axis=1)]
    forest.link(*np.searchsorted(ids, pairs.T))


def _described(database: Database, models: Sequence[StoredFeatures], ids: list[int]) -> list[GroupMember]:
    pages = [ids[start : start + _PAGE] for start in range(0, len(ids), _PAGE)]
    pictures = [one for page in pages for one in copies.facts(database, page)]
    if not pictures:
        return []
    best = max(pictures, key=lambda one: (one.width * one.height, one.size, -one.id))
    near = {id_: score for page in pages for id_, score in _scores(models, best, page).items()}
    alike = [GroupMember(one, 1.0 if one.sha256 == best.sha256 else near.get(one.id)) for one in pictures]
    return sorted(alike, key=lambda one: (one.picture is not best, -(one.score or 0), one.picture.path))


def _scores(models: Sequence[StoredFeatures], best: Copy, ids: Sequence[int]) -> dict[int, float]:
    for stored in models:
        for _, vector in stored.vectors([best.id]):
            return scores(stored, ids, vector)
    return {}
