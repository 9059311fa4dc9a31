"""watchdog's observer, made to say what it keeps to itself: lost events, folders without a watch, unmounting, death.

watchdog logs an overflow of the kernel's queue and watches all anew, swallows it where a subfolder gets no watch, and
does not know of unmounting. So its own parts are subclassed at the places where they learn of it; what that relies on
is in tests/integration/test_watchdog_contract.py. To read inotify ourselves was rejected: renames, and folders that
are filled while they are walked, are hard, and watchdog has them right.
"""

import errno
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import cast

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter, InotifyObserver, InotifyWatchGroup
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
    WatchDescriptor,
)
from watchdog.observers.inotify_move_event_grouper import GroupedInotifyEvent, PathedInotifyEvent
from watchdog.utils import BaseThread

EVENTS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
"""Those that can mean a new or changed file. To be told of reads too would let our own reading wake us."""

LIMITS = {errno.ENOSPC, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN}
"""Of watches, memory, open files and threads: what may be had again later."""

NO_NEWS = (
    "Inotify queue overflowed;",  # we say it once, and what to do
    "InotifyEmitter.queue_events() called when the thread is inactive",  # said of one stopped between two steps
)


class _Thread(BaseThread):
    """Raises OSError, and leaves nothing behind, where no thread more can be started."""

    def start(self) -> None:
        try:
            super().start()
        except RuntimeError as error:
            self.stop()
            raise OSError(errno.EAGAIN, str(error)) from None


class Reader(_Thread, InotifyFD):
    """Reads the kernel's queue. `lost` is called, in this thread, once what is watched is watched again."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost
        self.refusals: dict[bytes, OSError] = {}
        try:
            super().__init__()
        except OSError:
            # watchdog has opened the queue when it finds no descriptors left for its pipe.
            if hasattr(self, "_inotify_fd"):
                os.close(self._inotify_fd)
            raise
        # Who closes this leaves the descriptors to the thread that reads, even before it does and after its death.
        self._is_reading = False

    def run(self) -> None:
        try:
            super().run()
        finally:
            self._is_reading = False

    def handle_event(self, event: InotifyEvent) -> None:
        super().handle_event(event)
        if event.is_queue_overflow:
            self._lost()

    def add_callback(
        self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId
    ) -> WatchDescriptor:
        try:
            return super().add_callback(path, mask, callback, id_)
        except OSError as error:
            top = cast("InotifyWatchGroup", callback).path
            if error.errno in LIMITS or path == top:
                self.refusals[top] = error
            raise


class Emitter(_Thread, InotifyEmitter):
    """Speaks for one folder and what is below, in a thread of its own."""

    def on_thread_start(self) -> None:
        self._reader.refusals.pop(self._top, None)
        super().on_thread_start()

    def build_and_queue_event(self, event: GroupedInotifyEvent, *, full_events: bool = False) -> None:
        """What is unmounted ends the emitter, as what is deleted does: nothing more would come."""
        if isinstance(event, PathedInotifyEvent) and event.ev.mask & InotifyConstants.IN_UNMOUNT:
            self.stop()
        else:
            super().build_and_queue_event(event, full_events=full_events)

    @property
    def refusal(self) -> OSError | None:
        """Why a folder is not watched."""
        return self._reader.refusals.get(self._top)

    @property
    def ended(self) -> bool:
        """Whether nothing more comes: its folder is gone, or was when all was to be watched again."""
        return not self.is_alive() or (self.refusal is not None and self.refusal.errno not in LIMITS)

    @property
    def _top(self) -> bytes:
        return os.fsencode(self.watch.path)

    @property
    def _reader(self) -> Reader:
        return cast("Reader", self._inotify_fd)


class Observer(_Thread, InotifyObserver):
    def __init__(self, lost: Callable[[], None]) -> None:
        # watchdog warns, at length, where it came upon a new folder before the event that tells of it.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        for name in ("inotify", "inotify_c"):
            logging.getLogger(f"watchdog.observers.{name}").addFilter(_is_news)
        self._inotify_fd = Reader(lost)
        self._inotify_fd.start()
        # Past InotifyObserver's own, which would make watchdog's reader and emitters.
        BaseObserver.__init__(self, Emitter, inotify_fd=self._inotify_fd)

    def watch(self, folder: Path, handler: FileSystemEventHandler, recursive: bool) -> Emitter:
        """Raises OSError where the folder cannot be watched; of one below, `Emitter.refusal` tells."""
        # With a slash at its end, because watchdog would watch a symbolic link instead of what it names.
        path = str(folder).rstrip("/") + "/"
        watch = self.schedule(handler, path, recursive=recursive, event_filter=EVENTS)
        return next(cast("Emitter", emitter) for emitter in self.emitters if emitter.watch == watch)

    @property
    def dead(self) -> str:
        """Which kind of thread ended without having been stopped: then events stay away, of one folder or of all."""
        for thread in (self, self._inotify_fd, *self.emitters):
            if not thread.is_alive() and thread.should_keep_running():
                return type(thread).__name__.lower()
        return ""

    def abandon(self) -> None:
        """Gives the kernel's watches back before anything else, since what died may hold a lock for ever."""
        self._inotify_fd.stop()
        self.stop()


def _is_news(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(NO_NEWS)
