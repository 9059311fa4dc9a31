"""What ingest takes for granted of watchdog, and what it works around: each may change with a release."""

import errno
import logging
import os
import queue
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from watchdog.events import DirCreatedEvent, FileClosedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, EventQueue, ObservedWatch
from watchdog.observers.inotify import InotifyEmitter, InotifyWatchGroup
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
    WatchDescriptor,
)

from tagger.ingest.inotify import EVENTS, NO_NEWS
from tests.integration.test_watch import apart, kill, no_more_files, overflow, run

pytestmark = pytest.mark.long

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
    assert not emitter.should_keep_running()
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


# Folders that get no watch


class Refusing(InotifyFD):
    """Has no watch for one folder."""

    refused = b""

    def add_callback(
        self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId
    ) -> WatchDescriptor:
        assert isinstance(callback, InotifyWatchGroup)
        if path == self.refused:
            raise OSError(errno.ENOSPC, "inotify watch limit reached")
        return super().add_callback(path, mask, callback, id_)


class Stalling(InotifyFD):
    """Reads nothing more, from its first event until it may, and remembers overflows."""

    def __init__(self) -> None:
        super().__init__()
        self.stalled, self.go = threading.Event(), threading.Event()
        self.overflows: queue.SimpleQueue[InotifyEvent] = queue.SimpleQueue()

    def handle_event(self, event: InotifyEvent) -> None:
        self.stalled.set()
        self.go.wait()
        super().handle_event(event)
        if event.is_queue_overflow:
            self.overflows.put(event)


@contextmanager
def observing(reader: InotifyFD) -> Iterator[BaseObserver]:
    """With a reader of our own, which the emitters take."""
    reader.start()
    with BaseObserver(InotifyEmitter, inotify_fd=reader) as running:
        yield running
    reader.stop()
    reader.join(TIMEOUT)


def test_a_subfolder_that_gets_no_watch_is_passed_over_in_silence(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    reader = Refusing()
    with observing(reader) as observer:
        reader.refused = bytes(tmp_path / "below")
        record(observer, f"{tmp_path}/")
        reader.refused = b"%b/" % bytes(tmp_path)
        with pytest.raises(OSError, match="inotify watch limit reached"):
            observer.schedule(Recorder(), f"{tmp_path}/", recursive=False)


def test_a_folder_that_cannot_be_read_is_said_to_be_watched(tmp_path: Path) -> None:
    apart(watch_what_cannot_be_read, tmp_path, as_root=False)


def watch_what_cannot_be_read(folder: str) -> None:
    (closed := Path(folder) / "closed").mkdir(0)
    with observing(InotifyFD()) as observer:
        record(observer, f"{closed}/")


def test_a_folder_that_is_watched_twice_makes_a_warning(tmp_path: Path) -> None:
    with observing(reader := InotifyFD()) as observer:
        record(observer, f"{tmp_path}/")
        [emitter] = observer.emitters
        assert isinstance(emitter, InotifyEmitter)
        group = emitter._inotify
        assert group
        with pytest.warns(RuntimeWarning, match="^Callback with id"):
            reader.add_callback(bytes(tmp_path), group.event_mask, group, group._id)


# Overflow


def test_after_an_overflow_all_is_watched_again_and_then_we_are_called(tmp_path: Path) -> None:
    reader = Stalling()
    with observing(reader) as observer:
        recorder = record(observer, f"{tmp_path}/")
        (tmp_path / "first").touch()
        assert reader.stalled.wait(TIMEOUT)
        overflow(tmp_path)
        (tmp_path / "new").mkdir()
        reader.go.set()
        assert reader.overflows.get(timeout=TIMEOUT).wd == -1
        (tmp_path / "new/end").touch()
        recorder.until_closed(f"{tmp_path}/new/end")


def test_an_overflow_while_the_folder_is_away_leaves_an_emitter_without_a_watch(tmp_path: Path) -> None:
    (folder := tmp_path / "pics").mkdir()
    reader = Stalling()
    with observing(reader) as observer:
        record(observer, f"{folder}/")
        [emitter] = observer.emitters
        (folder / "first").touch()
        assert reader.stalled.wait(TIMEOUT)
        overflow(folder)
        shutil.rmtree(folder)
        reader.go.set()
        reader.overflows.get(timeout=TIMEOUT)
        assert emitter.is_alive()
        assert reader._watch_for_wd == {}


def test_watchdog_says_at_length_what_we_say_in_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("inotify", "inotify_c"):
        monkeypatch.setattr(logging.getLogger(f"watchdog.observers.{name}"), "filters", [])
    with observing(reader := InotifyFD()) as observer:
        record(observer, f"{tmp_path}/")
        reader.handle_event(InotifyEvent(WatchDescriptor(-1), InotifyConstants.IN_Q_OVERFLOW, 0, b""))
        watch = ObservedWatch(str(tmp_path), recursive=True)
        InotifyEmitter(EventQueue(), watch, inotify_fd=reader).queue_events(1)
    assert len(caplog.messages) == 3
    assert all(message.startswith(NO_NEWS) for message in caplog.messages)


# Ends


def test_unmounting_leaves_an_emitter_without_a_watch(tmp_path: Path) -> None:
    apart(unmount_what_is_watched, tmp_path)


def unmount_what_is_watched(folder: str) -> None:
    for name in ("disk", "beside"):
        Path(folder, name).mkdir()
    run("mount", "-t", "tmpfs", "disk", f"{folder}/disk")
    with observing(reader := InotifyFD()) as observer:
        record(observer, f"{folder}/disk/")
        [emitter] = observer.emitters
        recorder = record(observer, f"{folder}/beside/")
        run("umount", f"{folder}/disk")
        Path(folder, "beside/end").touch()
        recorder.until_closed(f"{folder}/beside/end")
        assert emitter.is_alive()
        assert len(reader._watch_for_wd) == 1


@pytest.mark.usefixtures("untraced")
def test_a_reader_that_dies_is_not_noticed_and_leaves_its_descriptors_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with observing(reader := InotifyFD()) as observer:
        record(observer, f"{tmp_path}/")
        kill(reader, tmp_path)
        assert observer.is_alive()
        assert all(emitter.is_alive() for emitter in observer.emitters)
    os.fstat(reader._inotify_fd)
    reader._close_resources()


def test_a_queue_for_which_there_are_too_few_files_is_left_open() -> None:
    before = set(os.listdir("/proc/self/fd"))
    with no_more_files(but=1), pytest.raises(OSError, match="Too many open files"):
        InotifyFD()
    [left] = set(os.listdir("/proc/self/fd")) - before
    os.close(int(left))
