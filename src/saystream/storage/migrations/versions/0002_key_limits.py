"""Limits of the API keys, and the characters that they use in a month."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("keys", sa.Column("requests_per_minute", sa.Integer, nullable=True))
    op.add_column("keys", sa.Column("characters_per_minute", sa.Integer, nullable=True))
    op.add_column("keys", sa.Column("models", sa.JSON, nullable=True))
    op.add_column("keys", sa.Column("max_sessions", sa.Integer, nullable=True))
    op.add_column("keys", sa.Column("monthly_characters", sa.BigInteger, nullable=True))
    op.add_column("keys", sa.Column("workspace", sa.String(128), nullable=True))
    op.create_table(
        "monthly_characters",
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("characters", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_monthly_characters_key_id"),
        sa.PrimaryKeyConstraint("key_id", "month", name="pk_monthly_characters"),
    )
