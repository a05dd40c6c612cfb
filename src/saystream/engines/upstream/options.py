"""The options of the engine: which servers, with which keys, and what they are asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
from msgspec import Meta

from saystream.audio import SAMPLE_RATES
from saystream.engines.options import read_options
from saystream.errors import ConfigurationError, quote
from saystream.protocol.json import NOT_JSON

__all__ = [
    "Kind",
    "ServerOptions",
    "UpstreamOptions",
    "read_upstream_options",
    "realtime_address",
    "speech_address",
]

Kind = Literal["vllm-omni", "sglang-omni", "openai", "dashscope"]

Seconds = Annotated[float, Meta(gt=0, le=3600)]

_LISTS_AND_TABLES = ("servers", "voices", "languages", "parameters")

_REALTIME_PATH = "/api-ws/v1/realtime"

_OURS = frozenset(
    (
        "input",
        "model",
        "voice",
        "response_format",
        "stream_format",
        "task_type",
        "language",
        "instructions",
        "speed",
    )
)
"""Fields of a request that have their own options or that say what is spoken."""


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of several identical servers."""

    url: str
    key: str = ""
    key_env: str = ""
    """The environment variable that holds the key."""
    concurrency: Annotated[int, Meta(ge=1, le=512)] = 16
    """Requests that it gets at once."""


class VoiceOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one voice is at the server."""

    name: str = ""
    """Its name there; by default the same name."""
    ref_audio: str = ""
    """A recording to clone: a local file, which is sent with each request, or a URL that the server can read."""
    ref_text: str = ""
    """What is said in it."""
    x_vector_only: bool = False
    """Take only the speaker's timbre from the recording."""
    description: str = ""
    """A voice to design, in words."""


class UpstreamOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All servers are of one kind and have the same model and voices."""

    kind: Kind = "openai"
    url: str = ""
    """Of the only server; several go in ``servers``."""
    key: str = ""
    key_env: str = ""
    concurrency: Annotated[int, Meta(ge=1, le=512)] = 16
    servers: tuple[ServerOptions, ...] = ()
    model: str = ""
    voices: dict[str, str | VoiceOptions] = {}
    """By the name that listeners use; by default those that the server lists."""
    languages: tuple[Annotated[str, Meta(pattern=r"^(\*|[a-z]{2})$")], ...] = ()
    instructions: bool | None = None
    """Whether the model follows them; by default what is known of the kind and the model."""
    task_type: Literal["", "CustomVoice", "VoiceDesign", "Base"] = ""
    stream_format: Literal["", "sse", "audio"] = ""
    takes_speed: bool = False
    parameters: dict[str, Any] = {}
    """Extra fields for each request, sent unchanged."""
    sample_rate: Annotated[int, Meta(ge=8000, le=48000)] = 24000
    """Hz, of the engine, and of samples whose rate a server does not tell."""
    connect_s: Seconds = 3.0
    first_audio_s: Seconds = 15.0
    """For everything before the first audio: waiting for a free server, connecting, and further attempts. Less than
    ``pool.first_chunk_timeout_s``, after which the pool assumes that the whole process hangs."""
    chunk_s: Seconds = 8.0
    """The same between two pieces of audio, and for ``pool.chunk_timeout_s``."""
    request_s: Seconds = 300.0
    """Time spent waiting for one server in one request."""
    max_audio_s: Annotated[float, Meta(gt=0, le=36_000)] = 1800.0
    attempts: Annotated[int, Meta(ge=1, le=10)] = 2
    """Servers that are asked, one after another, until one gives audio."""
    ready_connections: Annotated[int, Meta(ge=0, le=64)] = 1
    """For a realtime endpoint: connections made in advance for what will be spoken next."""
    probe_s: Seconds = 10.0
    """How often a server is probed."""
    wait_s: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    """How long a start may wait for the first server to answer."""


def read_upstream_options(options: Mapping[str, object]) -> UpstreamOptions:
    """Raises ConfigurationError, which names the option and never quotes a key."""
    read = read_options("upstream", UpstreamOptions, _decoded(options))
    if not read.url and not read.servers:
        raise _refused(
            "url", "No server is named. Give its url, or servers: a list of tables with a url each."
        )
    if read.url and read.servers:
        raise _refused(
            "url", "Give either url, for one server, or servers, a list of tables with a url each."
        )
    if read.url:
        one = ServerOptions(url=read.url, key=read.key, key_env=read.key_env, concurrency=read.concurrency)
        read = msgspec.structs.replace(read, servers=(one,))
    elif read.key or read.key_env:
        raise _refused(
            "key_env", "In a list of servers each has its own key: put it into the table of its server."
        )
    address = realtime_address if read.kind == "dashscope" else speech_address
    servers = tuple(
        msgspec.structs.replace(server, url=address(server.url, read.model), key=_key(server))
        for server in read.servers
    )
    _check(read)
    return msgspec.structs.replace(read, servers=servers)


def _decoded(options: Mapping[str, object]) -> dict[str, object]:
    """With lists and tables in place of the JSON that an environment variable holds."""
    decoded = dict(options)
    for name in _LISTS_AND_TABLES:
        if isinstance(value := options.get(name), str):
            try:
                decoded[name] = msgspec.json.decode(value)
            except NOT_JSON:
                raise _refused(name, "A string must be JSON.") from None
    return decoded


def speech_address(url: str, _model: str = "") -> str:
    """The folder in which a server has ``audio/speech``, from that or from the server's address."""
    parts = _split(url, ("http", "https"))
    path = parts.path.rstrip("/").removesuffix("/audio/speech")
    if not re.search(r"/v\d+$", path):
        path += "/v1"
    return urlunsplit(parts._replace(path=path))


def realtime_address(url: str, model: str) -> str:
    """The full address of a realtime endpoint, with the model in its query."""
    parts = _split(url, ("ws", "wss"))
    path = parts.path.rstrip("/")
    if not path.endswith("/realtime"):
        path += _REALTIME_PATH
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != "model"]
    return urlunsplit(parts._replace(path=path, query=urlencode([*query, ("model", model)])))


def _split(url: str, schemes: tuple[str, str]) -> SplitResult:
    expected = f"It has to be {schemes[0]}://host:port or {schemes[1]}://host:port, with or without a path."
    try:
        parts = urlsplit(url)
        _ = parts.port  # the standard library checks it only now
    except ValueError:
        raise _refused("url", f"It cannot be read. {expected}") from None
    # A URL may hold a password: only these two parts are quoted.
    if parts.scheme not in schemes or not parts.hostname:
        given = quote(f"{parts.scheme}://{parts.hostname or ''}")
        raise _refused("url", f"It is '{given}'. {expected}")
    if parts.username or parts.password:
        raise _refused("url", "It contains a user or a password; put a key into key_env.")
    return parts


def _key(server: ServerOptions) -> str:
    if server.key and server.key_env:
        raise _refused("key_env", "Give either key or key_env.")
    if not server.key_env:
        return server.key
    if not (key := os.environ.get(server.key_env, "").strip()):
        raise _refused("key_env", f"The environment variable {quote(server.key_env)} is not set.")
    return key


def _check(read: UpstreamOptions) -> None:
    """What the types do not check."""
    if clash := sorted(_OURS.intersection(read.parameters)):
        raise _refused("parameters", f"{', '.join(clash)} are not allowed there.")
    if read.kind == "vllm-omni" and read.takes_speed:
        raise _refused("takes_speed", "vLLM-Omni does not change speed while it streams.")
    if read.kind == "dashscope":
        _check_dashscope(read)
    for name, voice in read.voices.items():
        if isinstance(voice, VoiceOptions) and voice.ref_audio and voice.description:
            raise _refused("voices", f"'{quote(name)}' has both a recording and a description.")
        if (
            isinstance(voice, VoiceOptions)
            and voice.ref_audio
            and not (voice.ref_text or voice.x_vector_only)
        ):
            raise _refused(
                "voices", f"'{quote(name)}' has a recording: give its ref_text, or x_vector_only = true."
            )


def _check_dashscope(read: UpstreamOptions) -> None:
    if not read.model:
        raise _refused("model", "A realtime endpoint needs one, such as qwen3-tts-flash-realtime.")
    if read.sample_rate not in SAMPLE_RATES:
        raise _refused("sample_rate", f"A realtime endpoint has {', '.join(map(str, SAMPLE_RATES))} Hz.")
    if read.parameters or read.task_type or read.stream_format:
        raise _refused("kind", "parameters, task_type and stream_format are for the other kinds.")
    for name, voice in read.voices.items():
        if isinstance(voice, VoiceOptions) and (voice.ref_audio or voice.description):
            raise _refused("voices", f"'{quote(name)}': a realtime endpoint only takes names of voices.")


def _refused(option: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"Option '{option}' of engine 'upstream' refused: {why}", param=f"engines.upstream.{option}"
    )
