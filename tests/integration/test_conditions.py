"""Conditions of pictures in the database: the same as of one in hand, in searches, in SQL, and whatever is not known."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from tagger.config.path_rules import PathRules
from tagger.config.views import ConditionSettings
from tagger.records import Health, Known
from tagger.search.conditions import NAMES, SCREENS, conditions_of
from tagger.search.parse import parse
from tagger.search.query import QueryError
from tagger.store.core.registry import set_limits
from tagger.store.search import found
from tagger.store.tags import corrections
from tagger.store.tags.writer import Writer
from tests.integration.shelf import LABELS, NOON, RESNET, TAXONOMY, Shelf, sha, tagged

GOOD = Health(0.5, 0.2, 0.3, 30, is_blank=False, flatness=0.1)
NIGHT = replace(GOOD, brightness=0.2)


def arrive(
    shelf: Shelf,
    name: str,
    health: Health | None = GOOD,
    *,
    outdoor: float | None = None,
    from_camera: bool | None = False,
    size: tuple[int, int] = (1920, 1080),
    writer: Writer | None = None,
) -> tuple[str, ...]:
    """A picture, an hour older than the one before; the conditions that it is in, told by itself."""
    count = shelf.sql("SELECT count(*) FROM file")[0][0]
    stamp = shelf.stamp(name, age=timedelta(hours=int(str(count))))
    shelf.admitted(stamp)
    one = tagged(stamp, {"tabby": 0.9, "police van": 0.05})
    facts = replace(one.facts, health=health, from_camera=from_camera, width=size[0], height=size[1])
    one = replace(one, facts=facts, reading=replace(one.reading, outdoor=outdoor))
    (writer or shelf.writer).write([one])
    return conditions_of(facts, outdoor, ConditionSettings())


def names(shelf: Shelf, query: str) -> list[str]:
    hits = found.search(shelf.database, parse(query, NOON), query, 0.3)
    return [hit.picture.path.rsplit("/", 1)[1] for hit in hits]


def told(shelf: Shelf) -> dict[str, tuple[str, ...]]:
    hits = found.search(shelf.database, parse("", NOON), "", 0.3)
    return {hit.picture.path.rsplit("/", 1)[1]: hit.picture.conditions for hit in hits}


@contextmanager
def limits(shelf: Shelf, **changed: float) -> Iterator[None]:
    with shelf.database.write() as connection:
        set_limits(connection, {f"conditions.{name}": value for name, value in changed.items()})
    yield
    with shelf.database.write() as connection:
        set_limits(connection, {})


def chance_health(chance: random.Random) -> Health | None:
    """Whose numbers lie about the thresholds, and often on one."""
    if chance.random() < 0.1:
        return None
    return Health(
        chance.choice((0.1, 0.15, 0.2, 0.27, 0.3, 0.4, 0.5)),
        0.2,
        chance.choice((0.05, 0.1, 0.3)),
        chance.choice((0, 4, 30)),
        is_blank=chance.random() < 0.2,
        flatness=chance.choice((None, 0.1, 0.35, 0.9)),
    )


def test_the_database_tells_the_same_as_a_picture_in_hand(shelf: Shelf) -> None:
    chance = random.Random(1)  # noqa: S311
    expected = dict[str, tuple[str, ...]]()
    sizes = [*sorted(SCREENS)[:5], *((short, long) for long, short in sorted(SCREENS)[-5:]), (1000, 1000)]
    for number in range(300):
        name = f"{number:03}.jpg"
        expected[name] = arrive(
            shelf,
            name,
            chance_health(chance),
            outdoor=chance.choice((None, 0.0, 0.4, 0.5, 0.6, 1.0)),
            from_camera=chance.choice((None, True, False, False)),
            size=chance.choice(sizes),
        )
    assert told(shelf) == expected
    assert set(NAMES) == {one for some in expected.values() for one in some}
    viewed = shelf.sql("SELECT condition, path FROM image_conditions")
    for name in NAMES:
        those = sorted(file for file, conditions in expected.items() if name in conditions)
        others = sorted(expected.keys() - set(those))
        assert sorted(names(shelf, f"is:{name}")) == those
        assert sorted(names(shelf, f"not is:{name}")) == others
        assert sorted(str(path)[10:] for condition, path in viewed if condition == name) == those


def test_the_view_says_how_likely_indoors_and_outdoors_are(shelf: Shelf) -> None:
    arrive(shelf, "in.jpg", outdoor=0.1)
    arrive(shelf, "out.jpg", outdoor=0.9)
    arrive(shelf, "between.jpg", outdoor=0.5)
    arrive(shelf, "night.jpg", NIGHT)
    rows = shelf.sql(
        "SELECT seq, path, source, condition, captured_at, seen_at, camera, app_id, round(score, 2)"
        " FROM image_conditions ORDER BY seq"
    )
    at = [f"2024-05-01 {hour}:00:00.000" for hour in ("12", "11", "09")]
    seen = "2024-05-01 12:00:00.000"
    assert rows == [
        (1, "/data/cam/in.jpg", "cam", "indoor", at[0], seen, None, None, 0.9),
        (2, "/data/cam/out.jpg", "cam", "outdoor", at[1], seen, None, None, 0.9),
        (4, "/data/cam/night.jpg", "cam", "night", at[2], seen, None, None, None),
    ]


def test_what_an_earlier_tagger_tagged_is_in_no_condition_and_not_is_true_of_it(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("old.jpg"), {"tabby": 0.9})
    assert told(shelf) == {"old.jpg": ()}
    assert shelf.sql("SELECT count(*) FROM image_conditions") == [(0,)]
    for name in NAMES:
        assert names(shelf, f"is:{name}") == []
        assert names(shelf, f"not is:{name}") == ["old.jpg"]
        assert names(shelf, f"tabby and not is:{name}") == ["old.jpg"]
        assert names(shelf, f"state:done and not is:{name}") == ["old.jpg"]


def test_conditions_stand_with_everything_else(shelf: Shelf) -> None:
    arrive(shelf, "night.jpg", NIGHT)
    arrive(shelf, "day.jpg", outdoor=0.9)
    arrive(shelf, "yard.jpg", NIGHT, outdoor=0.9)
    assert names(shelf, "is:night") == ["night.jpg", "yard.jpg"]
    assert names(shelf, "IS:Night and is:outdoor") == ["yard.jpg"]
    assert names(shelf, "tabby is:night in cam since 2024-05-01T10:00Z") == ["night.jpg", "yard.jpg"]
    assert names(shelf, "(is:night or is:outdoor) and path:y*.jpg") == ["yard.jpg"]
    assert names(shelf, 'not (is:"night" or is:dark)') == ["day.jpg"]
    query = "is:night"
    assert found.count(shelf.database, parse(query, NOON), query, 0.3) == 2
    hits, _ = found.arrived(shelf.database, parse(query, NOON), query, 0.3, after=1)
    assert [hit.picture.path for hit in hits] == ["/data/cam/yard.jpg"]


def test_other_thresholds_hold_at_once(shelf: Shelf) -> None:
    arrive(shelf, "dusk.jpg", replace(GOOD, brightness=0.35), outdoor=0.7)
    assert told(shelf) == {"dusk.jpg": ("outdoor",)}
    with limits(shelf, night=0.36, outdoor=0.8):
        assert names(shelf, "is:night") == ["dusk.jpg"]
        assert told(shelf) == {"dusk.jpg": ("night",)}
        assert shelf.sql("SELECT condition FROM image_conditions") == [("night",)]
    assert names(shelf, "is:night") == []


def test_a_copy_is_in_the_conditions_of_its_twin(shelf: Shelf) -> None:
    arrive(shelf, "one.jpg", replace(GOOD, flatness=0.9), outdoor=0.1)
    stamp = shelf.stamp("two.jpg")
    shelf.admitted(stamp)
    shelf.writer.write([Known(stamp, sha("/data/cam/one.jpg"))])
    assert told(shelf) == dict.fromkeys(("two.jpg", "one.jpg"), ("screenshot", "indoor"))


def test_a_verdict_leaves_a_picture_where_it_was_taken(shelf: Shelf) -> None:
    arrive(shelf, "out.jpg", outdoor=0.9)
    for correction in (corrections.Correction(wrong=["tabby"]), corrections.Correction(open=["tabby"])):
        corrections.apply(shelf.database, ["/data/cam/out.jpg"], correction, NOON)
        assert told(shelf) == {"out.jpg": ("outdoor",)}


def test_an_attribute_of_that_name_wins(shelf: Shelf) -> None:
    places = {"cam": PathRules(r"^(?P<is>\w+)-")}
    writer = Writer(shelf.database, RESNET, LABELS, TAXONOMY, "", lambda: NOON, places=places)
    arrive(shelf, "red-1.jpg", NIGHT, writer=writer)
    arrive(shelf, "night-2.jpg", writer=writer)
    assert names(shelf, "is:red") == ["red-1.jpg"]
    assert names(shelf, "is:night") == ["night-2.jpg"]
    assert names(shelf, "not is:nothing") == ["red-1.jpg", "night-2.jpg"]
    assert told(shelf)["red-1.jpg"] == ("night",)


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("is:nigth", "did you mean night? conditions: "),
        ("tabby is:screenshots", "did you mean screenshot? conditions: "),
        ("is:xyzzy", "conditions: "),
        ("is:*", "conditions: "),
    ],
)
def test_an_unknown_condition_is_told_with_all_that_there_are(shelf: Shelf, query: str, hint: str) -> None:
    with pytest.raises(QueryError) as raised:
        names(shelf, query)
    value = query.split(":")[1]
    assert raised.value.what == f"there is no condition '{value}'"
    assert raised.value.hint == hint + ", ".join(NAMES)
    assert query[raised.value.start : raised.value.end] == f"is:{value}"


def test_a_field_that_is_nearly_it_is_proposed(shelf: Shelf) -> None:
    with pytest.raises(QueryError, match="did you mean is"):
        names(shelf, "iss:night")


def test_the_views_defaults_are_the_configs(shelf: Shelf) -> None:
    [(view,)] = shelf.sql("SELECT sql FROM sqlite_master WHERE name = 'image_conditions'")
    for name, value in ConditionSettings().model_dump().items():
        assert f"'conditions.{name}'), {value})" in str(view)
