"""The state of cameras, as their last pictures tell it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tagger.config.path_rules import PathRules
from tagger.config.views import HealthSettings
from tagger.records import Health
from tagger.store.core.registry import set_limits
from tagger.store.tags.writer import Writer
from tests.integration.shelf import LABELS, RESNET, TAXONOMY, Shelf, tagged

GOOD = Health(0.5, 0.2, 0.3, 30, is_blank=False)
PLACES = {"cam": PathRules(r"(?P<camera>\w+)/\d+")}
STATE = "SELECT state FROM camera_health WHERE camera = ?"


@pytest.fixture
def site(shelf: Shelf) -> Shelf:
    """With a clock that tells the real time, as SQLite's does."""
    shelf.now = datetime.now(UTC)
    return shelf


def take(
    shelf: Shelf,
    health: Health | None,
    *,
    camera: str = "gate",
    same: bool = False,
    ago: float = 0,
    count: int = 30,
) -> None:
    """A picture a minute, the last one so many minutes `ago`; each a little other, but for the `same`."""
    limits = {"health.black": 0.05}
    writer = Writer(
        shelf.database, RESNET, LABELS, TAXONOMY, "", lambda: shelf.now, places=PLACES, limits=limits
    )
    for number in range(count):
        stamp = shelf.stamp(f"{camera}/{number}.jpg", age=timedelta(minutes=count - 1 - number + ago))
        shelf.admitted(stamp)
        outcome = tagged(stamp, {"tabby": 0.9}, content=camera if same else f"{camera} {number}")
        noise = number * 1e-4
        seen = health and replace(health, sharpness=health.sharpness + (0 if same else noise))
        writer.write([replace(outcome, facts=replace(outcome.facts, health=seen))])


def flags(shelf: Shelf, camera: str = "gate") -> set[str]:
    query = "SELECT is_black, is_frozen, is_blurred, is_night, is_silent FROM camera_health WHERE camera = ?"
    [row] = shelf.sql(query, camera)
    names = ("black", "frozen", "blurred", "night", "silent")
    return {name for name, is_so in zip(names, row, strict=True) if is_so}


@pytest.mark.parametrize(
    ("health", "state"),
    [
        (GOOD, "ok"),
        (replace(GOOD, brightness=0.02, contrast=0.02, colourfulness=1), "black"),
        (replace(GOOD, sharpness=0.05), "blurred"),
        (replace(GOOD, brightness=0.3, colourfulness=1), "night"),
        (replace(GOOD, colourfulness=1), "ok"),
        (None, "ok"),
    ],
)
def test_a_cameras_state_is_that_of_its_last_pictures(site: Shelf, health: Health | None, state: str) -> None:
    take(site, GOOD, ago=30)
    take(site, health, count=5)
    assert site.sql(STATE, "gate") == [(state,)]
    assert flags(site) == {state} - {"ok"}


def test_one_dark_picture_makes_no_black_camera(site: Shelf) -> None:
    take(site, GOOD, ago=1)
    stamp = site.stamp("gate/99.jpg")
    site.admitted(stamp)
    dark = tagged(stamp, {"tabby": 0.9}, content="dark")
    writer = Writer(site.database, RESNET, LABELS, TAXONOMY, "", lambda: site.now, places=PLACES)
    writer.write([replace(dark, facts=replace(dark.facts, health=replace(GOOD, brightness=0.0)))])
    assert flags(site) == set()


def test_a_camera_that_shows_the_same_is_frozen(site: Shelf) -> None:
    take(site, GOOD, same=True)
    assert flags(site) == {"frozen"}


def test_so_is_one_whose_same_frame_is_compressed_anew(site: Shelf) -> None:
    take(site, replace(GOOD, sharpness=0.25))
    site.sql("SELECT 1")
    with site.database.write() as connection:
        connection.exec_driver_sql("UPDATE file SET sharpness = 0.25")
    assert flags(site) == {"frozen"}


def test_a_camera_is_silent_for_longer_than_usual(site: Shelf) -> None:
    take(site, GOOD, camera="busy", ago=59)
    take(site, GOOD, camera="quiet", ago=61)
    assert (flags(site, "busy"), flags(site, "quiet")) == (set(), {"silent"})


def send(shelf: Shelf, minutes_ago: Sequence[float]) -> None:
    """Pictures of a source without cameras, of which nothing is known but when they were taken."""
    for number, ago in enumerate(minutes_ago):
        shelf.tag(shelf.stamp(f"{number}.jpg", age=timedelta(minutes=ago)), {"tabby": 0.9})


def is_silent(shelf: Shelf) -> bool:
    return shelf.sql("SELECT is_silent FROM camera_health") == [(1,)]


def test_a_source_that_sends_in_bursts_may_rest_between_them(site: Shelf) -> None:
    bursts = [start + number / 60 for start in (70, 190, 310) for number in range(10)]
    send(site, bursts)
    assert not is_silent(site)


def test_but_not_for_longer_than_it_ever_did(site: Shelf) -> None:
    send(site, [start + number / 60 for start in (190, 310, 430) for number in range(10)])
    assert is_silent(site)


@pytest.mark.parametrize(("count", "silent"), [(1, False), (4, False), (5, True)])
def test_what_is_usual_is_told_from_five_pictures_on(site: Shelf, count: int, silent: bool) -> None:
    send(site, [1000 + number for number in range(count)])
    assert is_silent(site) == silent


@pytest.mark.parametrize(
    ("limits", "state"),
    [
        ({}, "ok"),
        ({"health.black": 0.6}, "black"),
        ({"health.blurred": 0.4}, "blurred"),
        ({"health.colourless": 31, "health.night": 0.6}, "night"),
        ({"health.silent_after": 60.0}, "silent"),
        ({"health.silent_after": 60.0, "health.silent_factor": 30.0}, "ok"),
        ({"health.pictures": 30.0, "health.black": 0.6}, "ok"),
    ],
)
def test_the_config_says_from_where_on(site: Shelf, limits: dict[str, float], state: str) -> None:
    take(site, replace(GOOD, brightness=0.7), ago=30)
    take(site, GOOD, ago=15, count=15)
    with site.database.write() as connection:
        set_limits(connection, limits)
    assert site.sql(STATE, "gate") == [(state,)]


def test_before_a_worker_has_told_it_the_config_has_its_defaults(site: Shelf) -> None:
    """The view repeats them; here is what keeps the two alike."""
    for camera, part in (("under", 0.999), ("over", 1.001)):
        take(site, replace(GOOD, brightness=HealthSettings().black * part), camera=f"black{camera}", count=5)
        take(
            site,
            replace(GOOD, sharpness=HealthSettings().blurred * part - 4e-4),
            camera=f"blurred{camera}",
            count=5,
        )
        grey = replace(
            GOOD, colourfulness=HealthSettings().colourless * part, brightness=HealthSettings().night * 0.999
        )
        take(site, grey, camera=f"night{camera}", count=5)
    with site.database.write() as connection:
        set_limits(connection, {})
    states = {camera: state for camera, state in site.sql("SELECT camera, state FROM camera_health")}  # noqa: C416
    for state in ("black", "blurred", "night"):
        assert (states[f"{state}under"], states[f"{state}over"]) == (state, "ok")


def test_no_file_is_read_but_the_last_ones(site: Shelf) -> None:
    plan = [str(step[3]) for step in site.sql("EXPLAIN QUERY PLAN SELECT * FROM camera_health")]
    assert not [step for step in plan if step.startswith(("SCAN file", "SCAN its"))], plan
    assert any("file_camera (source_id=? AND camera>?)" in step for step in plan), plan


def test_a_source_without_cameras_is_one(site: Shelf) -> None:
    site.tag(site.stamp("a.jpg", "phone"), {"tabby": 0.9})
    take(site, GOOD)
    found = site.sql("SELECT source, camera, pictures, state FROM camera_health ORDER BY source")
    assert found == [("cam", "gate", 5, "ok"), ("phone", None, 1, "ok")]


def test_each_camera_is_for_itself(site: Shelf) -> None:
    for camera, health in (
        ("a", GOOD),
        ("b", replace(GOOD, brightness=0.01)),
        ("c", replace(GOOD, sharpness=0.0)),
    ):
        take(site, health, camera=camera, count=6)
    assert site.sql("SELECT camera, state FROM camera_health ORDER BY camera") == [
        ("a", "ok"), ("b", "black"), ("c", "blurred"),
    ]  # fmt: skip
