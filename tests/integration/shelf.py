"""A real database with a source, a model and a clock in hand."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tagger.host.mounts import Volume
from tagger.records import (
    Category,
    Facts,
    Label,
    ModelIdentity,
    Origin,
    Reading,
    Stamp,
    Tag,
    Tagged,
    Taxonomy,
)
from tagger.store.core.database import Database
from tagger.store.queue.absence import APART
from tagger.store.queue.file_queue import FileQueue
from tagger.store.queue.missing import MissingFiles
from tagger.store.tags.writer import Writer

HOME = Volume("ext4", "0123456789abcdef")
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
RESNET = ModelIdentity("resnet18", "ab12", "128/112")
LABELS = tuple(
    Label(f"n{number:08}", name, name_zh, tuple(synonyms))
    for number, (name, name_zh, *synonyms) in enumerate(
        (
            ("tabby", "虎斑猫", "tabby cat", "tiger cat"),
            ("police van", "警车", "black maria"),
            ("sports car", "跑车"),
            ("web site", "网站", "website"),
            ("Éclair", "闪电泡芙"),
        )
    )
)
CATEGORIES = {"animal": ["tabby"], "vehicle": ["police van", "sports car"], "car": ["sports car"]}
TAXONOMY = Taxonomy(
    "5e1f",
    (
        Category("animal", "animal", "动物"),
        Category("vehicle", "vehicle", "交通工具"),
        Category("car", "car", "汽车", ("auto",), ("vehicle",)),
    ),
    {key: [label.key for label in LABELS if label.name in names] for key, names in CATEGORIES.items()},
)


def label(name: str) -> Label:
    return next(label for label in LABELS if label.name == name)


def sha(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def root_of(source: str) -> str:
    """A source may have a name that no folder can have."""
    is_possible = "\0" not in source and ".." not in source.split("/")
    return f"/data/{source if is_possible else source.encode().hex()}"


class Shelf:
    """`now` is what the queue and the writer take for the time; files live where `root_of` says."""

    def __init__(self, file: Path, sources: tuple[str, ...] = ("cam",)) -> None:
        self.file, self.now = file, NOON
        self.database = Database.open(str(file), create=True)
        self.roots = {source: root_of(source) for source in sources}
        self.writer = self.writer_for(RESNET)
        self.queue = self.queue_of(self.writer)

    def writer_for(self, model: ModelIdentity, taxonomy: Taxonomy = TAXONOMY) -> Writer:
        description = f"{model.name} (built in)"
        return Writer(self.database, model, LABELS, taxonomy, description, lambda: self.now)

    def queue_of(self, writer: Writer) -> FileQueue:
        return FileQueue(self.database, self.roots, lambda: self.now, writer.registered)

    def stamp(self, name: str, source: str = "cam", age: timedelta = timedelta()) -> Stamp:
        """What a scan sees of a file that was written `age` ago."""
        written = int((self.now - age).timestamp()) * 10**9
        return Stamp(f"{root_of(source)}/{name}", source, 1000, written, written)

    def admitted(self, *stamps: Stamp, origin: Origin = Origin.WATCH) -> list[Stamp]:
        self.queue.admit(stamps, origin)
        return self.queue.claim(len(stamps))

    def tag(
        self, stamp: Stamp, scores: dict[str, float], content: str = "", taken_at: datetime | None = None
    ) -> None:
        """The whole way of one file, from admission to its tags."""
        self.admitted(stamp)
        self.writer.write([tagged(stamp, scores, content, taken_at)])

    def vanish(self, *rows: int, source: str = "cam") -> None:
        """Two scans, long enough apart, miss the files of these rows."""
        for _ in range(2):
            MissingFiles(self.queue, source).mark(rows, HOME)
            self.now += APART

    def sql(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """What a SQL user sees, through the sqlite3 module alone."""
        with _reading(self.file) as connection:
            return connection.execute(query, values).fetchall()


def tagged(
    stamp: Stamp,
    scores: dict[str, float],
    content: str = "",
    taken_at: datetime | None = None,
    taken_from: str | None = None,
) -> Tagged:
    """A reading with the given scores; the content is the file's name unless it is given."""
    tags = tuple(Tag(label(name), score, rank) for rank, (name, score) in enumerate(scores.items(), 1))
    facts = Facts(sha(content or stamp.path), 1920, 1080, "JPEG", taken_at, taken_from=taken_from)
    sums = ((key, sum(scores.get(name, 0) for name in names)) for key, names in CATEGORIES.items())
    categories = tuple((key, score) for key, score in sums if score)
    return Tagged(stamp, facts, Reading(tags, tags[0].score, 0.1, 1.0, categories))


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
