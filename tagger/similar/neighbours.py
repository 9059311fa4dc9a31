"""The pictures most like one: by their codes the likely ones among all, then exactly among those.

A code is a sixteenth of a vector, and comparing two is an exclusive or. Among the 2,000 of a million that differ in the
fewest bits are, as measured, all of the ten nearest (docs/similar.md). Rejected: an index of neighbours (HNSW, IVF), which
would have to be kept up to date by whoever tags, for a search that takes a fifth of a second without.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagger.errors import DatabaseError
from tagger.store.features import Album, Seen

CANDIDATES = 2000
"""At least so many are compared exactly, and ten for each one that is wanted."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """`score` is the cosine of two pictures' features: 1 for the same picture, about 0.2 for any two."""

    file_id: int
    score: float


def nearest(album: Album, seen: Seen, limit: int) -> list[Neighbour]:
    """The most alike first, without the picture itself. What is damaged in the database is left out.

    Raises DatabaseError where the picture's own features are.
    """
    if not sound([(0, seen.features.vector)], len(seen.features.vector))[0]:
        raise DatabaseError("features", "those of this picture are damaged", "tagger retag makes them anew")
    wanted = max(CANDIDATES, 10 * limit) + 1
    code = seen.features.code
    ids = album.nearest(code, wanted) if album.compares else _nearest(album, code, wanted)
    scored = scores(album, ids, np.frombuffer(seen.features.vector, np.float16))
    others = [Neighbour(*one) for one in scored.items() if one[0] != seen.file_id]
    return sorted(others, key=lambda one: (-one.score, one.file_id))[:limit]


def scores(album: Album, ids: Sequence[int], vector: NDArray[np.float16]) -> dict[int, float]:
    """The cosine of each of these files' features with `vector`, F numbers of length 1."""
    found, vectors = sound(album.vectors(ids), vector.nbytes)
    return dict(zip(found, (vectors @ vector.astype(np.float32)).clip(-1, 1).tolist(), strict=True))


def sound(rows: Sequence[tuple[int, bytes]], size: int) -> tuple[list[int], NDArray[np.float32]]:
    """Files and N×F vectors: those that have `size` bytes and are finite numbers."""
    whole = [(id_, vector) for id_, vector in rows if len(vector) == size]
    vectors = np.frombuffer(b"".join(vector for _, vector in whole), np.float16).reshape(
        len(whole), size // 2
    )
    fine = np.flatnonzero(np.isfinite(vectors.sum(axis=1, dtype=np.float32)))
    return [whole[at][0] for at in fine], vectors[fine].astype(np.float32)


def words(codes: bytes, size: int) -> NDArray[np.uint64]:
    """Codes of `size` bytes each, one after the other → N×(size/8)."""
    return np.frombuffer(codes, np.uint64).reshape(-1, size // 8)


def _nearest(album: Album, code: bytes, limit: int) -> list[int]:
    """The files whose codes differ in the fewest bits."""
    pages = list(_distances(album, code))
    if not pages:
        return []
    ids, distances = (np.concatenate(part) for part in zip(*pages, strict=True))
    few = np.argpartition(distances, limit)[:limit] if limit < len(ids) else np.arange(len(ids))
    return [int(id_) for id_ in ids[few]]


def _distances(album: Album, code: bytes) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint16]]]:
    """Files, and in how many bits their codes differ from `code`."""
    for ids, codes in album.codes(len(code)):
        differing = np.bitwise_count(words(codes, len(code)) ^ np.frombuffer(code, np.uint64))
        yield np.array(ids, np.int64), differing.sum(axis=1, dtype=np.uint16)
