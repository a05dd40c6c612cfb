"""Every limit, default and path, read once. Flags come first, then the environment, ``saystream.toml``, and the
defaults here.

Environment variables start with ``SAYSTREAM_`` and nest with two underscores: ``SAYSTREAM_POOL__MAX_WAITING=500``.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from saystream.paths import default_data_dir, default_models_dir

__all__ = [
    "FetchSettings",
    "FileSettings",
    "LimitSettings",
    "LogSettings",
    "OwnVoiceSettings",
    "PoolSettings",
    "RealtimeSettings",
    "SegmenterSettings",
    "Settings",
    "UploadSettings",
]


def _passed_on(options: dict[str, Any]) -> dict[str, Any]:
    """The options of an engine, which go to its process as JSON."""
    try:
        msgspec.json.encode(options)
    except UnicodeError:  # an environment variable may hold any bytes
        raise ValueError("an option holds text that is not UTF-8") from None
    return options


def _models_in_data_dir() -> Path:
    return default_models_dir({})


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LimitSettings(_Section):
    """What clients may demand of the server."""

    max_sessions: int = Field(1000, ge=1)
    """Connections and requests that are being spoken at once, over all doors; one more is refused with 429."""
    max_frame_bytes: int = Field(1 << 20, ge=1024)
    """A larger frame, or message in several frames, ends its connection with 1009."""
    max_frames_per_second: float = Field(500.0, gt=0)
    """Of one WebSocket. What comes faster is not read until it is due; a burst may have five seconds' worth…"""
    max_bytes_per_second: float = Field(float(1 << 20), ge=1024)
    """…and the same for their size."""
    max_control_frames_per_second: float = Field(10.0, gt=0)
    """Pings and pongs of one WebSocket, with the same burst; more of them end it with 1008."""
    max_connections: int = Field(4000, ge=1)
    """Open connections, idle ones included. For one more, that which has been idle longest is closed; if none is idle,
    the new one is answered with 503. If the operating system allows fewer, the log says so at start."""
    max_connections_per_peer: int | None = Field(None, ge=1)
    """Of one address; further ones are answered with 503. Default: no limit, as for a server behind a proxy."""
    max_head_bytes: int = Field(32 * 1024, ge=1024)
    """Of the address and header fields of an HTTP request, or the trailer of its body; more is answered with 431…"""
    max_line_bytes: int = Field(8000, ge=256, le=8192)
    """…and so is an address or one field over this…"""
    max_headers: int = Field(100, ge=10, le=128)
    """…or a field more than this."""
    head_timeout_s: float = Field(10.0, gt=0)
    """A new connection must begin its first request within this time; each request that has begun must arrive up to its
    body within the same time."""
    keep_alive_timeout_s: float = Field(5.0, gt=0)
    """How long a connection may stay idle after a request."""
    max_unfinished_bytes: int = Field(32 << 20, ge=1 << 20)
    """Bodies and messages that have not arrived whole, of all connections together. Above this, those over 32 KiB are
    refused with 503 or 1013."""
    max_body_bytes: int = Field(1 << 20, ge=1024)
    """Of an HTTP request; a larger body is refused and not read to its end."""
    body_timeout_s: float = Field(30.0, gt=0)
    """The body of an HTTP request, or one message of a WebSocket, must arrive within this time."""
    max_buffered_characters: int = Field(200_000, ge=1)
    """Text of one session that is waiting to be spoken; more is refused, and the session continues."""
    max_pending_responses: int = Field(64, ge=1)
    """Commits of one session that are waiting for their response."""
    max_wrong_keys_per_minute: float = Field(60.0, gt=0)
    """Of one address, after a burst of 20; further ones are refused with 429. Keys that were right are not."""
    max_consecutive_errors: int = Field(100, ge=1)
    """After this many bad events in a row the connection ends with 1008."""


class FileSettings(_Section):
    """Where audio files of Qwen-TTS over HTTP are kept, and for how long."""

    url: str | None = Field(None, repr=False)
    """Where files are stored: ``s3://bucket/folder``, ``gs://…``, ``az://…``, with credentials from those services' own
    environment variables. Default: the folder ``files`` in ``data_dir``."""
    secret: str | None = Field(None, min_length=32, repr=False)
    """Signs the links. Servers that share a store need the same secret. Default: the file ``files.key`` in
    ``data_dir``, created if it is missing."""
    url_ttl_s: float = Field(86_400.0, gt=0)
    """How long a link works (ruling 20); its file is removed soon after."""
    max_total_bytes: int = Field(10 << 30, ge=1 << 20)
    """Above this the oldest files are removed, even if their links have not expired."""
    sweep_interval_s: float = Field(600.0, gt=0)
    """Interval between searches for expired files."""
    finish_abandoned: bool = True
    """Speak a streamed request to its end, and keep its file, even if its client has left."""


class RealtimeSettings(_Section):
    """Timeouts and buffers of the realtime protocol."""

    idle_timeout_s: float = Field(60.0, gt=0)
    """Without a client event or audio in flight for this long, the connection ends with 1000 (rulings 11 and 12)."""
    response_idle_ms: float = Field(1000.0, gt=0)
    """In ``server_commit`` mode, how long a response that has spoken everything waits for more text (ruling 7)."""
    outbox_high_bytes: int = Field(256 * 1024, ge=1024)
    """When more than this is waiting for a slow client, synthesis of its session pauses…"""
    outbox_low_bytes: int = Field(64 * 1024, ge=0)
    """…until the client has read it down to this."""
    send_stall_timeout_s: float = Field(60.0, gt=0)
    """A client that reads next to nothing for this long, while something waits for it, is dropped."""
    first_delta_ms: float = Field(40.0, ge=20)
    """Audio in the first delta of a response: little, so that it is sent early."""
    delta_ms: float = Field(200.0, ge=20)
    """Audio in every later delta."""


class TaskSettings(_Section):
    """Timeouts and limits of the task protocol, for CosyVoice and Sambert."""

    text_timeout_s: float = Field(23.0, gt=0)
    """A task fails when its client sends no text for this long and has not said that all of it has come."""
    idle_timeout_s: float = Field(60.0, gt=0)
    """A connection without a task is closed after this time."""
    max_tasks_per_connection: int = Field(200, ge=1)
    """Tasks of one connection that are open at once."""
    max_text_characters: int = Field(20_000, ge=1)
    """Of one message with text…"""
    max_task_characters: int = Field(200_000, ge=1)
    """…and of all of them in one task."""


class SegmenterSettings(_Section):
    """When text is cut and spoken in ``server_commit`` mode."""

    first_min_characters: int = Field(12, ge=1)
    """Visible characters after which the first segment may end at a clause; a Han, kana or hangul character counts
    2."""
    max_characters: int = Field(240, ge=20)
    """The longest segment."""
    max_wait_ms: float = Field(600.0, gt=0)
    """Text that has waited this long is spoken up to its last complete word."""


class PoolSettings(_Section):
    """Engine processes and their queues."""

    hosts_per_engine: int = Field(1, ge=1)
    """Processes that each engine runs in parallel."""
    engine_environment: tuple[str, ...] = ()
    """Names of environment variables that engines get besides those that Python, its libraries and the options of the
    engine need. Passwords and keys of the server stay with the server."""
    max_waiting: int = Field(2000, ge=1)
    """Segments of all sessions that may wait for an engine; further ones are refused with ``server_overloaded``."""
    max_held_sessions: int = Field(1000, ge=0)
    """Sessions that may wait to begin while an engine is just fast enough for those being heard; further ones are
    refused with ``server_overloaded``…"""
    admission_timeout_s: float = Field(10.0, gt=0)
    """…and so is a session that has waited this long while the engine runs."""
    load_timeout_s: float = Field(120.0, gt=0)
    """An engine process that is not ready after this time is considered hung."""
    first_chunk_timeout_s: float = Field(20.0, gt=0)
    """So is one that has started a segment but given no audio for this long…"""
    chunk_timeout_s: float = Field(10.0, gt=0)
    """…or that pauses this long between two pieces of audio. A hung process is killed and started again. One that
    computes on a busy machine is given these times as CPU time."""
    enroll_timeout_s: float = Field(120.0, gt=0)
    """An engine that takes longer to make a voice of a recording is considered hung; its process is ended once nobody
    listens to it."""
    max_waiting_enrolments: int = Field(50, ge=0)
    """Recordings that may wait for an engine, which takes one at a time; further ones are refused with
    ``server_overloaded``."""
    max_attempts: int = Field(3, ge=1)
    """How often a segment is tried if none of it has been heard yet."""
    restart_timeout_s: float = Field(30.0, gt=0)
    """How long segments wait for an engine whose processes have all ended. After that, and until one is loaded again,
    they are refused with ``server_overloaded``."""
    restart_delay_max_s: float = Field(10.0, ge=0)
    """Longest wait before an engine process that keeps crashing is started again."""
    buffered_audio_s: float = Field(15.0, gt=0)
    """Audio of one stream that is held for a slow listener; above this its engine is paused."""
    max_audio_s_per_character: float = Field(2.0, gt=0)
    """An engine that speaks longer than this for each character, plus 30 s, is considered unable to stop: its stream is
    ended there, and the log says so."""


class UploadSettings(_Section):
    """Audio that users upload as the reference for a voice. Each file is decoded in a process of its own."""

    max_bytes: int = Field(10 << 20, ge=1024)
    """A larger file is refused without being read."""
    min_duration_s: float = Field(3.0, ge=0)
    """Less speech is not enough for a voice."""
    max_duration_s: float = Field(60.0, gt=0)
    """Decoding stops here, and the file is refused."""
    max_memory_bytes: int = Field(256 << 20, ge=64 << 20)
    """Memory that the process may use beyond what it has at start."""
    max_cpu_s: int = Field(10, ge=1)
    """The operating system ends the process after this much CPU time."""
    timeout_s: float = Field(30.0, gt=0)
    """The process is killed after this time, whether it works or waits."""
    max_concurrent: int = Field(2, ge=1)
    """Processes at once; further files wait."""
    max_waiting: int = Field(32, ge=0)
    """Files that may wait; further ones are refused with ``server_overloaded``."""


class OwnVoiceSettings(_Section):
    """Cloned and designed voices."""

    max_per_workspace: int = Field(1000, ge=0)
    """Voices of one workspace; a further one is refused."""
    unused_days: int = Field(365, ge=1)
    """A voice that has not spoken for this long is deleted."""
    max_archive_bytes: int = Field(16 << 20, ge=1024)
    """Of an exported voice that is imported; a larger file is refused, and not read to its end."""
    sweep_interval_s: float = Field(3600.0, gt=0)
    """Interval between searches for unused voices and for what interrupted requests have left."""


class FetchSettings(_Section):
    """Recordings that clients name by their address, such as background music in SSML."""

    max_bytes: int = Field(2 << 20, ge=1024)
    """A larger file is refused, and not read to its end."""
    timeout_s: float = Field(10.0, gt=0)
    """For one recording, with its redirects."""
    max_duration_s: float = Field(120.0, gt=0)
    """Of all recordings that one text names: a second of one, decoded, takes up to 0.2 MB."""
    max_redirects: int = Field(3, ge=0)
    """Each leads only where a first address may."""
    max_connections: int = Field(8, ge=1)
    """At once, of the whole server; further recordings wait."""
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks, such as ``10.1.0.0/16``, that may be fetched from although they are not public."""


class LogSettings(_Section):
    """What is logged to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged."""
    json_lines: bool = False
    """Log one JSON object per line, for machines, instead of lines for people."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="SAYSTREAM_",
        env_nested_delimiter="__",
        toml_file="saystream.toml",
        frozen=True,
        extra="forbid",
    )

    host: str = "127.0.0.1"
    """Address to listen on. One that a network can reach needs a key, see ``allow_anonymous``."""
    port: int = Field(8321, ge=0, le=65535)
    """Port to listen on; 0 chooses a free one."""
    data_dir: Path = Field(default_factory=default_data_dir)
    """Folder for keys, usage and audio files."""
    models_dir: Path = Field(default_factory=_models_in_data_dir)
    """Folder for weights, see ``saystream models``."""
    models_mirror: str | None = None
    """A folder or an ``http`` address with models as in ``models_dir``; a pull asks it before all other sources."""
    database_url: str | None = Field(None, repr=False)
    """An SQLAlchemy URL with an async driver, which may include a password. Default: SQLite in ``data_dir``."""
    usage_retention_days: int = Field(400, ge=1)
    """Rows of ``saystream usage`` older than this are removed. The default allows a month to be compared with the same
    month of last year."""
    limits_url: str | None = Field(None, repr=False)
    """The Redis that counts the limits of keys for several servers, such as ``redis://127.0.0.1:6379/0``; it may
    include a password. It counts open sessions and minutes; months are counted in the database. Default: each server
    counts on its own."""
    public_url: str | None = None
    """The address by which clients reach this server, such as ``https://speech.example.com``, for links to audio files.
    Default: the ``Host`` of each request."""
    allow_anonymous: bool = False
    """Serve a network even though no key exists."""
    allowed_hosts: tuple[Annotated[str, Field(pattern=r"^[^/\s:*A-Z]+$")], ...] = ()
    """Names, such as ``speech.example.com``, that requests may have in ``Host`` while the server listens on loopback,
    besides those of this machine and that of ``public_url``."""
    metrics_for: Literal["everyone", "keys", "loopback", "nobody"] = "everyone"
    """Who may read ``/metrics``: whoever reaches the server, has a key, or is on this machine…"""
    openapi_for: Literal["everyone", "keys", "loopback", "nobody"] = "everyone"
    """…and who ``/openapi.json``. For ``nobody`` the path does not exist."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = (
        IPv4Network("127.0.0.0/8"),
        IPv6Network("::1"),
    )
    """Addresses and networks, such as ``10.0.0.0/8``, of proxies that are believed what they say of a request in
    ``X-Forwarded-For``, ``-Proto``, ``-Host`` and ``-Prefix``. Default: this machine."""
    cors_origins: tuple[Annotated[str, Field(pattern=r"^(null|[a-z][a-z0-9+.-]*://[^/\s*A-Z]+)$")], ...] = ()
    """Origins whose pages may use the server from a browser: of web pages, such as ``https://app.example``, and of apps
    and extensions, such as ``app://obsidian.md`` or ``null``."""
    inline_pauses: bool = False
    """Take ``<break time="1.5s"/>`` and ``[pause:500ms]`` in plain text for pauses, at the doors whose protocol has no
    SSML. They are not billed."""
    usual_language: str = Field("en", pattern="^[a-z]{2}$")
    """The language (ISO 639-1) of a first text that could be in several and comes without ``Accept-Language``."""
    markup: Literal["strip", "read"] = "strip"
    """What becomes of Markdown, tags and emoji in plain text: left out, and not billed, or read like any other text. A
    request may say otherwise."""
    engine: str = "auto"
    """``auto``, or the name of one engine for everything."""
    engine_order: tuple[str, ...] = ("kokoro", "hibari", "piper", "supertonic", "espeak")
    """``auto`` takes the first of these that speaks the language; if it only approximates it or is too slow here, a
    later native one."""
    max_realtime_factor: float = Field(0.9, gt=0)
    """An engine that takes longer than this, alone, for a second of sound, in seconds, is too slow for ``auto``.
    ``saystream engines`` shows what the engines measured when they were loaded."""
    engines: dict[str, Annotated[dict[str, Any], AfterValidator(_passed_on)]] = Field(default_factory=dict)
    """Options of each engine, by the name of the engine."""
    drain_timeout_s: float = Field(30.0, ge=0)
    """How long open sessions may continue after SIGTERM."""

    limits: LimitSettings = Field(default_factory=LimitSettings)
    realtime: RealtimeSettings = Field(default_factory=RealtimeSettings)
    task: TaskSettings = Field(default_factory=TaskSettings)
    files: FileSettings = Field(default_factory=FileSettings)
    segmenter: SegmenterSettings = Field(default_factory=SegmenterSettings)
    pool: PoolSettings = Field(default_factory=PoolSettings)
    uploads: UploadSettings = Field(default_factory=UploadSettings)
    own_voices: OwnVoiceSettings = Field(default_factory=OwnVoiceSettings)
    fetching: FetchSettings = Field(default_factory=FetchSettings)
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
