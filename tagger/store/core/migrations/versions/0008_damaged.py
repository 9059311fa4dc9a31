"""A picture has tags though its file ends before it does, and says so."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("file", sa.Column("damaged", sa.Boolean))
