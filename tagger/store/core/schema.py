"""The tables: what is known of each file, and what a model read in it.

A file's row is both its place in the queue and the owner of its tags, so that "done" and "these are its
tags" commit together. `path` is relative to the source's root: a folder that moves keeps its rows.
A tag repeats its file's times, because an index cannot reach across tables and every question by
label is also a question by time. Tags lie in that order, label by label: a second order of them, by
`seen_at`, was given up, because each picture then wrote to ten places in the file in place of five.
Rejected: a queue beside the tags, which can disagree with them.
"""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    and_,
    literal_column,
)

from tagger.store.core.columns import Instant, PathText

VERSION = "0011"
"""The newest migration. Versions compare as text."""

metadata = MetaData()


class State(StrEnum):
    """The states of a file.

    A `suspect` was in hand when Tagger died, and is tried alone; one that kills whoever looks at it alone is
    `quarantined`. `gone` keeps its tags, which say what was there; only a scan makes sure that it is missing.
    """

    PENDING = "pending"
    BUSY = "busy"
    DONE = "done"
    FAILED = "failed"
    SUSPECT = "suspect"
    QUARANTINED = "quarantined"
    GONE = "gone"


source = Table(
    "source",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("root", PathText, nullable=False),
    Column("vanished_at", Instant),  # when a scan last missed files that may be there all the same
    Column("model_id", Integer),  # by these all its tags are, or wait to be
    Column("taxonomy_id", Integer),
    Column("place", String),  # by which all its files are dated and their paths are read
    Column("volume", PathText),  # the file system on which its files were; see `mounts.Volume`
    Column("vanished_on", PathText),  # the one on which the folder was at `vanished_at`
    Column("vanished", LargeBinary),  # which files were missed then; see `absence`
)

file = Table(
    "file",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source_id", ForeignKey("source.id"), nullable=False),
    Column("path", PathText, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("ctime_ns", BigInteger, nullable=False),
    Column("sha256", String),
    Column("width", Integer),
    Column("height", Integer),
    Column("format", String),
    Column("captured_at", Instant),
    Column("captured_from", String),
    Column("seen_at", Instant, nullable=False),
    Column("state", String, nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_try_at", Instant),
    Column("stage", String),
    Column("error", String),
    Column("missing_since", Instant),
    Column("taken_at", String),  # as EXIF has it: ISO 8601, with an offset only where the camera told one
    Column("camera", String),
    Column("app_id", String),
    Column("brightness", Float),
    Column("contrast", Float),
    Column("sharpness", Float),
    Column("colourfulness", Float),
    Column("is_blank", Boolean),
    Column("misdated", Boolean),  # where something told a time that cannot be
    Column("flatness", Float),  # the part of its pixels that equal their neighbours, 0 to 1
    Column("from_camera", Boolean),  # whether its EXIF names a camera
    Column("damaged", Boolean),  # whether the file ends before its picture does
    Column("taken_from", String),  # what told `taken_at`, '' if nothing; None of an earlier release: EXIF
    UniqueConstraint("source_id", "path"),
    CheckConstraint("state <> 'done' OR captured_at IS NOT NULL", name="done_is_dated"),
)

file_attribute = Table(
    "file_attribute",
    metadata,
    Column("file_id", ForeignKey("file.id"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
    sqlite_with_rowid=False,
)

model = Table(
    "model",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("weights_sha256", String, nullable=False),
    Column("preprocessing", String, nullable=False),
    Column("description", String, nullable=False),
    Column("used_at", Instant, nullable=False),
    UniqueConstraint("name", "weights_sha256", "preprocessing"),
)

# One row: the model that `model.name: auto` came to when this database was first used.
model_choice = Table(
    "model_choice",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("why", String, nullable=False),
    Column("decided_at", Instant, nullable=False),
)

label = Table(
    "label",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("name", String, nullable=False, unique=True),
    Column("name_zh", String),
    Column("min_score", Float, nullable=False, server_default="0"),
    Column("head", String),  # the name of the head whose label it is; None: the model's own
    Column("role", String),  # `none`, `unsure`, or `flagged`: must not be missed; others have none
)

category = Table(
    "category",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("name", String, nullable=False, unique=True),
    Column("name_zh", String),
    Column("min_score", Float, nullable=False, server_default="0"),
)

category_label = Table(
    "category_label",
    metadata,
    Column("label_id", ForeignKey("label.id"), primary_key=True),
    Column("category_id", ForeignKey("category.id"), primary_key=True),
    sqlite_with_rowid=False,
)

category_within = Table(
    "category_within",
    metadata,
    Column("category_id", ForeignKey("category.id"), primary_key=True),
    Column("parent_id", ForeignKey("category.id"), primary_key=True),
    sqlite_with_rowid=False,
)

word = Table(
    "word",
    metadata,
    Column("text", String, nullable=False, index=True),  # its case folded
    Column("label_id", ForeignKey("label.id")),
    Column("category_id", ForeignKey("category.id")),
    Column("rank", Integer, nullable=False),  # 0 for a name, 1 for a synonym
)

taxonomy = Table(
    "taxonomy",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sha256", String, nullable=False, unique=True),
)

model_class = Table(
    "model_class",
    metadata,
    Column("model_id", ForeignKey("model.id"), primary_key=True),
    Column("class_index", Integer, primary_key=True, autoincrement=False),
    Column("label_id", ForeignKey("label.id"), nullable=False),
    sqlite_with_rowid=False,
)

reading = Table(
    "reading",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("file_id", ForeignKey("file.id"), nullable=False),
    Column("model_id", ForeignKey("model.id"), nullable=False),
    Column("tagged_at", Instant, nullable=False),
    Column("top_score", Float, nullable=False),
    Column("margin", Float, nullable=False),
    Column("entropy", Float, nullable=False),
    Column("taxonomy_id", Integer),
    Column("said", String),  # where people had a say: what the model alone said, as JSON
    Column(
        "look", BigInteger
    ),  # 64 bits of its features: how many of them differ tells how alike two pictures are
    Column("outdoor", Float),  # how likely it was taken outdoors (0 to 1); NULL where the model cannot tell
    UniqueConstraint("file_id", "model_id"),
    sqlite_autoincrement=True,  # a seq is never given twice, so a reader's cursor misses nothing
)

tag = Table(
    "tag",
    metadata,
    Column("label_id", ForeignKey("label.id"), primary_key=True),
    Column("captured_at", Instant, primary_key=True),
    Column("file_id", Integer, primary_key=True, autoincrement=False),
    Column("model_id", Integer, primary_key=True, autoincrement=False),
    Column("rank", Integer, primary_key=True, autoincrement=False),
    Column("score", Float, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("by", String),  # who says so, where it is not the model
    UniqueConstraint("file_id", "model_id", "rank"),
    ForeignKeyConstraint(["file_id", "model_id"], ["reading.file_id", "reading.model_id"]),
    sqlite_with_rowid=False,
)

# No second order, and no references that SQLite would look up: three of these rows cost as much as a tag. A file's
# own are found by its time in each of the few categories.
category_score = Table(
    "category_score",
    metadata,
    Column("category_id", Integer, primary_key=True, autoincrement=False),
    Column("captured_at", Instant, primary_key=True),
    Column("file_id", Integer, primary_key=True, autoincrement=False),
    Column("model_id", Integer, primary_key=True, autoincrement=False),
    Column("score", Float, nullable=False),
    sqlite_with_rowid=False,
)

old_tag = Table(
    "old_tag",
    metadata,
    Column("file_id", ForeignKey("file.id"), primary_key=True),
    Column("model_id", ForeignKey("model.id"), primary_key=True),
    Column("rank", Integer, primary_key=True, autoincrement=False),
    Column("label_id", ForeignKey("label.id"), nullable=False),
    Column("score", Float, nullable=False),
    Column("tagged_at", Instant, nullable=False),
    sqlite_with_rowid=False,
)

# By content, not by file: a verdict follows a picture that moves, and holds for its copies.
verdict = Table(
    "verdict",
    metadata,
    Column("sha256", String, primary_key=True),
    Column("label_id", ForeignKey("label.id"), primary_key=True),
    Column("is_right", Boolean, nullable=False),
    Column("decided_at", Instant, nullable=False),
    sqlite_with_rowid=False,
)

feature = Table(
    "feature",
    metadata,
    Column("file_id", ForeignKey("file.id"), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float16 numbers; see `vectors`
)

feature_code = Table(
    "feature_code",
    metadata,
    Column("block", Integer, primary_key=True),
    Column("codes", LargeBinary, nullable=False),  # of a thousand files; see `codes`
)

limit = Table(
    "limit",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Float, nullable=False),
    sqlite_with_rowid=False,
)
"""Numbers of the config that views compare with."""

control = Table(
    "control",
    metadata,
    Column("name", String, primary_key=True),  # of a row of its own; see `control`
    Column("value", String),
    Column("at", Instant, nullable=False),
    sqlite_with_rowid=False,
)


def configured(name: str, default: float) -> str:
    """Return SQL for a number of the config, or for the default where no worker has written it down yet."""
    return f"coalesce((SELECT value FROM \"limit\" WHERE name = '{name}'), {default})"  # noqa: S608


UNFINISHED = file.c.state != literal_column("'done'")
"""Written out, not bound: a database uses a partial index only where it sees its condition in the query."""

Index(
    "file_unfinished",
    file.c.state,
    file.c.urgency.desc(),
    file.c.mtime_ns.desc(),
    file.c.source_id,
    sqlite_where=UNFINISHED,
)
Index("file_missing", file.c.source_id, sqlite_where=file.c.missing_since.is_not(None))
Index("file_content", file.c.sha256)
Index("file_stamp", file.c.ctime_ns, file.c.mtime_ns, file.c.size)
Index("file_latest", file.c.source_id, file.c.captured_at)
Index("file_captured", file.c.captured_at)
Index(
    "file_camera",
    file.c.source_id,
    file.c.camera,
    file.c.captured_at,
    sqlite_where=file.c.camera.is_not(None),
)
Index("file_app", file.c.app_id, file.c.captured_at, sqlite_where=file.c.app_id.is_not(None))
Index("file_misdated", file.c.source_id, sqlite_where=file.c.misdated.is_not(None))
Index("file_attribute_value", file_attribute.c.name, file_attribute.c.value)
Index("file_seen", file.c.seen_at)
Index("reading_confidence", reading.c.top_score)


def in_state(state: State) -> ColumnElement[bool]:
    """Return the condition that a file is in `state` (any but done), found through the index of the unfinished."""
    return and_(file.c.state == state, UNFINISHED)
