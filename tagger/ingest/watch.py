"""Events of watchdog become sightings. An event is a hint, so most of what it says is thrown away.

One handler per source speaks for that source's files alone, so that a file in nested sources is seen once, by its
owner. A watch of our own for each folder, which would spare the ignored ones, was rejected: watchdog starts a thread
for each. Nor is it believed that a watch lasts: `arm` looks again and again at what was promised, since folders go
away, others are mounted over them, watches run out and threads die without an event to tell of it.
"""

import errno
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler

from tagger.config.sources import Source
from tagger.host import mounts
from tagger.ingest.filters import Filters
from tagger.ingest.inbox import Inbox
from tagger.ingest.inotify import LIMITS, Emitter, Observer
from tagger.ingest.source_mount import SourceMount, mount_of
from tagger.records import Origin, Sighting
from tagger.wording.escape import shown

log = logging.getLogger(__name__)

RETRY_AFTER = 60.0
"""Seconds between two attempts where a limit was reached, because each may walk a big tree."""

AWAY = {
    errno.ENOTDIR: "name a folder in the config",
    errno.EACCES: "let the user that runs tagger read it",
}
OVERFLOWED = (
    "events were lost: the kernel's queue was full; all sources are scanned again. "
    "More room: sysctl fs.inotify.max_queued_events=131072"
)
REFUSED = {
    errno.ENOSPC: "raise the limit: sysctl fs.inotify.max_user_watches=524288",
    errno.EMFILE: "raise the limit: sysctl fs.inotify.max_user_instances=512, or that of open files: ulimit -n",
}


@dataclass(frozen=True)
class _Hold:
    """What came of watching a source; `trouble` says why its events do not tell all, `again` when to try anew."""

    lies_on: SourceMount
    emitter: Emitter | None = None
    trouble: str = ""
    again: float = math.inf


class Watch:
    """Writes a sighting of each file and each folder that appears or changes in a source into the inbox.

    Where the kernel dropped events, all sources are asked to be scanned.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        filters: Filters,
        inbox: Inbox,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources, self._filters, self._inbox = tuple(sources), filters, inbox
        self._clock, self._calm_at = clock, -math.inf
        self._observer: Observer | None = None
        self._holds: dict[Source, _Hold] = {}
        self._said: dict[Source, str] = {}
        self._mounted = mounts.table()
        self._polled: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._closed = False

    @property
    def polled(self) -> frozenset[str]:
        """Return names of the sources, of those that are there, whose events do not tell all."""
        return self._polled

    @property
    def troubles(self) -> dict[str, str]:
        """Return why a source's events do not tell all, by its name; nothing where all is well."""
        return {source.name: trouble for source, trouble in self._said.copy().items()}

    def arm(self) -> list[Source]:
        """Watch what is not watched, or no longer; return the sources in which something may have gone unseen.

        To be called every two seconds. Where all is well it costs a few calls of stat.
        """
        with self._lock:
            if self._closed:
                return []
            self._bury()
            self._mounted = mounts.table(self._mounted)
            unseen = [source for source in self._sources if self._arm(source)]
            self._polled = frozenset(source.name for source, hold in self._holds.items() if hold.trouble)
            return unseen

    def close(self, deadline: float = 5.0) -> None:
        """Stop watching all sources. Threads that still hang after `deadline` seconds, on a dead mount, are left behind."""
        stopping = _in_thread(self._stop)
        stopping.join(deadline)
        if stopping.is_alive():
            log.warning("the watch did not stop within %.1f s and is left behind; is a mount dead?", deadline)

    def _stop(self) -> None:
        with self._lock:
            self._closed = True
            if self._observer:
                self._observer.stop()
                self._observer.join()

    def _overflowed(self) -> None:
        now = self._clock()
        if now >= self._calm_at:
            log.warning(OVERFLOWED)
        self._calm_at = now + RETRY_AFTER
        self._inbox.ask_lost(source.name for source in self._sources)

    def _bury(self) -> None:
        if self._observer and (dead := self._observer.dead):
            log.error("watchdog's %s thread has died; all sources are watched anew and scanned", dead)
            _in_thread(self._observer.abandon).join(1.0)
            self._observer = None
            self._holds.clear()

    def _arm(self, source: Source) -> bool:
        """Return whether something may have gone unseen."""
        held = self._holds.get(source)
        try:
            found = mount_of(source, self._filters, self._mounted)
            hold = held if held and self._lasts(source, held, found) else self._take(source, found)
        except OSError as error:
            self._release(source)
            self._say(source, _away(error))
            return False
        if hold.emitter and hold.emitter.refusal and not hold.trouble:
            hold = self._refused(hold, hold.emitter.refusal)
        self._holds[source] = hold
        self._say(source, hold.trouble)
        return hold is not held

    def _lasts(self, source: Source, hold: _Hold, found: SourceMount) -> bool:
        """Return whether what was held still is true, and no better is to be hoped for."""
        if hold.lies_on != found or (hold.emitter and hold.emitter.ended):
            log.info("%s: is another folder now, or something was mounted or unmounted there", _name(source))
            return False
        return self._clock() < hold.again

    def _take(self, source: Source, found: SourceMount) -> _Hold:
        """Watch a source anew. Raises OSError where there is no folder that can be read."""
        self._release(source)
        if found.is_silent:
            return _Hold(found, trouble=found.silence)
        handler = _Handler(source, self._filters, self._inbox)
        try:
            # Of a folder that cannot be read, watchdog would watch nothing, and not say so.
            os.scandir(source.start).close()
            emitter = self._running().watch(source.start, handler, source.recursive)
        except OSError as error:
            if error.errno not in LIMITS:
                raise
            return self._refused(_Hold(found), error)
        return _Hold(found, emitter, found.silence)

    def _refused(self, hold: _Hold, error: OSError) -> _Hold:
        hint = REFUSED.get(error.errno or 0, "it is tried again every minute")
        trouble = f"cannot be watched whole: {error.strerror}; {hint}; until then it is scanned often instead"
        return replace(hold, trouble=trouble, again=self._clock() + RETRY_AFTER)

    def _release(self, source: Source) -> None:
        hold = self._holds.pop(source, None)
        if hold and hold.emitter and self._observer:
            self._observer.unschedule(hold.emitter.watch)

    def _running(self) -> Observer:
        if self._observer is None:
            observer = Observer(self._overflowed)
            observer.start()
            self._observer = observer
        return self._observer

    def _say(self, source: Source, trouble: str) -> None:
        """Log what is wrong with a source once, until that changes."""
        said = self._said.get(source, "")
        self._said[source] = trouble
        if trouble and trouble != said:
            log.warning("%s: %s", _name(source), trouble)
        elif said and not trouble:
            log.info("%s: is watched now", _name(source))


class _Handler(FileSystemEventHandler):
    """Speaks for one source; of files that an inner source owns, that one's handler speaks."""

    def __init__(self, source: Source, filters: Filters, inbox: Inbox) -> None:
        self._source, self._filters, self._inbox = source, filters, inbox

    def dispatch(self, event: FileSystemEvent) -> None:
        # An exception would end watchdog's thread, and all watching with it, without a word.
        try:
            self._notice(event)
        except Exception:
            log.exception("%s: an event was lost; the next rescan finds the file", self._source.start)

    def _notice(self, event: FileSystemEvent) -> None:
        """Write a sighting. A folder stands for all in it, so the events that watchdog makes up for its content are not needed."""
        path = os.fsdecode(event.dest_path or event.src_path)
        if event.is_synthetic:
            return
        if self._source.follow_links and Path(path).is_symlink():
            # Only a scan tells a loop, or what is met elsewhere.
            self._inbox.ask_lost([self._source.name])
            return
        is_ours = self._filters.enters if event.is_directory else self._filters.owns
        if is_ours(path, self._source):
            self._inbox.see(Sighting(path, self._source.name, Origin.WATCH))


def _away(error: OSError) -> str:
    if hint := AWAY.get(error.errno or 0):
        return f"cannot be watched: {error.strerror}; {hint}"
    return f"is away: {error.strerror}; it is looked for every two seconds"


def _name(source: Source) -> str:
    return shown(str(source.start))


def _in_thread(stop: Callable[[], None]) -> threading.Thread:
    """Run it in a thread, because watchdog's own stop waits for its threads without end."""
    stopping = threading.Thread(target=stop, name="unwatch", daemon=True)
    stopping.start()
    return stopping
