"""Every limit, default and path, read once: flags over environment over ``saystream.toml`` over the defaults here.

Environment variables start with ``SAYSTREAM_`` and nest with two underscores: ``SAYSTREAM_POOL__MAX_WAITING=500``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from saystream.paths import default_data_dir, default_models_dir

__all__ = [
    "FileSettings",
    "LimitSettings",
    "LogSettings",
    "PoolSettings",
    "RealtimeSettings",
    "SegmenterSettings",
    "Settings",
    "UploadSettings",
]


def _models_in_data_dir() -> Path:
    return default_models_dir({})


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LimitSettings(_Section):
    """What one peer may ask of the server."""

    max_sessions: int = Field(1000, ge=1)
    """Connections and requests that are being spoken at once, over all doors; one more is refused with 429."""
    max_frame_bytes: int = Field(1 << 20, ge=1024)
    """A text frame over this ends its connection with 1009."""
    max_body_bytes: int = Field(1 << 20, ge=1024)
    """The body of an HTTP request; a larger one is refused and not read to its end."""
    body_timeout_s: float = Field(30.0, gt=0)
    """The body of an HTTP request has to arrive within this."""
    max_buffered_characters: int = Field(200_000, ge=1)
    """Text of one session that waits to be spoken; more is refused, the session lives on."""
    max_pending_responses: int = Field(64, ge=1)
    """Commits of one session that wait their turn."""
    max_consecutive_errors: int = Field(100, ge=1)
    """Bad events in a row, after which the connection ends with 1008."""


class FileSettings(_Section):
    """Where the audio of the HTTP doors is kept, and for how long."""

    url: str | None = Field(None, repr=False)
    """Where files are stored: ``s3://bucket/folder``, ``gs://…``, ``az://…``, with credentials from those services' own
    environment variables; none is the folder ``files`` in ``data_dir``."""
    secret: str | None = Field(None, min_length=32, repr=False)
    """Signs the links. Servers that share a store need the same; none is the file ``files.key`` in ``data_dir``, made
    when it is missing."""
    url_ttl_s: float = Field(86_400.0, gt=0)
    """A link works for this long (ruling 20); its file is removed soon after."""
    max_total_bytes: int = Field(10 << 30, ge=1 << 20)
    """Above this the oldest files are removed, although their links have not expired: speech goes on."""
    sweep_interval_s: float = Field(600.0, gt=0)
    """How often expired files are looked for."""
    finish_abandoned: bool = True
    """Speak a request to its end, and keep its file, although the client that streamed it has gone."""


class RealtimeSettings(_Section):
    """Times and water marks of the realtime door."""

    idle_timeout_s: float = Field(60.0, gt=0)
    """No client event and no audio in flight for this long ends the connection with 1000 (rulings 11 and 12)."""
    response_idle_ms: float = Field(1000.0, gt=0)
    """``server_commit``: a response that has spoken everything waits this long for more text (ruling 7)."""
    outbox_high_bytes: int = Field(256 * 1024, ge=1024)
    """Frames waiting for a slow reader; above this, synthesis of the session pauses…"""
    outbox_low_bytes: int = Field(64 * 1024, ge=0)
    """…until the reader has taken it down to this."""
    send_stall_timeout_s: float = Field(60.0, gt=0)
    """A peer that reads nothing for this long is dropped."""
    first_delta_ms: float = Field(40.0, gt=0)
    """Audio in the first delta of a response: little, so that it leaves at once."""
    delta_ms: float = Field(200.0, gt=0)
    """Audio in every later delta."""


class SegmenterSettings(_Section):
    """When text is cut and spoken in ``server_commit`` mode. The rules are in ``text/segmenter.py``."""

    first_min_characters: int = Field(12, ge=1)
    """Visible characters from which the first segment may end at a clause; a han, kana or hangul one counts 2."""
    max_characters: int = Field(240, ge=20)
    """No segment is longer."""
    max_wait_ms: float = Field(600.0, gt=0)
    """Text that was not cut by then is spoken up to its last complete word."""


class PoolSettings(_Section):
    """Engine processes and their queue."""

    hosts_per_engine: int = Field(1, ge=1)
    """Processes of each engine that run side by side."""
    max_waiting: int = Field(2000, ge=1)
    """Segments of all sessions that wait for an engine; one more is refused as overload."""
    max_held_sessions: int = Field(1000, ge=0)
    """Sessions that wait to begin because an engine is just fast enough for those that sound; one more is refused as
    overload…"""
    admission_timeout_s: float = Field(10.0, gt=0)
    """…and so is one that has waited this long."""
    load_timeout_s: float = Field(120.0, gt=0)
    """An engine process that is not ready by then is taken to hang."""
    first_chunk_timeout_s: float = Field(20.0, gt=0)
    """The same for a segment that was begun and has given no audio yet."""
    chunk_timeout_s: float = Field(10.0, gt=0)
    """The same between two pieces of audio: its process is killed and started again."""
    max_attempts: int = Field(2, ge=1)
    """How often a segment that gave no audio yet is tried."""
    restart_delay_max_s: float = Field(10.0, ge=0)
    """Longest wait before an engine process that keeps ending is started again."""
    buffered_audio_s: float = Field(15.0, gt=0)
    """Audio of one stream held for a slow listener; above this its engine stream is paused."""
    max_audio_s_per_character: float = Field(2.0, gt=0)
    """An engine that speaks longer than this for each character, and 30 s, cannot stop: its stream is ended there, and
    the log says so."""


class UploadSettings(_Section):
    """Audio that users upload as the reference of a voice. Each file is decoded in a process of its own."""

    max_bytes: int = Field(10 << 20, ge=1024)
    """A larger file is refused unread."""
    min_duration_s: float = Field(3.0, ge=0)
    """Less speech makes no voice."""
    max_duration_s: float = Field(60.0, gt=0)
    """Decoding stops here and the file is refused."""
    max_memory_bytes: int = Field(256 << 20, ge=64 << 20)
    """What the process may take beyond what it has when it starts."""
    max_cpu_s: int = Field(10, ge=1)
    """The system ends the process after this much work."""
    timeout_s: float = Field(30.0, gt=0)
    """The process is killed after this, whether it works or waits."""
    max_concurrent: int = Field(2, ge=1)
    """Processes at once; more files wait their turn."""
    max_waiting: int = Field(32, ge=0)
    """Files that wait; one more is refused as overload."""


class LogSettings(_Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Nothing below this is written."""
    json_lines: bool = False
    """One JSON object a line for machines; otherwise lines for people."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="SAYSTREAM_",
        env_nested_delimiter="__",
        toml_file="saystream.toml",
        frozen=True,
        extra="forbid",
    )

    host: str = "127.0.0.1"
    """Address to listen on; one that a network reaches needs a key, see ``allow_anonymous``."""
    port: int = Field(8321, ge=0, le=65535)
    """0 takes a free one."""
    data_dir: Path = Field(default_factory=default_data_dir)
    """Where keys and audio files are kept."""
    models_dir: Path = Field(default_factory=_models_in_data_dir)
    """Where weights are kept, see ``saystream models``."""
    models_mirror: str | None = None
    """A folder, or an ``http`` address, that holds models as ``models_dir`` does; a pull asks it before all others."""
    database_url: str | None = Field(None, repr=False)
    """An SQLAlchemy URL with an async driver, maybe with a password; ``None`` is SQLite in ``data_dir``."""
    usage_retention_days: int = Field(400, ge=1)
    """Rows of ``saystream usage`` older than this are removed: by default a month of last year can still be compared
    with this year's."""
    limits_url: str | None = Field(None, repr=False)
    """The Redis that counts the limits of keys for several servers, such as ``redis://127.0.0.1:6379/0``, maybe with a
    password; none counts in each server. Open sessions and minutes are counted there, months in the database."""
    public_url: str | None = None
    """The address that clients reach this server by, such as ``https://speech.example.com``, for links to audio files;
    none takes the ``Host`` of each request."""
    allow_anonymous: bool = False
    """Serve beyond loopback although no key exists."""
    cors_origins: tuple[Annotated[str, Field(pattern=r"^https?://[^/\s*A-Z]+$")], ...] = ()
    """Web origins, such as ``https://app.example``, whose pages may use the server from a browser; none by default."""
    engine: str = "auto"
    """``auto``, or the name of one engine for everything."""
    engine_order: tuple[str, ...] = ("hibari", "kokoro", "piper", "supertonic", "espeak")
    """``auto`` takes the first of these that speaks the language, or the first that has learnt it."""
    engines: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of each engine, by its name."""
    drain_timeout_s: float = Field(30.0, ge=0)
    """After SIGTERM, how long open sessions may go on."""

    limits: LimitSettings = Field(default_factory=LimitSettings)
    realtime: RealtimeSettings = Field(default_factory=RealtimeSettings)
    files: FileSettings = Field(default_factory=FileSettings)
    segmenter: SegmenterSettings = Field(default_factory=SegmenterSettings)
    pool: PoolSettings = Field(default_factory=PoolSettings)
    uploads: UploadSettings = Field(default_factory=UploadSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @property
    def wanted_engines(self) -> tuple[str, ...]:
        """The engines that are started, in the order of preference."""
        return self.engine_order if self.engine == "auto" else (self.engine,)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)
