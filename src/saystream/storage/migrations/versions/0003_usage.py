"""What was spoken for whom: one row for each synthesis."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("door", sa.String(16), nullable=False),
        sa.Column("key_id", sa.String(32), nullable=True),
        sa.Column("workspace", sa.String(128), nullable=True),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("voice", sa.String(128), nullable=False),
        sa.Column("characters", sa.BigInteger, nullable=True),
        sa.Column("text_tokens", sa.BigInteger, nullable=True),
        sa.Column("audio_tokens", sa.BigInteger, nullable=True),
        sa.Column("audio_ms", sa.Float, nullable=False),
        sa.Column("first_audio_ms", sa.Float, nullable=True),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("error_code", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_usage"),
    )
    op.create_index("ix_usage_created_at", "usage", ["created_at"])
