"""A database remembers which model it was begun with, and what condition each picture is in."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("file", sa.Column("flatness", sa.Float))
    op.add_column("file", sa.Column("from_camera", sa.Boolean))
    op.add_column("reading", sa.Column("outdoor", sa.Float))
    op.create_table(
        "model_choice",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("decided_at", sa.String, nullable=False),
    )
