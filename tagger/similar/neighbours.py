"""The pictures most like one: by their codes the likely ones among all, then exactly among those.

A code is a sixteenth of a vector, and two are compared by an exclusive or. Among the 2,000 of a million that differ in the
fewest bits are, as measured, all of the ten nearest (docs/similar.md). Rejected: an index of neighbours (HNSW, IVF), which
would have to be kept up to date by whoever tags, for a search that takes a tenth of a second without.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagger.errors import DatabaseError
from tagger.store.search.features import PictureFeatures, StoredFeatures

CANDIDATES = 2000
"""At least so many are compared exactly, and ten for each one that is wanted."""
WORDS = 8
"""64-bit words in a code."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """`score` is the cosine of two pictures' features: 1 for the same picture, about 0.2 for any two."""

    file_id: int
    score: float


def nearest(stored: StoredFeatures, wanted: PictureFeatures, limit: int) -> list[Neighbour]:
    """Return the most alike first, without the picture itself, nor what is gone or damaged in the database.

    Raises DatabaseError where the picture's own features are.
    """
    vector, code = wanted.features.vector, wanted.features.code
    width = stored.width() or len(vector) // 2
    if len(code) != WORDS * 8 or not sound([(0, vector)], width)[0]:
        raise DatabaseError("features", "those of this picture are damaged", "tagger retag makes them anew")
    ids = _nearest(stored, code, max(CANDIDATES, 10 * limit) + 1)
    others = [Neighbour(*one) for one in scores(stored, ids, vector).items() if one[0] != wanted.file_id]
    return sorted(others, key=lambda one: (-one.score, one.file_id))[:limit]


def scores(stored: StoredFeatures, ids: Sequence[int], vector: bytes) -> dict[int, float]:
    """Return the cosine of each of these files' features with `vector`, by the file's id."""
    own = np.frombuffer(vector, np.float16).astype(np.float32)
    found, vectors = sound(stored.vectors(ids), len(own))
    return dict(zip(found, (vectors @ own).clip(-1, 1).tolist(), strict=True))


def sound(rows: Sequence[tuple[int, bytes]], width: int) -> tuple[list[int], NDArray[np.float32]]:
    """Return files and N×F vectors of length 1: those that are so many numbers (`width`), and finite."""
    whole = [row for row in rows if len(row[1]) == 2 * width]
    vectors = np.frombuffer(b"".join(vector for _, vector in whole), np.float16).reshape(len(whole), width)
    wide = vectors.astype(np.float32)
    lengths = np.linalg.norm(wide, axis=1)
    fine = np.flatnonzero(np.isfinite(lengths) & (lengths > 0))
    return [whole[at][0] for at in fine], wide[fine] / lengths[fine, np.newaxis]


def words(codes: bytes) -> NDArray[np.uint64]:
    """Return codes, given one after the other, as N×8."""
    return np.frombuffer(codes, np.uint64).reshape(-1, WORDS)


def _nearest(stored: StoredFeatures, code: bytes, limit: int) -> list[int]:
    """Return the files, by id, whose codes differ from this one in the fewest bits."""
    blocks = list(_distances(stored, code))
    if not blocks:
        return []
    ids, distances = (np.concatenate(part) for part in zip(*blocks, strict=True))
    if gone := stored.gone():
        there = ~np.isin(ids, gone)
        ids, distances = ids[there], distances[there]
    few = np.argpartition(distances, limit)[:limit] if limit < len(ids) else np.arange(len(ids))
    found: list[int] = ids[few].tolist()
    return found


def _distances(stored: StoredFeatures, code: bytes) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint16]]]:
    """Yield files, by id, and in how many bits their codes differ from `code`."""
    own = words(code)
    for first, codes in stored.codes():
        differing = np.bitwise_count(words(codes) ^ own).sum(axis=1, dtype=np.uint16)
        yield np.arange(first, first + len(differing)), differing
