"""What a database does not know, and why a search finds nothing in it, is said in Chinese on the Chinese page."""

from datetime import UTC, datetime

import pytest

from tagger.search.parse import parse
from tagger.search.query import QueryError
from tagger.store.search import found, nothing_found
from tagger.web.page.words import chinese
from tests.integration.shelf import Shelf

NOW = datetime(2026, 3, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "tabbi",
        "zzzzzz",
        "tabby 0.5",
        "yesterday",
        "january",
        "cam",
        "in kam",
        'in "nowhere at all"',
        "in lobby",
        "pth:*.jpg",
        "size:3",
        "state:faild",
        "state:zz",
        "is:nigth",
        "is:zz",
        "since:2h",
    ],
)
def test_whatever_is_not_known_is_said_in_chinese(shelf: Shelf, text: str) -> None:
    shelf.tag(shelf.stamp("lobby/a.jpg"), {"tabby": 0.9})
    with pytest.raises(QueryError) as refused:
        found.check(shelf.database, parse(text, NOW), text)
    for sentence in (refused.value.what, refused.value.hint):
        assert chinese(sentence) != sentence


@pytest.mark.parametrize("text", ["tabby >= 0.95", "tabby since 2026-03-25", "sports car", "vehicle"])
def test_why_nothing_is_found_is_said_in_chinese(shelf: Shelf, text: str) -> None:
    shelf.tag(shelf.stamp("a.jpg"), {"tabby": 0.9})
    (reason,) = nothing_found.reasons(shelf.database, parse(text, NOW), text, 0.4, 5)
    assert chinese(reason.words) != reason.words
