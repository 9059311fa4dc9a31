"""Two folders of pictures, and all that finds, follows and tags them, as in a daemon, but one step after the other."""

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tagger.config.path_rules import PathRules
from tagger.config.sources import Source
from tagger.ingest.filters import Filters
from tagger.ingest.inbox import Inbox
from tagger.ingest.scanner import Scanner
from tagger.ingest.settle import Settling, look_beneath
from tagger.ingest.settler import Settler
from tagger.ingest.watch import Watch
from tagger.records import Gone, Known, Outcome, Stamp
from tagger.search.parse import parse
from tagger.store.core import file_moves, pathtext
from tagger.store.core.database import Database
from tagger.store.core.file_moves import FileMove
from tagger.store.queue.file_queue import FileQueue
from tagger.store.search import found
from tagger.store.tags.moves import Moves
from tagger.store.tags.redate import Redate
from tagger.store.tags.writer import Writer
from tagger.supervision import Closed
from tests.integration.shelf import LABELS, RESNET, TAXONOMY, tagged

HOUR_AGO = time.time() - 3600
NAMES = ("src", "other")


class Site:
    """Two folders that are watched, and one process that tags; `read` are the files that it read, by name."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self.folder, self.roots = folder, {name: folder / name for name in NAMES}
        for root in self.roots.values():
            root.mkdir()
            (root / "stays").write_text("")  # an empty folder might be a place where nothing is mounted
        self.src, self.other = self.roots.values()
        self.database = Database.open(str(folder / "tags.db"), create=True)
        self.rules = dict.fromkeys(NAMES, PathRules(pattern))
        self.read: list[str] = []
        self.start()

    def start(self, **roots: Path) -> None:
        """Begin anew, perhaps with other folders."""
        self.roots = roots or self.roots
        self.rules = dict.fromkeys(self.roots, self.rules["src"])
        names = {name: str(root) for name, root in self.roots.items()}
        linked = (self.folder / "linked",)
        self.sources = [
            Source(path=root, name=name, follow_links=linked) for name, root in self.roots.items()
        ]
        self.reaches = {source.name: source.reach for source in self.sources}
        now: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731
        self.writer = Writer(
            self.database, RESNET, LABELS, TAXONOMY, "", now, places=self.rules, reaches=self.reaches
        )
        self.queue = FileQueue(self.database, names, now, self.writer.registered)
        self.queue.start()
        self.redates = {name: Redate(self.database, name, self.rules[name], now) for name in names}

    def scan(self) -> None:
        """Scan both folders, and wait until all has settled."""
        inbox, filters = Inbox(), Filters(self.sources, {".png"})
        watch = Watch(self.sources, filters, inbox)
        by_name = {source.name: source for source in self.sources}
        settling = Settling(dict.fromkeys(self.roots, 0.0), partial(look_beneath, by_name))
        moves = Moves(self.queue, self.redates, self.reaches)
        scanner = Scanner(
            self.sources, filters, inbox, watch, settling, self.queue, self.redates, moves, 300, 10
        )
        settler = Settler(inbox, settling, self.queue, moves)
        with suppress(Closed):
            scanner.once()
        while not inbox.is_finished:
            settler.step()

    def work(self) -> None:
        """Read and tag all that waits."""
        while stamps := self.queue.claim(1):
            self.writer.write([self.outcome(stamp) for stamp in stamps])

    def outcome(self, stamp: Stamp) -> Outcome:
        path = Path(stamp.path)
        if not path.exists():
            return Gone(stamp)
        self.read.append(path.name)
        content = path.read_text()
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        if self.writer.knows(stamp.source, sha256):
            return Known(stamp, sha256)
        return tagged(stamp, {"tabby": 0.9}, content)

    def tag_all(self) -> None:
        self.scan()
        self.work()
        self.read.clear()

    @property
    def rows(self) -> dict[str, int]:
        """The `seq` of each picture that is there, by its path below the folder of all."""
        rows = self.sql("SELECT path, seq FROM top_tag WHERE NOT is_gone")
        return {
            os.path.relpath(pathtext.from_text(str(path)), self.src.parent): int(str(seq))
            for path, seq in rows
        }

    @property
    def contents(self) -> dict[str, object]:
        """The hash that each file's tags are of, by its path below the folder of all; None for one without tags."""
        rows = self.sql(
            "SELECT root || '/' || path, sha256 FROM file JOIN source ON source.id = source_id WHERE state <> 'gone'"
        )
        return {
            os.path.relpath(pathtext.from_text(str(path)), self.src.parent): sha256 for path, sha256 in rows
        }

    @property
    def moves(self) -> list[FileMove]:
        with self.database.read() as connection:
            return file_moves.since(connection, 0)

    def sql(self, query: str) -> list[tuple[object, ...]]:
        with self.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def found(self, text: str) -> list[str]:
        hits = found.search(self.database, parse(text, datetime.now(UTC)), text, 0.3)
        return [os.path.relpath(hit.picture.path, self.src.parent) for hit in hits]


def drop(path: Path, text: str | None = None) -> Path:
    """A file whose content is its name unless it is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(path.name if text is None else text)
    os.utime(path, (HOUR_AGO, HOUR_AGO))
    return path
