"""What ingest/watch.py takes for granted of watchdog, and what it works around: each may change with a release."""

import queue
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.events import DirCreatedEvent, FileClosedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from tagger.ingest.watch import EVENTS

TIMEOUT = 20


class Recorder(FileSystemEventHandler):
    def __init__(self) -> None:
        self.events: queue.SimpleQueue[FileSystemEvent] = queue.SimpleQueue()

    def dispatch(self, event: FileSystemEvent) -> None:
        self.events.put(event)

    def until_closed(self, path: str) -> list[FileSystemEvent]:
        seen: list[FileSystemEvent] = []
        while not seen or not (isinstance(seen[-1], FileClosedEvent) and seen[-1].src_path == path):
            seen.append(self.events.get(timeout=TIMEOUT))
        return seen


@pytest.fixture
def observer() -> Iterator[BaseObserver]:
    with Observer() as running:
        yield running


def record(observer: BaseObserver, path: str) -> Recorder:
    recorder = Recorder()
    observer.schedule(recorder, path, recursive=True, event_filter=EVENTS)
    return recorder


def test_a_folder_that_cannot_be_watched_leaves_nothing_behind(
    observer: BaseObserver, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        observer.schedule(Recorder(), f"{tmp_path}/away/", recursive=True)
    assert observer.emitters == set()


def test_a_watch_ends_when_its_folder_is_deleted_and_is_not_renewed_by_itself(
    observer: BaseObserver, tmp_path: Path
) -> None:
    folder = tmp_path / "pics"
    folder.mkdir()
    record(observer, f"{folder}/")
    [emitter] = observer.emitters
    shutil.rmtree(folder)
    emitter.join(TIMEOUT)
    assert not emitter.is_alive()
    folder.mkdir()
    record(observer, f"{folder}/")
    assert observer.emitters == {emitter}
    observer.unschedule(emitter.watch)
    assert observer.emitters == set()


def test_a_link_is_followed_only_with_a_slash_at_its_end(observer: BaseObserver, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    without, with_slash = record(observer, f"{tmp_path}/link"), record(observer, f"{tmp_path}/link/")
    (tmp_path / "real/a.png").touch()
    with_slash.until_closed(f"{tmp_path}/link/a.png")
    assert without.events.empty()


def test_events_inside_a_folder_that_was_moved_in_are_marked_as_made_up(
    observer: BaseObserver, tmp_path: Path
) -> None:
    (tmp_path / "pics").mkdir()
    (tmp_path / "tree/below").mkdir(parents=True)
    recorder = record(observer, f"{tmp_path}/pics/")
    (tmp_path / "tree").rename(tmp_path / "pics/tree")
    (tmp_path / "pics/end").touch()
    events = recorder.until_closed(f"{tmp_path}/pics/end")
    made_up = {event.src_path: event.is_synthetic for event in events if isinstance(event, DirCreatedEvent)}
    assert made_up == {f"{tmp_path}/pics/tree": False, f"{tmp_path}/pics/tree/below": True}


def test_reading_makes_no_event(observer: BaseObserver, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    recorder = record(observer, f"{tmp_path}/")
    (tmp_path / "a.png").read_bytes()
    (tmp_path / "end").touch()
    events = recorder.until_closed(f"{tmp_path}/end")
    assert {event.src_path for event in events} == {f"{tmp_path}/end"}


def test_a_handler_that_raises_ends_the_observer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(FileSystemEventHandler):
        def dispatch(self, event: FileSystemEvent) -> None:
            raise RuntimeError

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    observer = Observer()
    observer.start()
    observer.schedule(Broken(), f"{tmp_path}/")
    (tmp_path / "a.png").touch()
    observer.join(TIMEOUT)
    assert not observer.is_alive()
    observer.stop()
