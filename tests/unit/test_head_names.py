"""What heads may be called: no word that a search understands as something else."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tagger.config.head_names import head_name
from tagger.heads.names import NONE, UNSURE
from tagger.search import parse as parser
from tagger.store.search import fields

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GRAMMAR = Path(parser.__file__).with_name("grammar.lark").read_text("utf-8")
WORDS = re.findall(r"^\w+\.\d: /\(\?i:(\w+)\)/", GRAMMAR, re.MULTILINE)


def test_the_grammar_has_the_words_of_the_language() -> None:
    assert {"and", "or", "not", "since", "until", "in", "uncertain"} == set(WORDS)


@pytest.mark.parametrize("word", [*WORDS, *fields.OWN, "is", NONE, UNSURE])
def test_no_head_is_called_as_a_word_or_a_field_of_searches(word: str) -> None:
    with pytest.raises(ValueError, match="is a word of the search language"):
        head_name(word)


@pytest.mark.parametrize("name", ["scene", "game_mood", "a-1", "android"])
def test_a_name_of_a_head_is_a_field_in_searches(name: str) -> None:
    assert head_name(name) == name
    assert str(parser.parse(f"{name}:battle", NOW)).startswith("Field")
