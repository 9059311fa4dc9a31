"""Whether the disk has room for features, from what is free on it and what waits."""

import pytest

from tagger.store.tags.room import BYTES, SPARE, told


@pytest.mark.parametrize(
    ("free", "waiting"), [(SPARE, 0), (SPARE + BYTES, 1), (SPARE + 10**6 * BYTES, 10**6)]
)
def test_what_fits_is_not_spoken_of(free: int, waiting: int) -> None:
    assert told("/srv", free, waiting) == ""


def test_what_does_not_fit_is_told_with_numbers_and_what_to_do() -> None:
    assert told("/srv", 1_000_000_000, 1_000_000) == (
        "the disk of the database (/srv) has 1,000 MB left, where features of 1,000,000 waiting pictures would take"
        " 2,600 MB and 500 MB are to stay free; make room and start again (tagger retag then makes what was left out),"
        " or set `features: false`"
    )
    assert "has 0 MB left, where 500 MB are to stay free" in told("/srv", 0, 0)
    assert "features of 1 waiting picture would take" in told("/srv", SPARE, 1)
