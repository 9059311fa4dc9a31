from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tagger.errors import ConfigError
from tagger.records import Failed, Origin
from tagger.store import queries
from tagger.store.database import Database
from tagger.store.queries import LastTagged
from tagger.store.schema import State
from tests.integration.shelf import NOON, RESNET, Shelf

HOUR = timedelta(hours=1)


@pytest.fixture
def vans(shelf: Shelf) -> Shelf:
    """A van a day for three days, ever surer of it, and a cat."""
    for days, score in ((2, 0.3), (1, 0.6), (0, 0.9)):
        shelf.tag(shelf.stamp(f"van{days}.jpg", age=timedelta(days=days)), {"police van": score})
    shelf.tag(shelf.stamp("cat.jpg"), {"tabby": 0.9})
    return shelf


def found(shelf: Shelf, label: str, *limits: object) -> list[str]:
    return [Path(one.path).name for one in queries.search(shelf.database, label, *limits)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((), ["van0.jpg", "van1.jpg", "van2.jpg"]),
        ((0.6,), ["van0.jpg", "van1.jpg"]),
        ((0.0, NOON - 30 * HOUR), ["van0.jpg", "van1.jpg"]),
        ((0.0, None, 1), ["van0.jpg"]),
    ],
)
def test_a_search_gives_the_newest_first_within_its_limits(
    vans: Shelf, limits: tuple[object, ...], expected: list[str]
) -> None:
    assert found(vans, "police van", *limits) == expected


@pytest.mark.parametrize("spelling", ["tabby", "Tabby", "TABBY"])
def test_a_label_is_found_in_any_case(vans: Shelf, spelling: str) -> None:
    assert found(vans, spelling) == ["cat.jpg"]


def test_case_does_not_matter_beyond_ascii_either(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("cake.jpg"), {"Éclair": 0.9})
    assert found(shelf, "éclair") == ["cake.jpg"]


def test_an_unknown_label_is_explained_with_the_closest(shelf: Shelf) -> None:
    with pytest.raises(ConfigError, match="did you mean 'police van'"):
        found(shelf, "polise van")


def test_where_no_label_is_close_some_are_named_and_nobody_is_asked_whether_he_meant_them(
    shelf: Shelf,
) -> None:
    with pytest.raises(ConfigError, match="there are, for example, '") as refused:
        found(shelf, "zzzzzz")
    assert "did you mean" not in str(refused.value)


def test_a_known_label_that_no_picture_has_finds_nothing(vans: Shelf) -> None:
    assert found(vans, "sports car") == []


def test_a_search_that_is_left_half_way_does_not_keep_the_next_from_what_is_new(vans: Shelf) -> None:
    left = queries.search(vans.database, "police van")
    next(left)
    left.close()  # type: ignore[attr-defined]
    vans.tag(vans.stamp("new.jpg"), {"police van": 0.5})
    assert len(found(vans, "police van")) == 4


def test_status_counts_files_by_source_and_state(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), {"tabby": 0.9})
    shelf.now += HOUR
    shelf.tag(shelf.stamp("b.jpg", "phone"), {"tabby": 0.9})
    [bad] = shelf.admitted(shelf.stamp("bad.jpg", "phone"))
    shelf.writer.write([Failed(bad, "decode", "truncated")])
    shelf.journal.admit([shelf.stamp("new.jpg", "phone")], Origin.SCAN)
    status = queries.status(shelf.database)
    nothing = dict.fromkeys(State, 0)
    assert [(one.name, one.root, one.files) for one in status.sources] == [
        ("cam", "/data/cam", nothing | {State.DONE: 1}),
        ("phone", "/data/phone", nothing | {State.DONE: 1, State.FAILED: 1, State.PENDING: 1}),
    ]
    assert status.files == nothing | {State.DONE: 2, State.FAILED: 1, State.PENDING: 1}
    assert status.last == LastTagged("/data/phone/b.jpg", NOON + HOUR)
    assert status.model and (status.model.identity, status.model.description) == (
        RESNET,
        "resnet18 (built in)",
    )


def test_the_model_in_use_is_the_last_one_started(shelf: Shelf) -> None:
    for hours, name in enumerate(("resnet50", "resnet18"), 1):
        shelf.now = NOON + hours * HOUR
        shelf.writer_for(RESNET if name == "resnet18" else type(RESNET)(name, "cd", "256/224"))
    status = queries.status(shelf.database)
    assert status.model and status.model.identity == RESNET


def test_the_status_of_a_database_without_work_is_empty(tmp_path: Path) -> None:
    with closing(Database.open(str(tmp_path / "new.db"), create=True)) as database:
        assert queries.status(database) == queries.Status((), None, None)
