"""What other rooms say of a search is said in Chinese on the Chinese page."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from tagger.search.parse import parse
from tagger.search.query import QueryError
from tagger.teach.evaluate import advice, wilson
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


@pytest.mark.parametrize("half", [9, 5])
def test_what_would_help_a_head_is_said_in_chinese(half: int) -> None:
    counts = {"battle": 3, "menu": 30, "city": 7}
    confusion = [[0, 3, 0, 0], [0, 25, 0, 5], [0, 0, 7, 0], [0, 4, 0, 9]]
    told = [*advice([*counts], counts, confusion, wilson(9, 10), wilson(half, 10), {"city": 4.3})]
    assert len(told) == 6
    assert all(is_chinese(chinese(sentence)) for sentence in told)


def test_a_sentence_that_is_not_known_stays_as_it_is() -> None:
    assert chinese("a sentence of a later release") == "a sentence of a later release"


def test_every_sentence_has_as_many_holes_in_chinese_and_no_other_is_taken_for_it() -> None:
    for english, said in CHINESE.items():
        assert is_chinese(said)
        assert said.count("{}") <= english.count("{}")
        filled = english.replace("{}", "7")
        assert chinese(filled) == said.replace("{}", "7")
