"""watchdog's events → sightings. An event is a hint, so most of what it says is thrown away.

Only kinds of events that can mean a new or changed file are asked for: being told of reads and of
new access times too would let our own reading wake us. One handler per source speaks for that
source's files alone, so that a file in nested sources is seen once, by its owner. A watch of our own
for each folder, which would spare the ignored ones, was rejected: watchdog starts a thread for each.
"""

import errno
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

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
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from tagger.config import Source
from tagger.ingest.filters import Filters
from tagger.records import Origin, Sighting, shown

log = logging.getLogger(__name__)

EVENTS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]

HINTS = {
    errno.ENOENT: "it is looked for again at the next rescan",
    errno.ENOTDIR: "name a folder in the config",
    errno.EACCES: "let the user that runs tagger read it",
    errno.ENOSPC: "raise the limit: sysctl fs.inotify.max_user_watches=524288; until then rescans find its files",
    errno.EMFILE: "raise the limit: sysctl fs.inotify.max_user_instances=512; until then rescans find its files",
}


@dataclass(frozen=True)
class _Armed:
    """`folder` is the (device, inode) that is watched: a path can come to name another. `whole`: with all below."""

    watch: ObservedWatch
    folder: tuple[int, int] | None
    whole: bool


class Watch:
    """Calls `see` with a sighting of each file and each folder that appears or changes in a source.

    `see` is called from the observer's thread and must return at once; what it raises is logged.
    """

    def __init__(self, sources: Iterable[Source], filters: Filters, see: Callable[[Sighting], None]) -> None:
        self._sources, self._filters, self._see = tuple(sources), filters, see
        self._observer: BaseObserver | None = None
        self._armed: dict[Source, _Armed] = {}
        self._refused: dict[Source, str | None] = {}
        self._lock = threading.Lock()
        self._closed = False

    def arm(self) -> list[Source]:
        """Watches every source that is not watched yet; gives back, and logs, those that cannot be, or not whole.

        To be called again from time to time: a folder that is back, or that was replaced (renamed,
        mounted over), is then watched anew.
        """
        with self._lock:
            return [] if self._closed else [source for source in self._sources if not self._arm(source)]

    def close(self, deadline: float = 5.0) -> None:
        """Stops watching. Threads that still hang after `deadline` seconds, on a dead mount, are left behind."""
        # In a thread, because watchdog's own stop waits for its threads without end.
        stopping = threading.Thread(target=self._stop, name="unwatch", daemon=True)
        stopping.start()
        stopping.join(deadline)
        if stopping.is_alive():
            log.warning("the watch did not stop within %.1f s and is left behind; is a mount dead?", deadline)

    def _stop(self) -> None:
        with self._lock:
            self._closed = True
            # An emitter that is stopped between two of its steps calls that an error.
            logging.getLogger("watchdog").setLevel(logging.CRITICAL)
            if self._observer:
                self._observer.stop()
                self._observer.join()

    def _arm(self, source: Source) -> bool:
        try:
            self._watch(source, self._running())
        except OSError as error:
            if self._refused.get(source) != error.strerror:
                hint = HINTS.get(error.errno or 0, "it is tried again at every rescan")
                log.warning("%s: cannot be watched: %s; %s", shown(str(source.start)), error.strerror, hint)
            self._refused[source] = error.strerror
            return False
        if self._refused.pop(source, None):
            log.info("%s: is watched now", shown(str(source.start)))
        return True

    def _running(self) -> BaseObserver:
        if self._observer is None:
            # watchdog warns, at length, where it came upon a new folder before the event that tells of it.
            warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
            observer = Observer()
            observer.start()
            self._observer = observer
        return self._observer

    def _watch(self, source: Source, observer: BaseObserver) -> None:
        """Raises OSError where the folder, or something below it, cannot be watched."""
        folder, armed = _identity(source.start), self._armed.get(source)
        if armed and armed.whole and armed.folder == folder and _is_alive(armed.watch, observer):
            return
        if armed:
            del self._armed[source]
            observer.unschedule(armed.watch)
        # Of a folder that cannot be read, watchdog would watch nothing, and not say so.
        os.scandir(source.start).close()
        handler = _Handler(source, self._filters, self._see)
        # With a slash at its end, because watchdog would watch a symbolic link instead of what it names.
        path = str(source.start).rstrip("/") + "/"
        watch = observer.schedule(handler, path, recursive=source.recursive, event_filter=EVENTS)
        self._armed[source] = _Armed(watch, folder, whole=False)
        if source.recursive:
            _demand_room(path)
        self._armed[source] = _Armed(watch, folder, whole=True)


class _Handler(FileSystemEventHandler):
    """Speaks for one source; of files that an inner source owns, that one's handler speaks."""

    def __init__(self, source: Source, filters: Filters, see: Callable[[Sighting], None]) -> None:
        self._source, self._filters, self._see = source, filters, see

    def dispatch(self, event: FileSystemEvent) -> None:
        # An exception would end watchdog's thread, and all watching with it, without a word.
        try:
            self._notice(event)
        except Exception:
            log.exception("%s: an event was lost; the next rescan finds the file", self._source.start)

    def _notice(self, event: FileSystemEvent) -> None:
        """A folder stands for all in it, so the events that watchdog makes up for its content are not needed."""
        path = os.fsdecode(event.dest_path or event.src_path)
        is_ours = self._filters.enters if event.is_directory else self._filters.owns
        if not event.is_synthetic and is_ours(path, self._source):
            self._see(Sighting(path, self._source.name, Origin.WATCH))


def _identity(folder: Path) -> tuple[int, int] | None:
    """None where there is no such folder."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_alive(watch: ObservedWatch, observer: BaseObserver) -> bool:
    """Whether events still come: a watch ends for good when its folder is deleted."""
    return any(emitter.watch == watch and emitter.is_alive() for emitter in observer.emitters)


def _demand_room(path: str) -> None:
    """Raises OSError where not one watch more is granted: watchdog does not say so when it fails for a subfolder."""
    with Observer() as probe:
        probe.schedule(FileSystemEventHandler(), path)
