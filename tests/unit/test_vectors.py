"""Vectors of features as they are stored: none is another one when it is read again."""

import numpy as np
import pytest

from tagger.store.tags.vectors import packed, unpacked

CHANCE = np.random.default_rng(4)
WIDE = np.maximum(CHANCE.normal(size=1280), 0).astype(np.float16).tobytes()


@pytest.mark.parametrize("vector", [b"", b"\0\0", WIDE, bytes(2560), CHANCE.bytes(2560), CHANCE.bytes(1024)])
def test_a_vector_is_read_as_it_was_stored(vector: bytes) -> None:
    assert unpacked(packed(vector)) == vector


@pytest.mark.parametrize("width", range(2, 400, 2))
def test_a_packed_vector_can_be_told_from_a_plain_one(width: int) -> None:
    vector = bytes(width * 8)
    assert len(packed(vector)) % 2 == 1 or packed(vector) == vector


def test_two_of_the_default_models_fit_into_a_page_of_the_database() -> None:
    assert len(packed(WIDE)) < 2_030


def test_what_an_earlier_release_stored_is_taken_as_it_is() -> None:
    assert unpacked(WIDE) == WIDE


@pytest.mark.parametrize("stored", [b"x", packed(WIDE)[:101], b"x" + WIDE, bytes(2561)])
def test_what_is_damaged_is_no_vector(stored: bytes) -> None:
    assert len(unpacked(stored)) < len(WIDE)
