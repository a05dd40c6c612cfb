"""``saystream say``: one text, spoken in this process or by a server."""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from msgspec import UNSET
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from saystream.cli.shared import errors_in_one_line, settings_with
from saystream.cli.sinks import Sink, open_sink
from saystream.config import LogSettings
from saystream.errors import ConnectionFailed, RemoteError, ServerFault
from saystream.logs import configure
from saystream.parameters import PARAMETERS, RESPONSE_FORMATS, Choices
from saystream.protocol.realtime.session_config import SessionConfig, SessionPatch

if TYPE_CHECKING:
    from saystream.client import Session
    from saystream.config import Settings
    from saystream.protocol.realtime.session_config import SessionSettings

__all__ = ["languages_of", "say"]

_READ_BYTES = 4096

_DEFAULT = SessionConfig()


def _option(parameter: str) -> Any:
    return typer.Option(help=PARAMETERS[parameter].meaning)


def say(
    text: Annotated[str | None, typer.Argument(help="What to say. Default: read standard input.")] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", help="A .wav, .pcm, .mp3, .opus or .ogg file, or '-' for standard output."
        ),
    ] = None,
    response_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=f"{Choices(RESPONSE_FORMATS)}; default: from the file's extension, or pcm.",
        ),
    ] = None,
    sample_rate: Annotated[int, _option("sample_rate")] = _DEFAULT.sample_rate,
    bit_rate: Annotated[int, _option("bit_rate")] = _DEFAULT.bit_rate,
    rate: Annotated[float, _option("speech_rate")] = _DEFAULT.speech_rate,
    pitch: Annotated[float, _option("pitch_rate")] = _DEFAULT.pitch_rate,
    volume: Annotated[int, _option("volume")] = _DEFAULT.volume,
    voice: Annotated[str, _option("voice")] = "Cherry",
    language: Annotated[str, _option("language_type")] = _DEFAULT.language_type,
    model: Annotated[str, typer.Option(help="See `saystream catalog`.")] = "qwen3-tts-flash-realtime",
    instructions: Annotated[str | None, _option("instructions")] = None,
    mode: Annotated[str, _option("mode")] = _DEFAULT.mode,
    url: Annotated[
        str | None,
        typer.Option(
            help="A server, such as ws://127.0.0.1:8321. Default: one of yours that runs on this machine with the same"
            " settings, else engines of its own."
        ),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Start engines of its own, even where a server runs.")
    ] = False,
    engine: Annotated[str | None, typer.Option(help="'auto' or one engine; only without --url.")] = None,
) -> None:
    """Speak TEXT through the loudspeaker or into a file."""
    with errors_in_one_line():
        settings = settings_with(engine=engine)
        configure(LogSettings(level="warning"))
        asked = SessionPatch(
            voice=voice,
            language_type=language,
            mode=mode,
            sample_rate=sample_rate,
            bit_rate=bit_rate,
            speech_rate=rate,
            pitch_rate=pitch,
            volume=volume,
            instructions=instructions or UNSET,
        )
        config = SessionConfig().merged(asked)
        with open_sink(output, wanted=response_format, sample_rate=sample_rate) as sink:
            config = config.merged(SessionPatch(response_format=sink.stream_format))
            job = _Job(model, config, text)
            asyncio.run(_pour(_spoken(settings, job, url, local), sink, sample_rate))


@dataclass(frozen=True, slots=True)
class _Job:
    model: str
    config: SessionConfig
    text: str | None
    """``None``: standard input, spoken while it comes."""

    async def pieces(self) -> AsyncIterator[str]:
        if self.text is not None:
            yield self.text
            return
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        while read := await asyncio.to_thread(os.read, sys.stdin.fileno(), _READ_BYTES):
            if piece := decoder.decode(read):
                yield piece


def _spoken(settings: Settings, job: _Job, url: str | None, local: bool) -> AsyncGenerator[bytes, None]:
    if url is not None:
        return _remote(url, job)
    # A server ends a session for which nothing comes for a while, which a pipe may well do.
    if local or job.text is None:
        return _local(settings, job)
    return _here(settings, job)


async def _here(settings: Settings, job: _Job) -> AsyncGenerator[bytes, None]:
    """By a server that runs on this machine, if there is one that would speak it in the same way."""
    from saystream.server.running import running_server

    url = running_server(settings)
    async with AsyncExitStack() as stack:
        audio = _local(settings, job)
        if url is not None:
            from saystream.client import connect

            try:
                session = await stack.enter_async_context(connect(url, model=job.model))
                audio = _by_server(session, job)
                typer.echo(f"spoken by the server at {url}", err=True)
            except (ConnectionFailed, RemoteError) as error:
                typer.echo(f"not spoken by the server at {url}: {error.message}", err=True)
        async with aclosing(audio):
            async for piece in audio:
                yield piece


async def _local(settings: Settings, job: _Job) -> AsyncGenerator[bytes, None]:
    # Imported here, as elsewhere in this module: with a server to speak, a third of a second is all that it takes.
    from saystream import catalog
    from saystream.speech.events import ResponseAudio, ResponseEnded, SpeechConfig
    from saystream.speech.synthesizer import Synthesizer

    known = catalog.load()
    known.check(job.model, job.config.fields(), prefix="")
    languages = None if job.text is None else languages_of(job.text, job.config, settings)
    async with Synthesizer.running(settings, catalog=known, languages=languages) as synthesizer:
        session = synthesizer.session(SpeechConfig.of_session(job.config))

        async def push(piece: str) -> None:
            session.push(piece)

        async def finish() -> None:
            session.finish()

        feeding = asyncio.create_task(_feed(job, push, finish))
        fault: ServerFault | None = None
        async for event in session.events():
            if isinstance(event, ResponseAudio):
                yield event.encoded
            elif isinstance(event, ResponseEnded):
                fault = event.fault or fault
        if fault is not None:  # what could be spoken has been
            raise fault
        await feeding


def languages_of(text: str, config: SessionConfig, settings: Settings) -> set[str]:
    """All languages (ISO 639-1) that ``text`` will be spoken in, detected as the spine does it."""
    from saystream.languages import LANGUAGE_CODES
    from saystream.text.language import FOLLOWING_CHARACTERS, SpokenLanguage
    from saystream.text.segmenter import Segmenter

    spoken = SpokenLanguage(LANGUAGE_CODES.get(config.language_type))
    languages = {spoken.of(text)}
    segmenter = Segmenter(**settings.segmenter.model_dump())
    end = 0
    for segment in (*segmenter.push(text, now_ms=0), *segmenter.flush()):
        end += len(segment.text)
        if segment.speakable:
            languages.add(spoken.speak(segment.text, text[end : end + FOLLOWING_CHARACTERS]))
    return languages


async def _remote(url: str, job: _Job) -> AsyncGenerator[bytes, None]:
    from saystream.client import connect

    async with connect(url, model=job.model) as session:
        async for audio in _by_server(session, job):
            yield audio


async def _by_server(session: Session, job: _Job) -> AsyncGenerator[bytes, None]:
    # Only what differs from the defaults: the older models refuse some fields altogether.
    await session.update(**cast("SessionSettings", job.config.changes()))
    feeding = asyncio.create_task(_feed(job, session.append, session.finish))
    async for audio in session.audio():
        yield audio
    await feeding


async def _feed(
    job: _Job, push: Callable[[str], Awaitable[None]], finish: Callable[[], Awaitable[None]]
) -> None:
    async for piece in job.pieces():
        await push(piece)
    await finish()


async def _pour(audio: AsyncGenerator[bytes, None], sink: Sink, sample_rate: int) -> None:
    """Write ``audio`` to ``sink`` as it comes, and show its progress on a terminal."""
    started_s = time.monotonic()
    first_ms: float | None = None
    num_bytes = 0
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("starting")
        async with aclosing(audio) as pieces:
            async for piece in pieces:
                first_ms = first_ms or (time.monotonic() - started_s) * 1000
                num_bytes += len(piece)
                await asyncio.to_thread(sink.write, piece)
                progress.update(task, description=_amount(num_bytes, sink, sample_rate))
    took_s = time.monotonic() - started_s
    first = "no sound" if first_ms is None else f"first sound after {first_ms:.0f} ms"
    amount = _amount(num_bytes, sink, sample_rate)
    console.print(f"{sink.name}: {amount}, {first}, done in {took_s:.2f} s")


def _amount(num_bytes: int, sink: Sink, sample_rate: int) -> str:
    if sink.stream_format == "pcm":
        return f"{num_bytes / 2 / sample_rate:.2f} s of speech"
    return f"{num_bytes / 1000:.0f} kB of {sink.stream_format}"
