import os
import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import DatabaseError
from tagger.store.core.pathtext import from_text, to_text

AMBIGUOUS = "".join(map(chr, range(0xF780, 0xF800)))

paths = st.binary().map(os.fsdecode).filter(lambda path: "\0" not in path and ".." not in path.split("/"))


@pytest.mark.parametrize("other", [b"x", 3, "a\0b", "../x", "a/../b", "é/.."])
def test_what_no_scan_could_have_met_is_no_path(other: Any) -> None:
    with pytest.raises(DatabaseError, match="where a path should be"):
        from_text(other)


@given(paths)
def test_every_path_comes_back_as_it_was(path: str) -> None:
    assert from_text(to_text(path)) == path


@given(paths, paths)
def test_two_paths_never_share_a_text(one: str, other: str) -> None:
    assert (to_text(one) == to_text(other)) == (one == other)


@given(paths.filter(lambda path: "\0" not in path))
def test_a_database_takes_and_gives_the_text_of_every_path(path: str) -> None:
    with sqlite3.connect(":memory:") as database:
        stored = database.execute("SELECT ?", [to_text(path)]).fetchone()[0]
    database.close()
    assert stored == to_text(path)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters=AMBIGUOUS)))
def test_an_ordinary_path_is_stored_as_it_is(path: str) -> None:
    assert to_text(path) == path


def test_a_byte_that_is_not_utf8_and_the_character_it_turns_into_stay_apart() -> None:
    broken, honest = os.fsdecode(b"caf\xe9.jpg"), "caf\uf7e9.jpg"
    assert to_text(broken) == "caf\uf7e9.jpg" != to_text(honest)
    assert from_text(to_text(honest)) == honest
