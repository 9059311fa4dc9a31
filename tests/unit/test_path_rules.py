"""What paths and clocks tell."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.config.path_rules import (
    EARLIEST,
    IMPOSSIBLE,
    Located,
    PathRules,
    Told,
    checked_timezone,
    compiled,
)

CAMERA = r"(?P<camera>[^/.]+)\.(?P<captured_at>\d{8}_\d{6})\.jpg$"
STEAM = r"760/remote/(?P<app_id>\d+)/screenshots/(?P<captured_at>\d{14})_\d+\.png$"
SHANGHAI = "Asia/Shanghai"
NOW = datetime(2026, 4, 1, tzinfo=UTC)
WRITTEN = datetime(2026, 3, 31, 1, 2, 3, 456_000, tzinfo=UTC)
MTIME_NS = 1_774_918_923_456_000_000


def captured(
    rules: PathRules, path: str = "a.jpg", taken_at: datetime | None = None
) -> tuple[datetime, str, bool]:
    taken = Told(taken_at, "exif") if taken_at else None
    found = rules.captured(rules.read(path), taken, MTIME_NS, NOW)
    return found.at, found.by, found.misdated


def test_a_camera_and_its_time() -> None:
    rules = PathRules(CAMERA, SHANGHAI)
    located = rules.read("2026/Cam2.20260326_131715.jpg")
    assert (located.camera, located.app_id, located.attributes) == ("Cam2", None, {})
    time_ = datetime(2026, 3, 26, 5, 17, 15, tzinfo=UTC)
    assert captured(rules, "2026/Cam2.20260326_131715.jpg") == (time_, "path", False)


@pytest.mark.parametrize("pattern", [r"Müller/(?P<camera>[^/]+)/", r"(?P<site>M.ller)/(?P<camera>[^/]+)/"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_a_path_is_matched_however_its_letters_are_composed(
    pattern: str, typed: Literal["NFC", "NFD"], written: Literal["NFC", "NFD"]
) -> None:
    rules = PathRules(normalize(typed, pattern))
    assert rules.read(normalize(written, "Müller/gate/a.jpg")).camera == "gate"
    assert rules.read("Muller/gate/a.jpg").camera == (None if "site" not in pattern else "gate")


def test_a_camera_keeps_the_letters_of_its_folder() -> None:
    rules = PathRules("(?P<camera>[^/]+)/")
    for name in (normalize("NFC", "Tür"), normalize("NFD", "Tür")):
        assert rules.read(f"{name}/a.jpg").camera == name


def test_a_game_of_steam() -> None:
    rules = PathRules(STEAM, "UTC")
    path = "760/remote/570/screenshots/20260326131715_1.png"
    assert rules.read(path).app_id == "570"
    assert captured(rules, path) == (datetime(2026, 3, 26, 13, 17, 15, tzinfo=UTC), "path", False)


def test_all_other_groups_are_attributes_and_those_that_matched_nothing_are_none() -> None:
    rules = PathRules(r"(?P<floor>\d+)/(?P<room>[^/]+)?/(?P<camera>\w+)?")
    assert rules.read("3/Küche/").attributes == {"floor": "3", "room": "Küche"}
    assert rules.read("3//x") == Located("x", attributes={"floor": "3"})


def test_a_path_that_does_not_match_tells_nothing() -> None:
    assert PathRules(CAMERA).read("elsewhere/a.png") == Located()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-03-26T13:17:15.250", datetime(2026, 3, 26, 13, 17, 15, 250_000, tzinfo=UTC)),
        ("20260326131715042", datetime(2026, 3, 26, 13, 17, 15, 42_000, tzinfo=UTC)),
        ("2026-03-26 13.17", datetime(2026, 3, 26, 13, 17, tzinfo=UTC)),
        ("2026-03-26", datetime(2026, 3, 26, tzinfo=UTC)),
        ("1774531035", datetime(2026, 3, 26, 13, 17, 15, tzinfo=UTC)),
        ("1774531035250", datetime(2026, 3, 26, 13, 17, 15, 250_000, tzinfo=UTC)),
    ],
)
def test_times_are_written_in_many_ways(text: str, told: datetime) -> None:
    rules = PathRules(r"(?P<captured_at>.+)\.jpg", "UTC")
    assert captured(rules, f"{text}.jpg") == (told, "path", False)


@pytest.mark.parametrize(
    "text",
    [
        "20261326_131715",
        "19700101_000000",
        "20990101_000000",
        "2026",
        "20260631_000000",
        "20260326_131",
        "2026_11111",
    ],
)
def test_a_time_that_cannot_be_is_not_used_and_counted(text: str) -> None:
    rules = PathRules(r"(?P<captured_at>[\d_]+)\.jpg", "UTC")
    assert captured(rules, f"{text}.jpg") == (WRITTEN, "mtime", True)
    exif = datetime(2026, 3, 30, tzinfo=UTC)
    assert captured(rules, f"{text}.jpg", exif) == (exif, "exif", True)


@pytest.mark.parametrize(
    "dead",
    [
        IMPOSSIBLE,
        datetime(1970, 1, 1),
        datetime(1980, 1, 1, 0, 3),
        datetime(1994, 12, 31),
        datetime(2000, 1, 1, 0, 0, 7),
        datetime.max,
    ],
)
@pytest.mark.parametrize("timezone", ["UTC", SHANGHAI])
def test_a_camera_with_a_dead_clock_is_not_believed(dead: datetime, timezone: str) -> None:
    assert captured(PathRules(timezone=timezone), taken_at=dead) == (WRITTEN, "mtime", True)


def test_a_new_year_is_believed_where_the_clock_goes_on() -> None:
    party = datetime(2000, 1, 1, 0, 1, tzinfo=UTC)
    assert captured(PathRules(), taken_at=party) == (party, "exif", False)


def test_the_path_comes_before_the_camera_and_the_camera_before_the_file() -> None:
    exif = datetime(2026, 3, 30, tzinfo=UTC)
    assert captured(PathRules(CAMERA, "UTC"), "Cam2.20260326_131715.jpg", exif)[1] == "path"
    assert captured(PathRules(CAMERA, "UTC"), "a.jpg", exif) == (exif, "exif", False)
    assert captured(PathRules(CAMERA, "UTC"), "a.jpg") == (WRITTEN, "mtime", False)


def test_a_camera_that_tells_its_offset_is_taken_at_its_word() -> None:
    told = datetime(2026, 3, 26, 13, tzinfo=UTC).astimezone()
    assert captured(PathRules(timezone=SHANGHAI), taken_at=told)[0] == told


def test_a_clock_without_an_offset_is_in_the_sources_zone_and_by_default_in_this_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noon = datetime(2026, 3, 26, 12)
    assert captured(PathRules(timezone=SHANGHAI), taken_at=noon)[0] == datetime(2026, 3, 26, 4, tzinfo=UTC)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "NPT-5:45")
        time.tzset()
        assert captured(PathRules(), taken_at=noon)[0] == datetime(2026, 3, 26, 6, 15, tzinfo=UTC)
    time.tzset()


@pytest.mark.parametrize(("hour", "told"), [(2, 1), (3, 1)])
def test_an_hour_that_the_clocks_skip_or_repeat_is_some_time_all_the_same(hour: int, told: int) -> None:
    rules = PathRules(timezone="Europe/Berlin")
    skipped = captured(rules, taken_at=datetime(2026, 3, 29, hour, 30))[0]
    assert skipped == datetime(2026, 3, 29, told, 30, tzinfo=UTC)
    assert captured(rules, taken_at=datetime(2025, 10, 26, 2, 30))[1] == "exif"


@pytest.fixture
def adversary() -> Iterator[str]:
    return iter(["a" * 100_000 + "!"])


@pytest.mark.parametrize("pattern", ["(?P<x>(a+)+)b", "(?P<x>(a|a)*)b", "(?P<x>(.*)*)b$"])
def test_no_pattern_takes_more_than_a_moment(pattern: str, adversary: Iterator[str]) -> None:
    assert PathRules(pattern).read(next(adversary)) == Located()


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"[^/]+\.jpg", "has no named group"),
        (r"\(?P<camera>", "has no named group"),
        ("(?P<camera>", "is no pattern that can be used"),
        (r"(?P<camera>.)(?=x)", "it can neither look around nor refer back"),
        (r"(?P<camera>.)\1", "it can neither look around nor refer back"),
        ("(?P<camera>a)(?P<camera>b)", "'camera' is there twice"),
        ("(?P<Camera>a)", "'Camera' must be called by small letters"),
        ("(?P<state>a)", "cannot be called 'state'"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_a_reason(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        compiled(pattern)


@pytest.mark.parametrize("pattern", ["(?P<camera>a", "(?P<camera>", "(?P<camera>[)", "(?P<camera>\\"])
def test_a_slip_is_not_taken_for_looking_around(pattern: str) -> None:
    with pytest.raises(ValueError, match="is no pattern that can be used") as refused:
        compiled(pattern)
    assert "look around" not in str(refused.value)


@pytest.mark.parametrize("name", ["Asia", "../UTC", "a\0b", "x" * 300, "Asia/Shangai"])
def test_a_time_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="there is no time zone"):
        checked_timezone(name)


@given(st.text(), st.none() | st.datetimes(), st.integers(-(2**63), 2**63 - 1))
def test_every_picture_has_a_time_whatever_path_and_clock_tell(
    path: str, taken_at: datetime | None, mtime_ns: int
) -> None:
    rules = PathRules(r"(?P<camera>[^/]*)/(?P<captured_at>\d+)", SHANGHAI)
    taken = Told(taken_at, "gps") if taken_at else None
    found = rules.captured(rules.read(path), taken, mtime_ns, NOW)
    assert found.at.tzinfo is UTC
    assert found.at <= NOW + timedelta(days=1)
    assert found.by in ("mtime", "unknown") or found.at >= EARLIEST


def test_what_is_dated_by_the_same_is_not_dated_anew() -> None:
    assert (
        len(
            {
                str(PathRules()),
                str(PathRules(CAMERA)),
                str(PathRules(CAMERA, "UTC")),
                str(PathRules("", "UTC")),
            }
        )
        == 4
    )


def test_what_an_earlier_release_dated_is_dated_anew() -> None:
    """It stored nothing for a source without rules, and the rules alone for others."""
    assert str(PathRules()) != ""
    assert str(PathRules(CAMERA, SHANGHAI)) != f"{SHANGHAI}\n{CAMERA}"


def test_a_picture_tells_its_time_before_its_name_and_its_name_before_its_last_change() -> None:
    name, at = "DCIM/IMG_20260326_131715.jpg", datetime(2026, 3, 26, 5, 17, 15, tzinfo=UTC)
    exif = datetime(2026, 3, 30, tzinfo=UTC)
    assert captured(PathRules(timezone=SHANGHAI), name, exif) == (exif, "exif", False)
    assert captured(PathRules(timezone=SHANGHAI), name) == (at, "name", False)
    assert captured(PathRules(timezone=SHANGHAI), name, IMPOSSIBLE) == (at, "name", True)
    assert captured(PathRules(timezone=SHANGHAI), f"{name}/a.jpg") == (WRITTEN, "mtime", False)


@pytest.mark.parametrize("changed", [datetime(2107, 12, 31, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)])
@pytest.mark.parametrize("name", ["a.jpg", "IMG_20991231_131715.jpg"])
def test_a_picture_that_was_last_changed_when_it_cannot_have_been_comes_last_where_the_newest_come_first(
    name: str, changed: datetime
) -> None:
    found = PathRules().captured(PathRules().read(name), None, int(changed.timestamp()) * 10**9, NOW)
    assert (found.at, found.by, found.misdated) == (datetime(1970, 1, 1, tzinfo=UTC), "unknown", True)
