"""Labels of heads are found as any label is: by their names, by their heads, by scores."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tagger.errors import ConfigError
from tagger.heads.head import Fit
from tagger.search.parse import parse
from tagger.search.query import QueryError
from tagger.store.core.registry import set_thresholds
from tagger.store.search import found, nothing_found
from tagger.store.search.found import Hit
from tagger.store.tags import corrections
from tagger.store.tags.calibration import calibrations
from tagger.store.tags.corrections import Correction
from tagger.store.tags.writer import Writer
from tests.integration.shelf import LABELS, NOON, RESNET, TAXONOMY, Shelf
from tests.integration.test_head_tags import BATTLE, CITY, OTHER, head, labelling, learned, seen

LEAST = 0.2
NAMES_ZH = {"battle": "战斗", "main city": "主城"}


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path / "tags.db", ("cam", "phone"))
    with closing(shelf.database):
        learned(shelf, head(names_zh=NAMES_ZH))
        labelling(shelf).take_up()
        for name, features in (("battle", BATTLE), ("city", CITY), ("other", OTHER)):
            seen(shelf, f"{name}.jpg", features)
        yield shelf


def hits(shelf: Shelf, text: str, least: float = LEAST) -> list[Hit]:
    return list(found.search(shelf.database, parse(text, NOON), text, least))


def names(shelf: Shelf, text: str, least: float = LEAST) -> str:
    return " ".join(sorted(Path(hit.picture.path).stem for hit in hits(shelf, text, least)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("battle", "battle"),
        ("Battle", "battle"),
        ("战斗", "battle"),
        ("main city", "city"),
        ("scene:battle", "battle"),
        ("Scene:Battle", "battle"),
        ("scene:战斗", "battle"),
        ('scene:"main city"', "city"),
        ('scene:"main city" >= 0.8', "city"),
        ("scene:battle>=80%", "battle"),
        ("scene:battle >= 1", ""),
        ("scene/battle", "battle"),
        ("scene:none", "other"),
        ("scene:unsure", ""),
        ("not scene:none", "battle city"),
        ("not battle", "city other"),
        ("scene:battle or scene:none", "battle other"),
        ("scene:battle and tabby", "battle"),
        ("scene:battle in cam since 30d", "battle"),
        ("not (scene:battle or scene:none) and animal", "city"),
    ],
)
def test_a_heads_label_is_found_by_its_name_and_by_its_head(shelf: Shelf, text: str, expected: str) -> None:
    assert names(shelf, text) == expected
    assert found.count(shelf.database, parse(text, NOON), text, LEAST) == len(expected.split())


def test_what_arrives_is_found_by_a_heads_label(shelf: Shelf) -> None:
    text, after = "scene:battle", found.newest(shelf.database)
    stamp = seen(shelf, "new.jpg", BATTLE)
    arrived, _ = found.arrived(shelf.database, parse(text, NOON), text, LEAST, after)
    assert [hit.picture.path for hit in arrived] == [stamp.path]


def test_a_picture_says_what_its_heads_say_apart_from_what_the_model_says(shelf: Shelf) -> None:
    (hit,) = hits(shelf, "scene:battle")
    (one,) = hit.picture.heads
    assert [tag.name for tag in hit.picture.tags] == ["tabby", "web site"]
    assert (one.head, one.label, one.key, one.name_zh) == ("scene", "battle", "scene/battle", "战斗")
    assert (one.by, one.state, hit.by) == ("model", None, one)
    (none,) = hits(shelf, "scene:none")[0].picture.heads
    assert (none.label, none.is_label) == ("none", False)


def test_a_search_without_names_is_shown_by_what_the_model_says(shelf: Shelf) -> None:
    assert {hit.by.name for hit in hits(shelf, "") if hit.by} == {"tabby"}


def test_what_must_not_be_missed_tells_its_state(shelf: Shelf) -> None:
    fit = Fit(RESNET, np.eye(3, dtype=np.float32) * 3, np.zeros(3, np.float32), (0.7, 0.5), (0.3, 0.5))
    learned(shelf, head(fits=(fit,), recalls={"battle": 0.98}))
    labelling(shelf).take_up()
    for name, features in (("f", BATTLE), ("u", (0.6, 0.6, 0.5)), ("c", OTHER)):
        seen(shelf, f"{name}.jpg", features)
    states = {
        Path(hit.picture.path).stem: [one.state for one in hit.picture.heads] for hit in hits(shelf, "")
    }
    assert [states[name] for name in "fuc"] == [["flagged"], ["unsure"], ["clear"]]
    assert names(shelf, "scene:unsure") == "u"


def test_scores_of_searches_hide_no_label_of_a_head_and_thresholds_of_the_config_do(shelf: Shelf) -> None:
    assert names(shelf, "battle", least=1) == "battle"
    with shelf.database.write() as connection:
        set_thresholds(connection, {"scene/battle": 1.0})
    assert names(shelf, "battle") == ""
    assert shelf.sql("SELECT label FROM image_tags WHERE label = 'battle'") == []


def test_a_threshold_holds_for_a_label_that_is_learned_while_a_daemon_works(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "new.db")
    with closing(shelf.database):
        least = {"scene/battle": 1.0, "tabby": 0.95}
        shelf.writer = Writer(shelf.database, RESNET, LABELS, TAXONOMY, "", lambda: NOON, thresholds=least)
        work = labelling(shelf, cam=("scene",))
        work.take_up()
        learned(shelf)
        work.take_up()
        for name, features in (("battle", BATTLE), ("city", CITY)):
            seen(shelf, f"{name}.jpg", features)
        assert [names(shelf, text) for text in ("battle", "main city", "tabby")] == ["", "city", ""]


def test_a_label_that_the_model_has_too_is_found_by_both(shelf: Shelf) -> None:
    learned(shelf, head(labels=("battle", "website")))
    labelling(shelf).take_up()
    seen(shelf, "web.jpg", CITY)
    assert names(shelf, "website", least=0.05) == "battle city other web"
    assert names(shelf, "website") == "web"
    assert names(shelf, "scene:website") == "web"


def test_a_label_is_corrected_by_the_name_that_finds_it(shelf: Shelf) -> None:
    learned(shelf, head(labels=("battle", "tabby")))
    learned(shelf, head(name="mood", labels=("battle", "calm")))
    labelling(shelf, cam=("scene", "mood")).take_up()
    stamp = seen(shelf, "new.jpg", OTHER)
    right = "SELECT key FROM image_tags WHERE path = ? AND by = 'human' ORDER BY key"
    for name in ("scene:tabby", "mood:Battle", "tabby"):
        corrections.apply(shelf.database, [stamp.path], Correction(right=(name,)), NOON)
    assert shelf.sql(right, stamp.path) == [("mood/battle",), ("n00000000",), ("scene/tabby",)]
    with pytest.raises(ConfigError, match="several labels") as error:
        corrections.apply(shelf.database, [stamp.path], Correction(wrong=("battle",)), NOON)
    assert error.value.hint == 'say which: "mood:battle", "scene:battle"'


def test_verdicts_on_labels_of_heads_calibrate_nothing(shelf: Shelf) -> None:
    stamp = seen(shelf, "new.jpg", OTHER)
    corrections.apply(shelf.database, [stamp.path], Correction(right=("scene:battle", "sports car")), NOON)
    assert [one.label for one in calibrations(shelf.database, 0.9, LEAST)] == ["sports car"]


@pytest.mark.parametrize("text", ["path:a>=0.5", "path:*>=0.5", "path:a>=0.5 and tabby", '(path:"a>=0.5")'])
def test_a_value_of_another_field_may_end_as_a_score_does(shelf: Shelf, text: str) -> None:
    seen(shelf, "a>=0.5", OTHER)
    assert [Path(hit.picture.path).name for hit in hits(shelf, text)] == ["a>=0.5"]


def refused(shelf: Shelf, text: str) -> QueryError:
    with pytest.raises(QueryError) as error:
        found.check(shelf.database, parse(text, NOON), text)
    return error.value


@pytest.mark.parametrize(
    ("text", "says", "instead"),
    [
        ("scene:batle", "did you mean battle?", ("scene:battle",)),
        ("tabby and scene:mancity", 'did you mean "main city"?', ('scene:"main city"',)),
        ("scene:dragon", "its labels: battle", ()),
        ("scen:battle", "did you mean scene?", ("scene:battle",)),
        ("none", "scene:none", ("scene:none",)),
        ("path:x >= 0.5", "'path' has no scores", ()),
        ('path:"x">=0.5', "'path' has no scores", ()),
        ("is:night >= 0.5", "'is' has no scores", ()),
        ("dragon", "tagger teach", ()),
    ],
)
def test_what_no_head_knows_is_told_with_what_is_like_it(
    shelf: Shelf, text: str, says: str, instead: tuple[str, ...]
) -> None:
    error = refused(shelf, text)
    assert says in str(error)
    assert error.instead == instead


def test_a_group_of_paths_that_is_called_as_a_head_is_what_is_asked_for(shelf: Shelf) -> None:
    with shelf.database.write() as connection:
        connection.exec_driver_sql("INSERT INTO file_attribute VALUES (2, 'scene', 'battle')")
    assert names(shelf, "scene:battle") == "city"
    assert names(shelf, "battle") == "battle"


@pytest.mark.parametrize(
    ("text", "words", "query"),
    [
        ("scene:unsure", "no picture has the label scene:unsure", ""),
        ("scene:battle >= 1", "no picture scores scene:battle at 1.00 or more", "scene:battle >= 0.99"),
        ("scene:battle and tabby >= 1", "scene:battle alone is found", "scene:battle"),
    ],
)
def test_what_finds_nothing_is_explained(shelf: Shelf, text: str, words: str, query: str) -> None:
    reason = nothing_found.reasons(shelf.database, parse(text, NOON), text, LEAST, 5)[0]
    assert reason.words.startswith(words)
    assert reason.query == query
