from pathlib import Path

import pytest

from tagger.store.hazards import hazards


@pytest.mark.parametrize(
    ("version", "faulty"),
    [
        ((3, 6, 23), False),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 1), False),
    ],
)
def test_a_sqlite_that_can_damage_a_database_is_named_with_the_remedy(
    tmp_path: Path, version: tuple[int, int, int], faulty: bool
) -> None:
    said = " ".join(hazards(tmp_path / "tags.db", version))
    assert ("upgrade to 3.51.3" in said) is faulty
    assert (".".join(map(str, version)) in said) is faulty
