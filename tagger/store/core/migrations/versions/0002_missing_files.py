"""Which files are missing is asked at every scan, and whether a source vanished as a whole is remembered."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("source", sa.Column("vanished_at", sa.String))
    missing = sa.text("missing_since IS NOT NULL")
    op.create_index("file_missing", "file", ["source_id"], sqlite_where=missing)
