"""What other rooms say of a search is said in Chinese on the Chinese page."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from tagger.search.parse import parse
from tagger.search.query import QueryError
from tagger.web.page.sentences import CHINESE
from tagger.web.page.words import chinese
from tests.unit.test_search_parse import TOKENS

NOW = datetime(2026, 3, 26, tzinfo=UTC)


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= c <= "\u9fff" for c in text)


def judge(text: str) -> None:
    try:
        parse(text, NOW)
    except QueryError as error:
        for sentence in (error.what, error.hint):
            assert chinese(sentence) != sentence


@pytest.mark.parametrize(
    "text",
    [
        "x" * 4001,
        "not " * 51 + "dog",
        " or ".join(f"dog {number}" for number in range(201)),
        " and ".join(f"not path:*{number}" for number in range(21)),
        "path:" + "*a" * 51,
        "camera:*" + "[" + "a" * 101 + "]",
        "since 0000-01-01",
        "since 9999999d",
        "since 2026-03-26 13:00",
        "in cam 1",
        "(dog and (cat or x)",
    ],
)
def test_whatever_is_wrong_with_a_search_is_said_in_chinese(text: str) -> None:
    judge(text)


@given(st.lists(st.sampled_from(TOKENS)).map(" ".join))
@effort(max_examples=300, deadline=None)
def test_any_mistake_in_a_search_is_said_in_chinese(text: str) -> None:
    judge(text)


def test_what_is_named_is_named_in_chinese_too() -> None:
    assert chinese("no label or category is called 'tabbi'") == "没有叫 'tabbi' 的标签或类别"
    assert chinese("no picture scores dog at 0.90 or more; the best is 0.71") == (
        "没有图片的 dog 分数达到 0.90；最高是 0.71"
    )


def test_a_sentence_that_is_not_known_stays_as_it_is() -> None:
    assert chinese("a sentence of a later release") == "a sentence of a later release"


def test_every_sentence_has_as_many_holes_in_chinese_and_no_other_is_taken_for_it() -> None:
    for english, said in CHINESE.items():
        assert is_chinese(said)
        assert said.count("{}") <= english.count("{}")
        filled = english.replace("{}", "7")
        assert chinese(filled) == said.replace("{}", "7")
