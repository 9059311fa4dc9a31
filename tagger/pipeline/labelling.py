"""Heads at work: taken up when their files are there or change, and told of all pictures that were stored before.

Who learns a head is another process, which puts files into place and knows nothing of this one; so they are looked at every two
seconds. Pictures that are stored from then on have the head's labels at once, by `Writer`; the rest is gone through some hundred at
a time, with a rest after each, so that a new file does not wait.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event

from tagger.errors import ModelError
from tagger.heads import files
from tagger.heads.head import Fit, Head, HeadTag, said_of
from tagger.pipeline.recent_events import RecentEvents
from tagger.records import ModelIdentity, Tagged
from tagger.store.core.registry import set_thresholds
from tagger.store.core.write_retry import UnavailableError, retried
from tagger.store.tags import head_backlog, heads
from tagger.store.tags.head_backlog import Progress
from tagger.store.tags.heads import HeadsInUse, KnownHead
from tagger.store.tags.writer import Writer
from tagger.supervision import Closed, advanced, waiting
from tagger.wording.plural import counted

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between two looks at the files of heads."""
REST = 0.02
"""Seconds between two transactions of the backlog."""

_Seen = tuple[int, int, int]


class Labelling:
    """Has heads label pictures. `step` is to be run in a thread."""

    def __init__(
        self,
        writer: Writer,
        wanted: Mapping[str, Sequence[str]],
        identities: Mapping[str, ModelIdentity],
        events: RecentEvents,
    ) -> None:
        """`wanted` are heads' names and `identities` the models that read pictures, by sources' names.

        Those under the empty name are for pictures that are handed in, which are of no source.
        """
        self._database, self._writer, self._events = writer.database, writer, events
        self._wanted, self._identities = wanted, identities
        self._folder = files.beside(writer.database.path)
        self._seen: dict[str, _Seen | None] | None = None
        self._heads: dict[str, Head | None] = {}
        self._labelled: dict[str, int] = {}
        self._closed, self.is_done = Event(), False

    def take_up(self) -> None:
        """Have the heads label pictures whose files are there now, if any has changed since the last look."""
        names = sorted({name for its in self._wanted.values() for name in its})
        now = {name: self._look(name) for name in names}
        if now == self._seen:
            return
        for name in names:
            if self._seen is None or self._seen[name] != now[name]:
                self._heads[name] = self._read(name)
        self._seen = now
        self._use()

    def step(self) -> None:
        """Take up what has changed, label some pictures that were stored before, and rest. Raises Closed."""
        self.take_up()
        self.once()

    def once(self) -> None:
        """Label some pictures that were stored before, and rest. Raises Closed."""
        try:
            progress = self._progress()
        except UnavailableError:  # the next round is soon enough
            self._rest(EVERY)
            return
        self.is_done = progress is None
        if progress:
            self._tell(progress)
            advanced()
        self._rest(REST if progress else EVERY)

    def said(self, picture: Tagged) -> list[tuple[Head, HeadTag]]:
        """Return all that heads say of a picture that was handed in; nothing where it has no features."""
        heads_of = self._writer.heads.of(picture.target.source)
        return said_of(picture, ((known.head, fit) for known, fit in heads_of))

    def unfit(self) -> list[str]:
        """Return the heads that are learned, but not for the model that reads some of their sources."""
        every = [(self._heads.get(name), its) for its, names in self._wanted.items() for name in names]
        return sorted({one.name for one, its in every if one and not one.fit_for(self._identities[its])})

    def close(self) -> None:
        self._closed.set()

    @retried
    def _use(self) -> None:
        """Make the heads known to the database and to the writer, in one transaction: no picture falls between."""
        with self._database.write() as connection:
            known = heads.all_known(connection, filter(None, self._heads.values()))
            set_thresholds(connection, self._writer.thresholds)  # a new label may have one
            by_source = {source: [*self._fits(source, known)] for source in self._wanted}
            model_of = self._writer.registered.model_of
            self._writer.heads = HeadsInUse(by_source, {source: model_of(source) for source in by_source})
            head_backlog.plan(
                connection, {source: self._plan(source, known) for source in self._wanted if source}
            )
        self.is_done = False

    def _progress(self) -> Progress | None:
        """Label some pictures; where none is left, nobody is kept from writing. Return what was done; None for nothing."""
        with self._database.read() as connection:
            if not head_backlog.left(connection):
                return None
        with self._database.write() as connection:
            return head_backlog.step(connection, self._writer.heads)

    def _fits(self, source: str, known: Mapping[str, KnownHead]) -> Iterator[tuple[KnownHead, Fit]]:
        for name in self._wanted[source]:
            if name in known and (fit := known[name].head.fit_for(self._identities[source])):
                yield known[name], fit

    def _plan(self, source: str, known: Mapping[str, KnownHead]) -> dict[str, str]:
        """Return the hashes of a source's heads; empty for one that cannot label, whatever it said before."""
        labels = {one.head.name: one.head.sha256 for one, _ in self._fits(source, known)}
        return {name: labels.get(name, "") for name in self._wanted[source]}

    def _look(self, name: str) -> _Seen | None:
        try:
            found = self._path(name).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _path(self, name: str) -> Path:
        return (self._folder or Path(os.devnull)) / f"{name}.json"

    def _read(self, name: str) -> Head | None:
        """Return the head of that name; None where it is not learned, or damaged: the log says which, and what to do."""
        try:
            found = files.read(self._folder, name) if self._folder else None
        except ModelError as error:
            log.warning("%s", error)
            return self._heads.get(name)
        if found is None:
            log.info("head %s is not learned yet, and labels nothing; teach it: tagger teach %s", name, name)
        return found

    def _tell(self, progress: Progress) -> None:
        for name, count in progress.labelled.items():
            self._labelled[name] = self._labelled.get(name, 0) + count
        for name in progress.finished:
            count = self._labelled.pop(name, 0)
            if not self._heads.get(name):
                log.info("head %s is in no source's heads any more: its labels were taken away", name)
                continue
            log.info("head %s: %s labelled that had been stored before", name, counted(count, "picture"))
            self._events.post("head", head=name, labelled=str(count))

    def _rest(self, seconds: float) -> None:
        with waiting():
            if self._closed.wait(seconds):
                raise Closed
