"""A file's row says what in the picture told when it was taken. None is where an earlier release looked."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("file", sa.Column("taken_from", sa.String))
