"""Groups of pictures that are all but the same, among a million, without comparing each with each.

Codes of pictures that are alike begin alike, mostly; where not, they are alike from another bit on. So they are sorted
by what follows from each of 32 bits on, and each is compared with the next few in each order: first by its code, then
exactly. Groups are what hangs together by such pairs, so a thousand frames of one scene need a thousand links and not
half a million. Rejected: buckets of equal prefixes, for one static camera would fill one with half of everything.
"""

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from tagger.similar.forest import Forest, Indices
from tagger.similar.neighbours import WORDS, sound, words
from tagger.store.search.features import StoredFeatures

LEAST = 0.85
"""Below this, too many pairs would be missed: their codes differ too much to begin alike anywhere (docs/similar.md)."""
_ORDERS = 32
_NEXT = 8
_PAIRS = 20_000
"""Compared exactly at a time."""
_PAGE = 20_000
_ROUNDING = 0.0005
"""By so much may 16-bit numbers be wrong, so that a copy has a cosine below 1."""

Ids = NDArray[np.int64]
Vectors = NDArray[np.float16]


def link(forest: Forest, stored: StoredFeatures, ids: Ids, at_least: float) -> None:
    """Link the pictures, by their place in `ids` (ascending), whose cosine is `at_least` so much."""
    codes = _codes(stored, ids)
    there = np.flatnonzero(codes.any(axis=1))
    width = stored.width()
    if not len(there) or not width:
        return
    codes, most = codes[there], _most_bits(at_least)
    with _vectors(stored, ids[there], width) as vectors:
        for order in _orders(codes):
            ordered = codes[order]
            for step in range(1, _NEXT + 1):
                near = np.flatnonzero(_bits(ordered[step:] ^ ordered[:-step]) <= most)
                for some in np.array_split(near, len(near) // _PAIRS + 1):
                    one, other = _apart(forest, there, order[some], order[some + step])
                    alike = _cosines(vectors, one, other) >= at_least - _ROUNDING
                    forest.link(there[one[alike]], there[other[alike]])


def _codes(stored: StoredFeatures, ids: Ids) -> NDArray[np.uint64]:
    """Return the codes as N×8; zeros where there is none."""
    found = np.zeros((len(ids), WORDS), np.uint64)
    for first, text in stored.codes():
        block = words(text)
        start, end = np.searchsorted(ids, [first, first + len(block)])
        found[start:end] = block[ids[start:end] - first]
    return found


@contextmanager
def _vectors(stored: StoredFeatures, ids: Ids, width: int) -> Iterator[Vectors]:
    """Give the vectors as N×F, of length 1; zeros where there are none. A million are a gigabyte, so they lie in a file."""
    with tempfile.TemporaryFile() as file:
        for page in np.array_split(ids, len(ids) // _PAGE + 1):
            file.write(_placed(page, stored.vectors(page.tolist()), width).tobytes())
        file.flush()
        yield np.memmap(file, np.float16, "r", shape=(len(ids), width))


def _placed(ids: Ids, rows: Sequence[tuple[int, bytes]], width: int) -> Vectors:
    found, vectors = sound(rows, width)
    placed = np.zeros((len(ids), width), np.float16)
    placed[np.searchsorted(ids, found)] = vectors
    return placed


def _orders(codes: NDArray[np.uint64]) -> Iterator[Indices]:
    """Yield the pictures in order of the 64 bits from each of so many places of their codes on."""
    octets = codes.view(np.uint8)
    width = octets.shape[1]
    for start in range(0, width, width // _ORDERS):
        prefix = octets[:, [(start + place) % width for place in range(8)]]
        yield np.argsort(np.ascontiguousarray(prefix).view(">u8").ravel().astype(np.uint64))


def _bits(differing: NDArray[np.uint64]) -> NDArray[np.int64]:
    counts: NDArray[np.int64] = np.bitwise_count(differing).sum(axis=1, dtype=np.int64)
    return counts


def _most_bits(at_least: float) -> int:
    """Return in how many bits codes of pictures that are so much alike may differ: 999 of 1,000 pairs do in no more."""
    share, bits = math.acos(at_least) / math.pi, WORDS * 64
    return math.ceil(bits * share + 3 * math.sqrt(bits * share * (1 - share)))


def _apart(forest: Forest, there: Indices, one: Indices, other: Indices) -> tuple[Indices, Indices]:
    """Return those pairs that are not in one group yet: in the end, few are."""
    apart = forest.roots(there[one]) != forest.roots(there[other])
    return one[apart], other[apart]


def _cosines(vectors: Vectors, one: Indices, other: Indices) -> NDArray[np.float32]:
    cosines: NDArray[np.float32] = np.einsum(
        "nf,nf->n", vectors[one].astype(np.float32), vectors[other].astype(np.float32)
    )
    return cosines
