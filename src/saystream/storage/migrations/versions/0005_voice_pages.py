"""Pages of voices are read from an index alone, up to those that are shown."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.drop_index("ix_voices_workspace_created_at", "voices")
    op.create_index("ix_voices_workspace_created_at", "voices", ["workspace", "created_at", "id"])
    op.create_index("ix_voices_workspace_family", "voices", ["workspace", "family", "created_at", "id"])
