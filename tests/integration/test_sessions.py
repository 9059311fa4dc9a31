"""The view `sessions`: what one camera saw without much change is one row, with one picture for all."""

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from tagger.config.path_rules import PathRules
from tagger.records import Features, Health, Stamp
from tagger.store.core.registry import set_limits
from tagger.store.tags.writer import Writer
from tests.integration.shelf import LABELS, RESNET, TAXONOMY, Shelf, tagged

CAT, VAN = {"tabby": 0.9}, {"police van": 0.9}
STREET, YARD = 0x0F0F_3C3C_55AA_9669, -0x0123_4567_89AB_CDEF
MINUTE = timedelta(minutes=1)
WHOLE = "SELECT source, camera, pictures, path FROM sessions ORDER BY started_at, path"


def slightly(look: int, bits: Iterable[int]) -> int:
    """The look with these bits turned over."""
    turned = look ^ sum(1 << bit for bit in bits)
    return (turned + 2**63) % 2**64 - 2**63


def see(
    shelf: Shelf, name: str, minute: float, look: int | None, source: str = "cam", sharpness: float | None = None,
    scores: dict[str, float] = CAT, by: Writer | None = None,
) -> Stamp:  # fmt: skip
    """A picture that was taken so many minutes after noon."""
    stamp = shelf.stamp(name, source, -minute * MINUTE)
    [stamp] = shelf.admitted(stamp)
    outcome = tagged(stamp, scores)
    if sharpness is not None:
        health = Health(0.5, 0.2, sharpness, 30, is_blank=False)
        outcome = replace(outcome, facts=replace(outcome.facts, health=health))
    if look is not None:
        outcome = replace(outcome, features=Features(b"\0\x3c", b"\1" * 64, look))
    (by or shelf.writer).write([outcome])
    return stamp


def test_a_static_camera_is_one_line_and_not_a_thousand(shelf: Shelf) -> None:
    chance = random.Random(3)  # noqa: S311
    for minute in range(60):
        see(shelf, f"{minute:02}.jpg", minute, slightly(STREET, chance.sample(range(64), 5)))
    assert shelf.sql(
        "SELECT source, camera, started_at, ended_at, pictures, label, name_zh, key FROM sessions"
    ) == [
        (
            "cam",
            None,
            "2024-05-01 12:00:00.000",
            "2024-05-01 12:59:00.000",
            60,
            "tabby",
            "虎斑猫",
            "n00000000",
        )
    ]


def test_another_scene_is_another_session(shelf: Shelf) -> None:
    for minute, look in enumerate([STREET, STREET, YARD, YARD, YARD, STREET]):
        see(shelf, f"{minute}.jpg", minute, look)
    assert [row[2] for row in shelf.sql(WHOLE)] == [2, 3, 1]


@pytest.mark.parametrize("first", [STREET, YARD, 0, -1, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize(("bits", "count"), [(14, 1), (15, 2)])
def test_bits_are_counted_right_whatever_the_sign(shelf: Shelf, first: int, bits: int, count: int) -> None:
    for start in (0, 30, 64 - bits):
        see(shelf, f"{start}a.jpg", start * 5, first)
        see(shelf, f"{start}b.jpg", start * 5 + 1, slightly(first, range(start, start + bits)))
    assert len(shelf.sql(WHOLE)) == 3 * count


@pytest.mark.parametrize(("minutes", "count"), [(60, 1), (60.1, 2)])
def test_a_long_pause_splits(shelf: Shelf, minutes: float, count: int) -> None:
    see(shelf, "a.jpg", 0, STREET)
    see(shelf, "b.jpg", minutes, STREET)
    assert len(shelf.sql(WHOLE)) == count


def test_two_sources_that_take_turns_are_two_sessions(shelf: Shelf) -> None:
    for minute in range(10):
        see(shelf, f"{minute}.jpg", minute, (STREET, YARD)[minute % 2], ("cam", "phone")[minute % 2])
    assert [row[:3] for row in shelf.sql(WHOLE)] == [("cam", None, 5), ("phone", None, 5)]


def test_two_cameras_of_one_source_that_take_turns_are_two_sessions(shelf: Shelf) -> None:
    place = {"cam": PathRules("(?P<camera>[^/]+)/", "")}
    by = Writer(shelf.database, RESNET, LABELS, TAXONOMY, "", lambda: shelf.now, places=place)
    for minute in range(10):
        camera, look = (("gate", STREET), ("yard", YARD))[minute % 2]
        see(shelf, f"{camera}/{minute}.jpg", minute, look, by=by)
    see(shelf, "nobody.jpg", 3.5, STREET)
    assert [row[:3] for row in shelf.sql(WHOLE)] == [
        ("cam", "gate", 5),
        ("cam", "yard", 5),
        ("cam", None, 1),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_it_does_not_matter_in_which_order_pictures_arrive(shelf: Shelf, seed: int) -> None:
    looks = [STREET, STREET, STREET, YARD, YARD, STREET, STREET]
    pictures = [(f"{number}.jpg", number // 2, look) for number, look in enumerate(looks)]
    random.Random(seed).shuffle(pictures)  # noqa: S311
    for picture in pictures:
        see(shelf, *picture)
    assert shelf.sql(WHOLE) == [
        ("cam", None, 3, "/data/cam/0.jpg"),
        ("cam", None, 2, "/data/cam/3.jpg"),
        ("cam", None, 2, "/data/cam/5.jpg"),
    ]


def test_the_sharpest_picture_stands_for_all(shelf: Shelf) -> None:
    for minute, sharpness in enumerate([None, 0.2, 0.7, 0.4]):
        scores = VAN if sharpness == 0.7 else CAT
        see(shelf, f"{minute}.jpg", minute, STREET, sharpness=sharpness, scores=scores)
    assert shelf.sql("SELECT path, label, seq FROM sessions") == [("/data/cam/2.jpg", "police van", 3)]


def test_pictures_without_features_are_in_no_session(shelf: Shelf) -> None:
    see(shelf, "a.jpg", 0, STREET)
    see(shelf, "b.jpg", 1, None)
    see(shelf, "c.jpg", 2, STREET)
    assert [row[2] for row in shelf.sql(WHOLE)] == [2]


def test_looks_of_two_models_are_not_compared(shelf: Shelf) -> None:
    see(shelf, "a.jpg", 0, STREET)
    see(shelf, "b.jpg", 1, STREET, by=shelf.writer_for(replace(RESNET, name="resnet50")))
    assert [row[2] for row in shelf.sql(WHOLE)] == [1, 1]


def test_the_limits_are_those_of_the_config(shelf: Shelf) -> None:
    see(shelf, "a.jpg", 0, STREET)
    see(shelf, "b.jpg", 10, slightly(STREET, range(20)))
    for limits, count in (({}, 2), ({"distance": 20.0}, 1), ({"distance": 20.0, "gap": 599.0}, 2)):
        with shelf.database.write() as connection:
            set_limits(connection, {f"sessions.{name}": value for name, value in limits.items()})
        assert len(shelf.sql(WHOLE)) == count


def test_the_newest_are_found_without_reading_the_rest(shelf: Shelf) -> None:
    query = "SELECT * FROM sessions WHERE source = 'cam' ORDER BY started_at DESC LIMIT 50"
    plan = [str(row[3]) for row in shelf.sql(f"EXPLAIN QUERY PLAN {query}")]
    assert not [step for step in plan if step.startswith(("SCAN file", "SCAN reading", "SCAN start"))]
    assert not [step for step in plan if "TEMP B-TREE FOR ORDER BY" in step and plan.index(step) < 5]
