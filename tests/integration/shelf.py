"""A real database with a source, a model and a clock in hand."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tagger.records import Facts, Label, ModelIdentity, Origin, Reading, Stamp, Tag, Tagged
from tagger.store.database import Database
from tagger.store.journal import Journal
from tagger.store.writer import Writer

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
RESNET = ModelIdentity("resnet18", "ab12", "128/112")
LABELS = tuple(
    Label(f"n{number:08}", name)
    for number, name in enumerate(("tabby", "police van", "sports car", "web site", "Éclair"))
)


def label(name: str) -> Label:
    return next(label for label in LABELS if label.name == name)


def sha(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


class Shelf:
    """`now` is what the journal and the writer take for the time; files live in `/data/<source>`."""

    def __init__(self, file: Path, sources: tuple[str, ...] = ("cam",)) -> None:
        self.file, self.now = file, NOON
        self.database = Database.open(str(file), create=True)
        self.roots = {source: f"/data/{source}" for source in sources}
        self.journal = Journal(self.database, self.roots, lambda: self.now)
        self.writer = self.writer_for(RESNET)

    def writer_for(self, model: ModelIdentity) -> Writer:
        return Writer(self.database, model, LABELS, f"{model.name} (built in)", lambda: self.now)

    def stamp(self, name: str, source: str = "cam", age: timedelta = timedelta()) -> Stamp:
        """What a scan sees of a file that was written `age` ago."""
        written = int((self.now - age).timestamp()) * 10**9
        return Stamp(f"/data/{source}/{name}", source, 1000, written, written)

    def admitted(self, *stamps: Stamp, origin: Origin = Origin.WATCH) -> list[Stamp]:
        self.journal.admit(stamps, origin)
        return self.journal.claim(len(stamps))

    def tag(
        self, stamp: Stamp, scores: dict[str, float], content: str = "", taken_at: datetime | None = None
    ) -> None:
        """The whole way of one file, from admission to its tags."""
        self.admitted(stamp)
        self.writer.write([tagged(stamp, scores, content, taken_at)])

    def sql(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """What a SQL user sees, through the sqlite3 module alone."""
        with _reading(self.file) as connection:
            return connection.execute(query, values).fetchall()


def tagged(
    stamp: Stamp, scores: dict[str, float], content: str = "", taken_at: datetime | None = None
) -> Tagged:
    """A reading with the given scores; the content is the file's name unless it is given."""
    tags = tuple(Tag(label(name), score, rank) for rank, (name, score) in enumerate(scores.items(), 1))
    facts = Facts(sha(content or stamp.path), 1920, 1080, "JPEG", taken_at)
    return Tagged(stamp, facts, Reading(tags, tags[0].score, margin=0.1, entropy=1.0))


def rewritten(stamp: Stamp) -> Stamp:
    """The same path and size after someone has written to it and put the mtime back."""
    return replace(stamp, ctime_ns=stamp.ctime_ns + 1)


@contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()
