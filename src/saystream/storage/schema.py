"""The tables as they are now, in portable SQLAlchemy Core."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

__all__ = [
    "KEY_LABEL_MAX_CHARACTERS",
    "VOICE_NAME_MAX_CHARACTERS",
    "WORKSPACE_MAX_CHARACTERS",
    "UtcDateTime",
    "keys",
    "metadata",
    "monthly_characters",
    "usage",
    "voice_recordings",
    "voice_renditions",
    "voices",
]

KEY_LABEL_MAX_CHARACTERS = 100
WORKSPACE_MAX_CHARACTERS = 128
VOICE_NAME_MAX_CHARACTERS = 128


class UtcDateTime(TypeDecorator[datetime]):
    """An aware ``datetime`` in UTC. SQLite keeps no time zone: a bare column would give naive values back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Constraints get the same names in every database, so that later migrations can refer to them.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("hint", String(16), nullable=False),
    Column("label", String(KEY_LABEL_MAX_CHARACTERS), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime, nullable=True),
    # NULL is no limit.
    Column("requests_per_minute", Integer, nullable=True),
    Column("characters_per_minute", Integer, nullable=True),
    Column("models", JSON(none_as_null=True), nullable=True),
    Column("max_sessions", Integer, nullable=True),
    Column("monthly_characters", BigInteger, nullable=True),
    Column("workspace", String(WORKSPACE_MAX_CHARACTERS), nullable=True),
)

monthly_characters = Table(
    "monthly_characters",
    metadata,
    Column("key_id", String(32), ForeignKey("keys.id"), primary_key=True),
    Column("month", String(7), primary_key=True),  # in UTC, such as 2030-01
    Column("characters", BigInteger, nullable=False),
)
"""What keys with a monthly limit have used of it."""

usage = Table(
    "usage",
    metadata,
    # The response's at the realtime door, else the request's.
    Column("id", String(64), primary_key=True),
    # As in the header and the log: the request's or the connection's.
    Column("request_id", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("door", String(16), nullable=False),
    # No foreign key: a row must never be refused.
    Column("key_id", String(32), nullable=True),
    Column("workspace", String(WORKSPACE_MAX_CHARACTERS), nullable=True),
    Column("model", String(128), nullable=False),
    Column("voice", String(128), nullable=False),
    # What the model bills; the others are NULL.
    Column("characters", BigInteger, nullable=True),
    Column("text_tokens", BigInteger, nullable=True),
    Column("audio_tokens", BigInteger, nullable=True),
    Column("audio_ms", Float, nullable=False),
    Column("first_audio_ms", Float, nullable=True),
    Column("outcome", String(16), nullable=False),
    Column("error_code", String(64), nullable=True),
)
"""What was spoken, one row for each response; never the text."""

voice_recordings = Table(
    "voice_recordings",
    metadata,
    # Also the name of its file.
    Column("id", String(32), primary_key=True),
    Column("written_at", UtcDateTime, nullable=False, index=True),
)
"""Files of recordings that exist or may exist: a row is written before its file, and removed after it. One that no
voice refers to was left by a process that ended in between."""

voices = Table(
    "voices",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("workspace", String(WORKSPACE_MAX_CHARACTERS), nullable=False),  # "" if its key has none
    Column("name", String(VOICE_NAME_MAX_CHARACTERS), nullable=False),
    Column("prefix", String(64), nullable=False),
    Column("family", String(32), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("target_model", String(128), nullable=False),
    Column("language", String(16), nullable=False),
    Column("description", Text, nullable=False),
    Column("preview_text", Text, nullable=False),
    Column("transcript", Text, nullable=False),
    Column("consent", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("modified_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime, nullable=True),
    Column("recording", String(32), ForeignKey("voice_recordings.id"), nullable=True),
    UniqueConstraint("workspace", "name", name="uq_voices_workspace_name"),
)
"""Cloned and designed voices, one row for each."""

Index("ix_voices_workspace_created_at", voices.c.workspace, voices.c.created_at, voices.c.id)
Index("ix_voices_workspace_family", voices.c.workspace, voices.c.family, voices.c.created_at, voices.c.id)
Index("ix_voices_recording", voices.c.recording)

voice_renditions = Table(
    "voice_renditions",
    metadata,
    Column("voice_id", String(32), ForeignKey("voices.id", ondelete="CASCADE"), primary_key=True),
    Column("engine", String(64), primary_key=True),
    Column("recipe", JSON, nullable=False),
    Column("material", LargeBinary, nullable=False),
    Column("similarity", Float, nullable=True),
)
"""How each engine speaks them."""
