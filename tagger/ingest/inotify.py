"""The observer of watchdog is made to say what it keeps to itself: lost events, folders without a watch, unmounting, death.

watchdog logs an overflow of the kernel's queue and watches all anew, swallows it where a subfolder gets no watch, and
does not know of unmounting. So its own parts are subclassed at the places where they learn of it; each method says what
it guards, and what that relies on is in tests/integration/test_watchdog_contract.py. Scans would find every file without
any of it, but minutes later: here it is seen to that a source which is said to be watched is watched, and that one which
is not is scanned often and named in the log. Rejected: to read inotify ourselves, since renames, and folders that are filled
while they are walked, are hard, and watchdog has them right.
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
"""The events that can mean a new or changed file. To be told of reads too would let our own reading wake us."""

LIMITS = {errno.ENOSPC, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN}
"""The errors of a limit on watches, memory, open files or threads: what may be had again later."""

NO_NEWS = (
    "Inotify queue overflowed;",  # we say it once, and what to do
    "InotifyEmitter.queue_events() called when the thread is inactive",  # said of one stopped between two steps
)


class _Thread(BaseThread):
    """A thread of watchdog's that can be refused like anything else that runs out."""

    def start(self) -> None:
        """Raises OSError where no thread more can be started, and takes back the watches made for it.

        Python raises RuntimeError then, and watchdog keeps the watches of an emitter that never ran.
        """
        try:
            super().start()
        except RuntimeError as error:
            self.stop()
            raise OSError(errno.EAGAIN, str(error)) from None


class Reader(_Thread, InotifyFD):
    """Reads the kernel's queue. `refusals` says, by a source's folder, why not all of it is watched."""

    def __init__(self, lost: Callable[[], None]) -> None:
        """Raises OSError where no queue can be had, and leaves no file open. `lost` is called in the reader's thread."""
        self._lost = lost
        self.refusals: dict[bytes, OSError] = {}
        try:
            super().__init__()
        except OSError:
            # watchdog has opened the queue when it finds no descriptors left for its pipe: a leak with each attempt.
            if hasattr(self, "_inotify_fd"):
                os.close(self._inotify_fd)
            raise
        # Whoever closes this leaves the descriptors to a thread that reads; there is none yet.
        self._is_reading = False

    def run(self) -> None:
        """Read until stopped. Once this ends by an error nobody reads, and whoever closes it must close the descriptors."""
        try:
            super().run()
        finally:
            self._is_reading = False

    def handle_event(self, event: InotifyEvent) -> None:
        """Say that the kernel dropped events, once what is watched is watched again: watchdog tells only its log."""
        super().handle_event(event)
        if event.is_queue_overflow:
            self._lost()

    def add_callback(
        self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId
    ) -> WatchDescriptor:
        """Keep why a folder gets no watch: watchdog passes over one below a source in silence, as if it were gone."""
        try:
            return super().add_callback(path, mask, callback, id_)
        except OSError as error:
            top = cast("InotifyWatchGroup", callback).path
            if error.errno in LIMITS or path == top:
                self.refusals[top] = error
            raise


class Emitter(_Thread, InotifyEmitter):
    """Speaks for one folder and what is below, in a thread of its own."""

    def build_and_queue_event(self, event: GroupedInotifyEvent, *, full_events: bool = False) -> None:
        """End at an unmounting, as at a deletion: watchdog would wait on, and what is mounted next may look the same."""
        if isinstance(event, PathedInotifyEvent) and event.ev.mask & InotifyConstants.IN_UNMOUNT:
            self.stop()
        else:
            super().build_and_queue_event(event, full_events=full_events)

    @property
    def refusal(self) -> OSError | None:
        """Why the folder, or one below, is not watched."""
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


class Observer(_Thread, BaseObserver):
    """Watches folders through one queue of the kernel's, and knows which of its threads died.

    It stands in for watchdog's InotifyObserver, which takes neither a reader nor emitters from outside.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        # watchdog warns, at length, where it came upon a new folder before the event that tells of it.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        for name in ("inotify", "inotify_c"):
            logging.getLogger(f"watchdog.observers.{name}").addFilter(_is_news)
        self._inotify_fd = Reader(lost)
        self._inotify_fd.start()
        super().__init__(Emitter, inotify_fd=self._inotify_fd)

    def on_thread_stop(self) -> None:
        """Stop the reader after the emitters, which give their watches back to it."""
        super().on_thread_stop()
        self._inotify_fd.stop()
        self._inotify_fd.join()

    def watch(self, folder: Path, handler: FileSystemEventHandler, recursive: bool) -> Emitter:
        """Return what speaks for the folder. Raises OSError where it cannot be watched; of one below, `refusal` tells."""
        # With a slash at its end, because watchdog would watch a symbolic link instead of what it names.
        path = str(folder).rstrip("/") + "/"
        self._inotify_fd.refusals.pop(os.fsencode(path), None)
        watch = self.schedule(handler, path, recursive=recursive, event_filter=EVENTS)
        return next(cast("Emitter", emitter) for emitter in self.emitters if emitter.watch == watch)

    @property
    def dead(self) -> str:
        """The kind of a thread that ended without having been stopped: events stay away then. "" where all live."""
        for thread in (self, self._inotify_fd, *self.emitters):
            if not thread.is_alive() and thread.should_keep_running():
                return type(thread).__name__.lower()
        return ""

    def abandon(self) -> None:
        """Stop, and give the kernel's watches back before anything else, since what died may hold a lock for ever."""
        self._inotify_fd.stop()
        self.stop()


def _is_news(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(NO_NEWS)
