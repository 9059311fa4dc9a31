"""Labels have Chinese names, files have scores by category, and all that people call either is looked up as a word."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _categories()
    _words()
    op.add_column("label", sa.Column("name_zh", sa.String))
    op.create_table(
        "taxonomy",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.String, nullable=False, unique=True),
    )
    for table, column in (("reading", "taxonomy_id"), ("source", "model_id"), ("source", "taxonomy_id")):
        op.add_column(table, sa.Column(column, sa.Integer))


def _categories() -> None:
    op.create_table(
        "category",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("name_zh", sa.String),
    )
    op.create_table(
        "category_within",
        sa.Column("category_id", sa.Integer, sa.ForeignKey("category.id"), primary_key=True),
        sa.Column("parent_id", sa.Integer, sa.ForeignKey("category.id"), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "category_score",
        sa.Column("category_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("captured_at", sa.String, primary_key=True),
        sa.Column("file_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("model_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("score", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )


def _words() -> None:
    op.create_table(
        "word",
        sa.Column("text", sa.String, nullable=False),
        sa.Column("label_id", sa.Integer, sa.ForeignKey("label.id")),
        sa.Column("category_id", sa.Integer, sa.ForeignKey("category.id")),
        sa.Column("rank", sa.Integer, nullable=False),
    )
    op.create_index("ix_word_text", "word", ["text"])
    # The labels of models that are no longer in use are registered by nobody else.
    connection = op.get_bind()
    known = connection.execute(sa.text("SELECT id, name FROM label")).all()
    words = [{"text": name.casefold(), "label_id": id_} for id_, name in known]
    if words:
        connection.execute(sa.text("INSERT INTO word VALUES (:text, :label_id, NULL, 0)"), words)
