from contextlib import closing
from datetime import timedelta
from pathlib import Path

from tagger.records import Failed, Origin
from tagger.store.core.database import Database
from tagger.store.core.schema import State
from tagger.store.queue import queries
from tagger.store.queue.queries import LastTagged
from tests.integration.shelf import NOON, RESNET, Shelf

HOUR = timedelta(hours=1)


def test_status_counts_files_by_source_and_state(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), {"tabby": 0.9})
    shelf.now += HOUR
    shelf.tag(shelf.stamp("b.jpg", "phone"), {"tabby": 0.9})
    [bad] = shelf.admitted(shelf.stamp("bad.jpg", "phone"))
    shelf.writer.write([Failed(bad, "decode", "truncated")])
    shelf.queue.admit([shelf.stamp("new.jpg", "phone")], Origin.SCAN)
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
