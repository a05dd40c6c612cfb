"""The engine: finds out at the start what its servers have, then opens streams."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pybase64

from saystream import catalog
from saystream.dsp.effects import timbre
from saystream.engines.base import Engine, EngineInfo, EngineStream, SynthesisRequest
from saystream.engines.upstream.balancer import Balancer
from saystream.engines.upstream.failures import Failure
from saystream.engines.upstream.options import UpstreamOptions, VoiceOptions, read_upstream_options
from saystream.engines.upstream.realtime import RealtimeServer
from saystream.engines.upstream.runtime import LoopThread
from saystream.engines.upstream.server import Server, Utterance
from saystream.engines.upstream.speaking import SpeakingLimits
from saystream.engines.upstream.speech import SpeechServer
from saystream.engines.upstream.stream import UpstreamStream
from saystream.errors import ConfigurationError, EngineUnavailable, InvalidValue, ModelNotFound, quote
from saystream.languages import LANGUAGE_CODES, LANGUAGE_NAMES
from saystream.parameters import SPEECH_RATES
from saystream.protocol.http.speech_request import SPEED_RANGE

__all__ = ["UpstreamEngine"]


_NAME = "upstream"
_MAX_CONCURRENCY = 1024
_MAX_REFERENCE_BYTES = 10 << 20
_SPEEDS = {"openai": SPEED_RANGE, "sglang-omni": SPEED_RANGE, "dashscope": SPEECH_RATES}
_RETRY_S = 1.0
"""Between two attempts to find a server at the start."""


class UpstreamEngine(Engine):
    """Takes the fields of ``UpstreamOptions``. Raises ConfigurationError for an invalid one."""

    def __init__(self, **options: Any) -> None:
        self._options = read_upstream_options(options)
        self._voices: dict[str, VoiceOptions] = {}
        read = self._options
        self._limits = SpeakingLimits(
            first_audio_s=read.first_audio_s,
            chunk_s=read.chunk_s,
            request_s=read.request_s,
            max_audio_s=read.max_audio_s,
            attempts=read.attempts,
        )

    def load(self) -> None:
        """Raises EngineUnavailable, with the fault of each server, if none answers."""
        configured = _configured_voices(self._options)
        self._runtime = LoopThread()
        try:
            listed = self._runtime.run(self._meet())
            self._voices = configured or _named_as_ours(listed)
            if not self._voices:
                raise EngineUnavailable(
                    "The upstream server does not list its voices. Name them in the option voices of engine"
                    " 'upstream': map each name that clients use to the server's name."
                )
            self.info = self._description()
        except BaseException:
            self.close()
            raise

    def open(self, request: SynthesisRequest) -> EngineStream:
        """Raises InvalidValue for an unknown voice."""
        voice = self._voices.get(request.voice)
        if voice is None:
            raise InvalidValue("voice", request.voice, self.info.voices)
        speed = self._speed_there(request.speed)
        utterance = Utterance(
            voice=voice,
            language=LANGUAGE_NAMES.get(request.language, "Auto"),
            instructions=request.instructions if self.info.instructions else "",
            speed=speed,
        )
        rate = self.info.sample_rate
        return UpstreamStream(
            self._runtime,
            self._balancer,
            utterance,
            timbre(rate, speed=request.speed / speed, pitch=request.pitch, formant=request.formant),
            self._limits,
            sample_rate=rate,
            text_as_it_comes=self.info.incremental_text,
        )

    def close(self) -> None:
        """Drop all requests and connections. A host simply ends; tests clean up."""
        if hasattr(self, "_balancer"):
            self._runtime.run(self._balancer.aclose())
        self._runtime.close()

    async def _meet(self) -> tuple[str, ...]:
        """Wait until a server answers; returns the voices that it lists."""
        options = self._options
        kind = RealtimeServer if options.kind == "dashscope" else SpeechServer
        servers: list[Server] = [kind(options, server) for server in options.servers]
        clock = asyncio.get_running_loop().time
        self._balancer = Balancer(
            servers, probe_s=options.probe_s, probe_timeout_s=options.connect_s, clock=clock
        )
        give_up_at = clock() + options.wait_s
        while True:
            await asyncio.gather(*(self._balancer.look(upstream) for upstream in self._balancer.upstreams))
            well = [upstream.server for upstream in self._balancer.upstreams if upstream.fault is None]
            if well:
                break
            if clock() >= give_up_at:
                raise EngineUnavailable(self._balancer.why_none())
            await asyncio.sleep(_RETRY_S)
        self._balancer.watch()
        return () if options.voices else await _first_list(well, options.connect_s)

    def _description(self) -> EngineInfo:
        options = self._options
        incremental = options.kind == "dashscope"
        languages, instructions = _abilities(options)
        return EngineInfo(
            name=_NAME,
            sample_rate=options.sample_rate,
            languages=dict.fromkeys(options.languages or languages, "native"),
            voices=tuple(self._voices),
            concurrency=min(_MAX_CONCURRENCY, sum(server.concurrency for server in options.servers)),
            incremental_text=incremental,
            normalizes_text=True,
            instructions=instructions if options.instructions is None else options.instructions,
        )

    def _speed_there(self, speed: float) -> float:
        """The part of the speed that a server is asked for; the rest is done here."""
        if not self._options.takes_speed:
            return 1.0
        lowest, highest = _SPEEDS[self._options.kind]
        return min(max(speed, lowest), highest)


def _abilities(options: UpstreamOptions) -> tuple[tuple[str, ...], bool]:
    """Languages, and whether it follows instructions, as far as the kind and the model tell."""
    if options.kind == "openai":
        return ("*",), True
    names = tuple(LANGUAGE_CODES)
    instructions = options.task_type != "Base"
    if options.kind == "dashscope":
        try:
            model = catalog.load().model(options.model, door="realtime")
        except ModelNotFound:
            instructions = False
        else:
            names, instructions = model.languages, "instructions" in model.parameters
    return tuple(LANGUAGE_CODES[name] for name in names if name in LANGUAGE_CODES), instructions


async def _first_list(servers: Iterable[Server], patience_s: float) -> tuple[str, ...]:
    """All have the same voices, so the first list is enough."""
    for server in servers:
        try:
            async with asyncio.timeout(patience_s):
                if names := await server.voices():
                    return names
        except (Failure, TimeoutError):
            continue
    return ()


def _configured_voices(options: UpstreamOptions) -> dict[str, VoiceOptions]:
    return {name: _voice(name, voice, options) for name, voice in options.voices.items()}


def _voice(name: str, voice: str | VoiceOptions, options: UpstreamOptions) -> VoiceOptions:
    if isinstance(voice, str):
        return VoiceOptions(name=voice or name)
    # vLLM-Omni and SGLang-Omni take a name beside a recording as the name of an uploaded voice.
    made_there = options.kind != "openai" and (voice.ref_audio or voice.description)
    reference = voice.ref_audio
    if reference and "://" not in reference and not reference.startswith("data:"):
        reference = _data_uri(name, Path(reference))
    return msgspec.structs.replace(
        voice, name=voice.name or ("" if made_there else name), ref_audio=reference
    )


def _data_uri(voice: str, path: Path) -> str:
    """A recording in the form in which it is sent. Raises ConfigurationError."""
    try:
        num_bytes = path.stat().st_size
        if num_bytes > _MAX_REFERENCE_BYTES:
            raise OSError(0, f"it has {num_bytes} bytes; at most {_MAX_REFERENCE_BYTES} are sent")
        recording = path.read_bytes()
    except OSError as error:
        what = f"The ref_audio of voice '{quote(voice)}' of engine 'upstream'"
        raise ConfigurationError(f"{what} cannot be read from {path}: {error.strerror}.") from error
    kind = mimetypes.guess_type(path.name)[0] or "audio/wav"
    return f"data:{kind};base64,{pybase64.b64encode_as_string(recording)}"


def _named_as_ours(names: Iterable[str]) -> dict[str, VoiceOptions]:
    """Spelt as in the catalogue if a voice has one of our names, such as ``ono_anna`` for ``Ono Anna``."""
    ours = {_plain(voice.name): voice.name for voice in catalog.load().system_voices}
    return {ours.get(_plain(name), name): VoiceOptions(name=name) for name in names}


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()
