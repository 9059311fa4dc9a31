"""Examples in the database: what was said of contents, where they lie, and their features."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from tagger.heads import light
from tagger.records import Features, Label
from tagger.store.tags import examples
from tests.integration.shelf import NOON, RESNET, Shelf, sha, tagged

EAST, NORTH = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
LABELS = [Label("scene/battle", "battle", "战斗"), Label("scene/city", "city")]
USUAL_LIGHT = bytes(light.SIZE)
"""Of a picture whose light nobody measured."""


def packed(features: tuple[float, ...]) -> bytes:
    return np.array(features, np.float16).tobytes()


def seen(
    shelf: Shelf, name: str, features: tuple[float, ...], source: str = "cam", taken: datetime | None = None
) -> str:
    """Tag a picture, and return the hash of its content."""
    stamp = shelf.stamp(name, source)
    shelf.admitted(stamp)
    one = tagged(stamp, {"tabby": 0.9, "web site": 0.1}, name)
    facts = replace(one.facts, taken_at=taken, taken_from="exif" if taken else None)
    shelf.writer.write([replace(one, facts=facts, features=Features(packed(features), bytes(64), 0))])
    return facts.sha256


def give(shelf: Shelf, given: Mapping[str, list[str]], any_: bool = False) -> None:
    contents = {label: [(one, f"/shots/{one}.png") for one in its] for label, its in given.items()}
    with shelf.database.write() as connection:
        examples.give(connection, "scene", any_, LABELS, contents, NOON)


def known(shelf: Shelf) -> dict[str, tuple[str, ...]]:
    with shelf.database.read() as connection:
        return {one.sha256: one.labels for one in examples.of(connection, "scene")}


def test_a_content_has_the_label_that_it_was_given_last(shelf: Shelf) -> None:
    give(shelf, {"battle": [sha("a"), sha("b")], "none": [sha("c")]})
    assert known(shelf) == {sha("a"): ("battle",), sha("b"): ("battle",), sha("c"): ()}
    give(shelf, {"city": [sha("a")], "battle": [sha("c")], "none": [sha("b")]})
    assert known(shelf) == {sha("a"): ("city",), sha("b"): (), sha("c"): ("battle",)}


def test_where_a_picture_may_have_several_labels_it_keeps_those_before_but_none(shelf: Shelf) -> None:
    give(shelf, {"battle": [sha("a")], "none": [sha("c")]}, any_=True)
    give(shelf, {"city": [sha("a"), sha("c")]}, any_=True)
    assert known(shelf) == {sha("a"): ("battle", "city"), sha("c"): ("city",)}
    give(shelf, {"none": [sha("a")]}, any_=True)
    assert known(shelf)[sha("a")] == ()


def test_labels_keep_their_order_and_their_names_in_chinese(shelf: Shelf) -> None:
    give(shelf, {"city": [sha("a")]})
    with shelf.database.read() as connection:
        assert examples.labels(connection, "scene") == LABELS
        assert examples.is_any(connection, "scene") is False
        assert examples.is_any(connection, "mood") is None


def test_features_are_those_of_the_library_or_those_that_were_kept(shelf: Shelf) -> None:
    stored, elsewhere = seen(shelf, "a.jpg", EAST), sha("elsewhere")
    give(shelf, {"battle": [stored, elsewhere]})
    squashed = replace(RESNET, preprocessing="squash")
    with shelf.database.write() as connection:
        examples.keep(connection, RESNET, "a model", {elsewhere: packed(NORTH)})
        examples.keep(connection, squashed, "a model", {stored: packed(NORTH)})
    with shelf.database.read() as connection:
        both = examples.vectors(connection, RESNET, [stored, elsewhere])
        assert both == {stored: packed(EAST) + USUAL_LIGHT, elsewhere: packed(NORTH)}
        assert examples.vectors(connection, squashed, [stored, elsewhere]) == {stored: packed(NORTH)}
    assert shelf.sql("SELECT preprocessing FROM model ORDER BY used_at DESC LIMIT 1") == [
        (RESNET.preprocessing,)
    ]


def test_what_was_taken_on_one_day_by_one_source_is_a_group(shelf: Shelf) -> None:
    taken = {
        "a.jpg": NOON,
        "b.jpg": NOON + timedelta(hours=1),
        "c.jpg": NOON + timedelta(days=1),
        "d.jpg": None,
    }
    contents = {name: seen(shelf, name, EAST, taken=moment) for name, moment in taken.items()}
    with shelf.database.read() as connection:
        places = examples.places(connection, contents.values())
    groups = {name: places[content][0].group for name, content in contents.items()}
    assert groups["a.jpg"] == groups["b.jpg"] != groups["c.jpg"]
    assert groups["d.jpg"] is None, "the time of a file's last change says nothing of when it was taken"


def test_some_of_the_library_are_of_the_sources_that_are_asked_for(shelf: Shelf) -> None:
    for number in range(9):
        seen(shelf, f"{number}.jpg", EAST)
        seen(shelf, f"{number}.jpg", NORTH, "phone")
    with shelf.database.write() as connection:
        connection.exec_driver_sql("UPDATE file SET missing_since = '2026-01-01' WHERE path = '0.jpg'")
    with shelf.database.read() as connection:
        some = list(examples.some(connection, RESNET, ["phone"], 5))
        assert len({one.path for one in some}) == 5
        assert {one.vector for one in some} == {packed(NORTH) + USUAL_LIGHT}
        assert list(examples.some(connection, RESNET, ["phone"], 5)) == some
        assert len(list(examples.some(connection, RESNET, ["phone"], 99))) == 8
        assert list(examples.some(connection, replace(RESNET, preprocessing="x"), ["phone"], 5)) == []


def test_a_source_that_has_few_of_many_pictures_gives_some_too(shelf: Shelf) -> None:
    phone = {seen(shelf, f"first {at}.jpg", NORTH, "phone") for at in range(3)}
    for at in range(60):
        seen(shelf, f"{at}.jpg", EAST)
    phone |= {seen(shelf, f"last {at}.jpg", NORTH, "phone") for at in range(3)}
    with shelf.database.read() as connection:
        some = {seed: [*examples.some(connection, RESNET, ["phone"], 3, seed)] for seed in range(9)}
    contents = [[one.sha256 for one in found] for found in some.values()]
    assert {len(set(found)) for found in contents} == {3}
    assert {one for found in contents for one in found} <= phone
    assert len({tuple(sorted(found)) for found in contents}) > 1, "each seed draws others"


def test_what_is_forgotten_leaves_no_trace_and_other_heads_stay(shelf: Shelf) -> None:
    give(shelf, {"battle": [sha("a")]})
    with shelf.database.write() as connection:
        examples.keep(connection, RESNET, "a model", {sha("a"): packed(EAST)})
        mood = [Label("mood/dark", "dark")]
        examples.give(connection, "mood", False, mood, {"dark": [(sha("b"), "/b.png")]}, NOON)
        assert examples.forget(connection, "scene") == 1
        assert examples.of(connection, "scene") == []
        assert len(examples.of(connection, "mood")) == 1
    assert shelf.sql("SELECT count(*) FROM example_vector") == [(0,)]
    assert shelf.sql("SELECT path FROM example") == [("/b.png",)]
