"""Labels of a user's own: heads, what they were taught by, and which pictures they have still to label."""

import sqlalchemy as sa
from alembic import op

from tagger.errors import DatabaseError

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    for name in ("head", "head_source", "example", "example_vector"):
        _refuse(name)
    for column in ("head", "role"):
        op.add_column("label", sa.Column(column, sa.String))
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("any", sa.Boolean, nullable=False),
    )
    op.create_table(
        "head_source",
        sa.Column("head_id", sa.Integer, sa.ForeignKey("head.id"), primary_key=True),
        sa.Column("source_id", sa.Integer, sa.ForeignKey("source.id"), primary_key=True),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("below", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "example",
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("path", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "example_vector",
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("model_id", sa.Integer, sa.ForeignKey("model.id"), primary_key=True),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )


def _refuse(name: str) -> None:
    if sa.inspect(op.get_bind()).has_table(name):
        hint = f"rename yours: sqlite3 FILE 'ALTER TABLE {name} RENAME TO my_{name}'"
        raise DatabaseError(
            "the database", f"has a table '{name}' of yours, a name that Tagger needs now", hint
        )
