"""``saystream say``: one text, spoken in this process or by a server."""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from saystream import catalog
from saystream.audio import AudioFormat
from saystream.cli.shared import errors_in_one_line, settings_with
from saystream.cli.sinks import Sink, open_sink
from saystream.client import connect
from saystream.config import LogSettings
from saystream.protocol.realtime.session_config import SessionConfig, SessionPatch
from saystream.server.logs import configure
from saystream.synthesis import ResponseAudio, ResponseEnded, SpeechConfig, Synthesizer

if TYPE_CHECKING:
    from saystream.config import Settings

__all__ = ["say"]

_SAMPLE_RATE = 24000
_READ_BYTES = 4096


def say(
    text: Annotated[
        str | None, typer.Argument(help="What to say; without it, standard input is read.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="A .wav or .pcm file, or '-' for pcm on standard output."),
    ] = None,
    voice: Annotated[str, typer.Option(help="See `saystream voices`.")] = "Cherry",
    language: Annotated[str, typer.Option(help="Auto, Chinese, English and so on.")] = "Auto",
    model: Annotated[str, typer.Option(help="See `saystream models`.")] = "qwen3-tts-flash-realtime",
    mode: Annotated[
        str, typer.Option(help="server_commit speaks as text comes in, commit only whole texts.")
    ] = ("server_commit"),
    url: Annotated[
        str | None,
        typer.Option(help="A server, such as ws://127.0.0.1:8321; without it this process speaks."),
    ] = None,
    engine: Annotated[str | None, typer.Option(help="'auto', or one engine; only without --url.")] = None,
) -> None:
    """Say TEXT aloud, or into a file."""
    with errors_in_one_line():
        settings = settings_with(engine=engine)
        configure(LogSettings(level="warning"))
        patch = SessionPatch(voice=voice, language_type=language, mode=mode)
        job = _Job(model, SessionConfig().merged(patch), text)
        audio = _remote(url, job) if url else _local(settings, job)
        with open_sink(output, sample_rate=_SAMPLE_RATE) as sink:
            asyncio.run(_pour(audio, sink))


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


async def _local(settings: Settings, job: _Job) -> AsyncGenerator[bytes, None]:
    check = catalog.load().check
    config = job.config
    check(
        job.model,
        voice=config.voice,
        response_format=config.response_format,
        sample_rate=config.sample_rate,
        language_type=config.language_type,
        speech_rate=config.speech_rate,
        volume=config.volume,
        pitch_rate=config.pitch_rate,
        bit_rate=config.bit_rate,
        instructions=config.instructions,
        optimize_instructions=config.optimize_instructions,
        prefix="",
    )
    async with Synthesizer.running(settings) as synthesizer:
        session = synthesizer.session(
            SpeechConfig(
                voice=config.voice,
                language_type=config.language_type,
                audio_format=AudioFormat(sample_rate=_SAMPLE_RATE),
                server_commit=config.mode == "server_commit",
            )
        )

        async def push(piece: str) -> None:
            session.push_text(piece)

        async def finish() -> None:
            session.finish()

        feeding = asyncio.create_task(_feed(job, push, finish))
        async for event in session.events():
            if isinstance(event, ResponseAudio):
                yield event.encoded
            elif isinstance(event, ResponseEnded) and event.fault is not None:
                raise event.fault
        await feeding


async def _remote(url: str, job: _Job) -> AsyncGenerator[bytes, None]:
    async with connect(url, model=job.model) as session:
        config = job.config
        await session.update(voice=config.voice, language_type=config.language_type, mode=config.mode)
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


async def _pour(audio: AsyncGenerator[bytes, None], sink: Sink) -> None:
    """Write ``audio`` to ``sink`` as it comes, and tell a person at a terminal how far it is."""
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
                progress.update(task, description=f"{num_bytes / 2 / _SAMPLE_RATE:.1f} s of speech")
    took_s = time.monotonic() - started_s
    first = "no sound" if first_ms is None else f"first sound after {first_ms:.0f} ms"
    console.print(
        f"{sink.name}: {num_bytes / 2 / _SAMPLE_RATE:.2f} s of speech, {first}, done in {took_s:.2f} s"
    )
