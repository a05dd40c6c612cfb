"""Cloned and designed voices, with what engines keep of them and where their recordings are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "voice_recordings",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_voice_recordings"),
    )
    op.create_index("ix_voice_recordings_written_at", "voice_recordings", ["written_at"])
    op.create_table(
        "voices",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("workspace", sa.String(128), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("prefix", sa.String(64), nullable=False),
        sa.Column("family", sa.String(32), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("target_model", sa.String(128), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("preview_text", sa.Text, nullable=False),
        sa.Column("transcript", sa.Text, nullable=False),
        sa.Column("consent", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recording", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_voices"),
        sa.UniqueConstraint("workspace", "name", name="uq_voices_workspace_name"),
        sa.ForeignKeyConstraint(["recording"], ["voice_recordings.id"], name="fk_voices_recording"),
    )
    op.create_index("ix_voices_workspace_created_at", "voices", ["workspace", "created_at"])
    op.create_index("ix_voices_recording", "voices", ["recording"])
    op.create_table(
        "voice_renditions",
        sa.Column("voice_id", sa.String(32), nullable=False),
        sa.Column("engine", sa.String(64), nullable=False),
        sa.Column("recipe", sa.JSON, nullable=False),
        sa.Column("material", sa.LargeBinary, nullable=False),
        sa.Column("similarity", sa.Float, nullable=True),
        sa.PrimaryKeyConstraint("voice_id", "engine", name="pk_voice_renditions"),
        sa.ForeignKeyConstraint(
            ["voice_id"], ["voices.id"], name="fk_voice_renditions_voice_id", ondelete="CASCADE"
        ),
    )
