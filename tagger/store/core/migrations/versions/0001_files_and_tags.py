"""Sources, files, models, labels, readings and tags. A migration is history: it is never edited."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _sources_and_files()
    _models_and_labels()
    _readings_and_tags()
    _indexes()


def _sources_and_files() -> None:
    op.create_table(
        "source",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("root", sa.String, nullable=False),
    )
    op.create_table(
        "file",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("source_id", sa.Integer, sa.ForeignKey("source.id"), nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("ctime_ns", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("format", sa.String),
        sa.Column("captured_at", sa.String),
        sa.Column("captured_from", sa.String),
        sa.Column("seen_at", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_try_at", sa.String),
        sa.Column("stage", sa.String),
        sa.Column("error", sa.String),
        sa.Column("missing_since", sa.String),
        sa.UniqueConstraint("source_id", "path"),
        sa.CheckConstraint("state <> 'done' OR captured_at IS NOT NULL", name="done_is_dated"),
    )


def _models_and_labels() -> None:
    op.create_table(
        "model",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("weights_sha256", sa.String, nullable=False),
        sa.Column("preprocessing", sa.String, nullable=False),
        sa.Column("description", sa.String, nullable=False),
        sa.Column("used_at", sa.String, nullable=False),
        sa.UniqueConstraint("name", "weights_sha256", "preprocessing"),
    )
    op.create_table(
        "label",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
    )
    op.create_table(
        "model_class",
        sa.Column("model_id", sa.Integer, sa.ForeignKey("model.id"), primary_key=True),
        sa.Column("class_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("label_id", sa.Integer, sa.ForeignKey("label.id"), nullable=False),
        sqlite_with_rowid=False,
    )


def _readings_and_tags() -> None:
    op.create_table(
        "reading",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("file_id", sa.Integer, sa.ForeignKey("file.id"), nullable=False),
        sa.Column("model_id", sa.Integer, sa.ForeignKey("model.id"), nullable=False),
        sa.Column("tagged_at", sa.String, nullable=False),
        sa.Column("top_score", sa.Float, nullable=False),
        sa.Column("margin", sa.Float, nullable=False),
        sa.Column("entropy", sa.Float, nullable=False),
        sa.UniqueConstraint("file_id", "model_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tag",
        sa.Column("label_id", sa.Integer, sa.ForeignKey("label.id"), primary_key=True),
        sa.Column("captured_at", sa.String, primary_key=True),
        sa.Column("file_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("model_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("rank", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("seen_at", sa.String, nullable=False),
        sa.UniqueConstraint("file_id", "model_id", "rank"),
        sa.ForeignKeyConstraint(["file_id", "model_id"], ["reading.file_id", "reading.model_id"]),
        sqlite_with_rowid=False,
    )


def _indexes() -> None:
    unfinished = sa.text("state <> 'done'")
    op.create_index(
        "file_unfinished",
        "file",
        ["state", sa.text("urgency DESC"), sa.text("mtime_ns DESC"), "source_id"],
        sqlite_where=unfinished,
    )
    op.create_index("file_content", "file", ["sha256"])
    op.create_index("file_latest", "file", ["source_id", "captured_at"])
    op.create_index("file_captured", "file", ["captured_at"])
    op.create_index("file_seen", "file", ["seen_at"])
    op.create_index("reading_confidence", "reading", ["top_score"])
