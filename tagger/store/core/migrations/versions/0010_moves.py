"""Files are found by what a scan sees of them, and where each was before it moved is kept."""

import sqlalchemy as sa
from alembic import op

from tagger.errors import DatabaseError

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    if sa.inspect(op.get_bind()).has_table("file_move"):
        hint = "rename yours: sqlite3 FILE 'ALTER TABLE file_move RENAME TO my_file_move'"
        raise DatabaseError(
            "the database", "has a table 'file_move' of yours, a name that Tagger needs now", hint
        )
    op.create_index("file_stamp", "file", ["ctime_ns", "mtime_ns", "size"])
    op.create_table(
        "file_move",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("file_id", sa.Integer, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("old_path", sa.String, nullable=False),
        sa.Column("moved_at", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
