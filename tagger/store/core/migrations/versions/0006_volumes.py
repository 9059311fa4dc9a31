"""A database remembers on which file system each source's files were, and what the last scan of it missed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("source", sa.Column("volume", sa.String))
    op.add_column("source", sa.Column("vanished_on", sa.String))
    op.add_column("source", sa.Column("vanished", sa.LargeBinary))
