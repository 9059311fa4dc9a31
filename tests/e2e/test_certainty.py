"""What the model is not sure of is said to be so: in the log, on the page, by the API, and in SQL, each by the same rule."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Painter
from tests.e2e.command import rows, tagger
from tests.e2e.site import Site, picture, serve, site_of

ORANGE = (255, 120, 0)
"""Between red and yellow, of which neither scores what is asked for."""
OWN = "warm: {name_zh: 暖, includes: [mean-colour/red, mean-colour/yellow]}\nbright: {includes: [warm, mean-colour/white]}"


@pytest.fixture
def site(tmp_path: Path, inbox: Path) -> Iterator[Site]:
    """A daemon that knows a category of its own, and wants nine in ten."""
    (tmp_path / "own.yaml").write_text(OWN)
    settings = {"TAGGER_SEARCH__MIN_SCORE": "0.9", "TAGGER_CATEGORIES": str(tmp_path / "own.yaml")}
    with serve(tmp_path, settings) as daemon, site_of(daemon) as site:
        yield site


def words(page: str) -> str:
    """What is read on a page, or a part of it."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_log_and_the_page_say_its_category_with_the_guesses_behind_it(
    site: Site, inbox: Path, paint: Painter
) -> None:
    paint(inbox / "orange.png", ORANGE)
    assert re.search(
        r"orange.png: warm 0\.9\d \((red|yellow) 0\.[5-8]\d, ", site.daemon.wait_for("orange.png:")
    )
    card = site.client.get("/?part=1").text
    assert re.search(r"^Select: orange.png warm 9\d % (red|yellow) \d\d % ", words(card))
    assert 'class="guesses"' in card
    assert 'alt="warm, orange.png"' in card
    one = site.client.get("/pictures/1").text
    assert re.search(r"Tags warm 9\d % Guesses: ", words(one))
    assert re.search(r"暖 9\d % 猜测:", words(site.client.get("/pictures/1?lang=zh").text))


def test_what_no_category_is_sure_of_is_not_sure(site: Site, inbox: Path, paint: Painter) -> None:
    paint(inbox / "teal.png", (0, 128, 128))
    assert re.search(r"teal.png: not sure \(\w+ 0\.\d\d, ", site.daemon.wait_for("teal.png:"))
    card = site.client.get("/?part=1").text
    assert words(card).startswith("Select: teal.png Not sure ")
    assert 'alt="teal.png"' in card


def test_what_is_sure_is_shown_as_ever(site: Site, inbox: Path, paint: Painter) -> None:
    paint(inbox / "red.png")
    assert "red.png: red 1.00" in site.daemon.wait_for("red.png:")
    card = site.client.get("/?part=1").text
    assert 'alt="red, red.png"' in card
    assert "guesses" not in card
    assert "Guesses" not in site.client.get("/pictures/1").text


def test_a_person_is_always_sure(site: Site, inbox: Path, paint: Painter, tmp_path: Path) -> None:
    paint(inbox / "orange.png", ORANGE)
    site.daemon.wait_for("orange.png:")
    sure = "SELECT label, is_sure FROM top_tag"
    assert rows(tmp_path / "tags.db", sure)[0][1] == 0
    site.client.post("/images/1/verdicts", json={"add": ["green"]}).raise_for_status()
    assert rows(tmp_path / "tags.db", sure) == [("green", 1)]
    assert 'alt="green, orange.png"' in site.client.get("/?part=1").text


def test_the_api_has_all_tags_as_ever_and_says_what_is_shown_in_their_place(site: Site) -> None:
    [result] = site.predict(files={"image": picture(ORANGE)})
    assert (result["is_sure"], result["instead"]["category"]) == (False, "warm")
    assert len(result["tags"]) == 5
    [result] = site.predict(files={"image": picture((0, 128, 128))})
    assert (result["is_sure"], result["instead"]) == (False, None)
    [result] = site.predict(files={"image": picture()})
    assert (result["is_sure"], result["instead"]) == (True, None)


def test_the_view_compares_with_the_least_score_of_the_config_that_was_last_at_work(
    tmp_path: Path, paint: Painter
) -> None:
    paint(tmp_path / "pictures" / "orange.png", ORANGE)
    for least, sure in (("0.1", 1), ("0.9", 0)):
        tagger(tmp_path, "scan", "pictures", "--database", "tags.db", TAGGER_SEARCH__MIN_SCORE=least)
        assert rows(tmp_path / "tags.db", "SELECT is_sure FROM top_tag") == [(sure,)]


def test_a_mistake_on_the_page_is_marked_and_what_was_meant_is_a_link(site: Site) -> None:
    page = site.client.get("/", params={"q": "reed or blue", "since": "24h"}).text
    assert '<p class="query"><mark>reed</mark> or blue</p>' in page
    assert '<a href="/?q=red+or+blue&amp;since=24h">red</a>' in page
    assert "^^^^" not in page
    assert "<mark>&#34;</mark>" in site.client.get("/", params={"q": '"'}).text
    hostile = site.client.get("/", params={"q": "<script>"}).text
    assert "<script>" not in hostile.split('id="mistake"')[1]


def test_an_empty_gallery_says_the_best_score_and_shows_it_by_a_click(
    site: Site, inbox: Path, paint: Painter
) -> None:
    paint(inbox / "orange.png", ORANGE)
    site.daemon.wait_for("orange.png:")
    page = site.client.get("/", params={"q": "red", "source": "inbox"}).text
    assert re.search(r"no picture scores red at 0\.90 or more; the best is 0\.\d\d", words(page))
    [address] = re.findall(r'<a href="([^"]+)">Show these</a>', page)
    assert "source=inbox" in address
    assert "orange.png" in site.client.get(html.unescape(address)).text
