"""What people want of a daemon, and what it tells them, has a table of its own; a pause moves there from the limits."""

import sqlalchemy as sa
from alembic import op

from tagger.errors import DatabaseError

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    if sa.inspect(op.get_bind()).has_table("control"):
        hint = "rename yours: sqlite3 FILE 'ALTER TABLE control RENAME TO my_control'"
        raise DatabaseError(
            "the database", "has a table 'control' of yours, a name that Tagger needs now", hint
        )
    op.create_table(
        "control",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.String),
        sa.Column("at", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO control (name, at) SELECT 'pause', strftime('%Y-%m-%d %H:%M:%f', value, 'unixepoch')"
        " FROM \"limit\" WHERE name = 'paused_since'"
    )
    op.execute("DELETE FROM \"limit\" WHERE name = 'paused_since'")
