"""Files have a camera and a state of health, people have a say in tags, and pictures can be compared."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NEW_COLUMNS: dict[str, dict[str, type[sa.types.TypeEngine[Any]]]] = {
    "source": {"place": sa.String},
    "file": {
        "taken_at": sa.String,
        "camera": sa.String,
        "app_id": sa.String,
        "brightness": sa.Float,
        "contrast": sa.Float,
        "sharpness": sa.Float,
        "colourfulness": sa.Float,
        "is_blank": sa.Boolean,
        "misdated": sa.Boolean,
    },
    "reading": {"said": sa.String, "look": sa.BigInteger},
    "tag": {"by": sa.String},
}


def upgrade() -> None:
    for table, columns in _NEW_COLUMNS.items():
        for name, kind in columns.items():
            op.add_column(table, sa.Column(name, kind))
    for table in ("label", "category"):
        op.add_column(table, sa.Column("min_score", sa.Float, nullable=False, server_default="0"))
    op.execute(
        "UPDATE file SET taken_at = replace(captured_at, ' ', 'T') || '+00:00' WHERE captured_from = 'exif'"
    )
    _places()
    _verdicts()
    op.create_table(
        "feature",
        sa.Column("file_id", sa.Integer, sa.ForeignKey("file.id"), primary_key=True),
        sa.Column("vector", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "feature_code",
        sa.Column("block", sa.Integer, primary_key=True),
        sa.Column("codes", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "limit",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )


def _places() -> None:
    op.create_table(
        "file_attribute",
        sa.Column("file_id", sa.Integer, sa.ForeignKey("file.id"), primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("file_attribute_value", "file_attribute", ["name", "value"])
    op.create_index("file_misdated", "file", ["source_id"], sqlite_where=sa.text("misdated IS NOT NULL"))
    op.create_index(
        "file_camera",
        "file",
        ["source_id", "camera", "captured_at"],
        sqlite_where=sa.text("camera IS NOT NULL"),
    )
    op.create_index("file_app", "file", ["app_id", "captured_at"], sqlite_where=sa.text("app_id IS NOT NULL"))


def _verdicts() -> None:
    op.create_table(
        "category_label",
        sa.Column("label_id", sa.Integer, sa.ForeignKey("label.id"), primary_key=True),
        sa.Column("category_id", sa.Integer, sa.ForeignKey("category.id"), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "verdict",
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("label_id", sa.Integer, sa.ForeignKey("label.id"), primary_key=True),
        sa.Column("is_right", sa.Boolean, nullable=False),
        sa.Column("decided_at", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "old_tag",
        sa.Column("file_id", sa.Integer, sa.ForeignKey("file.id"), primary_key=True),
        sa.Column("model_id", sa.Integer, sa.ForeignKey("model.id"), primary_key=True),
        sa.Column("rank", sa.Integer, primary_key=True),
        sa.Column("label_id", sa.Integer, sa.ForeignKey("label.id"), nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("tagged_at", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
