"""Uploaded reference audio, decoded in its own process, where a broken or hostile file does no harm.

The gateway never loads a decoder for it, and trusts no more than the length of what the process returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import cast

import msgspec
import numpy as np
import structlog

from saystream.audio import AudioChunk
from saystream.config import UploadSettings
from saystream.errors import (
    AudioFormatUnsupported,
    AudioRateUnsupported,
    AudioReaderUnavailable,
    AudioSilent,
    AudioTooLarge,
    AudioTooLong,
    AudioTooShort,
    AudioUndecodable,
    AudioUnfit,
    Overloaded,
    SaystreamError,
)
from saystream.protocol.json import NOT_JSON
from saystream.voices.upload_report import CheckReport, SpeakerLimits
from saystream.voices.upload_worker import WorkerLimits, WorkerReply

__all__ = ["UploadReader"]

_STDIN, _STDOUT = 0, 1

_MAX_REPLIED_RATE = 192_000
"""Hz; more is never decoded (``dsp.decode.MAX_SAMPLE_RATE``, which is not imported: it would load the decoder)."""
_MAX_REPLY_LINE_BYTES = 4096
_BYTES_PER_SAMPLE = 4

_PASSED_ON = ("LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "PYTHONPATH")
"""All of the environment that the process gets: what Python needs to start, and none of our keys."""

_ERRORS: dict[str, type[SaystreamError]] = {
    error.__name__: error
    for error in (
        AudioFormatUnsupported,
        AudioRateUnsupported,
        AudioReaderUnavailable,
        AudioSilent,
        AudioTooLong,
        AudioTooShort,
        AudioUndecodable,
        AudioUnfit,
    )
}

_log = structlog.get_logger(__name__)


class UploadReader:
    """Decodes uploaded files, a few at once. One for the whole server."""

    def __init__(self, settings: UploadSettings) -> None:
        self._settings = settings
        self._turn = asyncio.Semaphore(settings.max_concurrent)
        self._unfinished = 0

    async def read(
        self, upload: bytes, *, min_sample_rate: int, min_duration_s: float | None = None
    ) -> AudioChunk:
        """The audio of a WAV, MP3, M4A, AAC, FLAC, Ogg or WebM file: mono, at the file's own rate.

        ``min_sample_rate`` (Hz) and ``min_duration_s`` are what the kind of voice needs; without the latter the setting
        applies. Raises an :class:`AudioRefused` that says what is wrong with the file, :class:`AudioReaderUnavailable`,
        or :class:`Overloaded` if too many are waiting. Cancelling kills the process.
        """
        audio, _ = await self._read(upload, min_sample_rate, min_duration_s)
        return audio

    async def read_speaker(
        self, upload: bytes, *, min_sample_rate: int, speaker: SpeakerLimits
    ) -> tuple[AudioChunk, CheckReport]:
        """The same of the recording of somebody who speaks, without the silence at its ends, and what was found in it.

        Raises AudioUnfit, too, if nobody speaks in it, or there is too much noise.
        """
        audio, report = await self._read(upload, min_sample_rate, None, speaker)
        if report is None:
            raise AudioReaderUnavailable("Uploaded audio cannot be read: its process did not judge it.")
        return audio, report

    async def _read(
        self,
        upload: bytes,
        min_sample_rate: int,
        min_duration_s: float | None,
        speaker: SpeakerLimits | None = None,
    ) -> tuple[AudioChunk, CheckReport | None]:
        settings = self._settings
        if len(upload) > settings.max_bytes:
            raise AudioTooLarge(f"File too large: {len(upload)} bytes; at most {settings.max_bytes}.")
        if self._unfinished >= settings.max_concurrent + settings.max_waiting:
            raise Overloaded("Too many uploaded files are waiting to be read.")
        limits = WorkerLimits(
            min_sample_rate=min_sample_rate,
            min_duration_s=settings.min_duration_s if min_duration_s is None else min_duration_s,
            max_duration_s=settings.max_duration_s,
            max_memory_bytes=settings.max_memory_bytes,
            max_cpu_s=settings.max_cpu_s,
            speaker=speaker,
        )
        self._unfinished += 1
        try:
            async with self._turn:
                return await self._decoded(upload, limits)
        finally:
            self._unfinished -= 1

    async def _decoded(self, upload: bytes, limits: WorkerLimits) -> tuple[AudioChunk, CheckReport | None]:
        max_samples = int(limits.max_duration_s * _MAX_REPLIED_RATE)
        worker = _Worker(_MAX_REPLY_LINE_BYTES + max_samples * _BYTES_PER_SAMPLE)
        try:
            await worker.run(upload, limits, timeout_s=self._settings.timeout_s)
        except TimeoutError:
            _log.warning("upload worker killed", after_s=self._settings.timeout_s, num_bytes=len(upload))
            message = f"Decoder audio file failed: it took longer than {self._settings.timeout_s:g} s."
            raise AudioUndecodable(message) from None
        except OSError as error:
            raise AudioReaderUnavailable(
                f"Uploaded audio cannot be read: no process could be started: {error.strerror}."
            ) from error
        return worker.answer()


class _Worker(asyncio.SubprocessProtocol):
    """One process and its output."""

    def __init__(self, max_reply_bytes: int) -> None:
        self._max_reply_bytes = max_reply_bytes
        self._reply = bytearray()
        self._transport: asyncio.SubprocessTransport | None = None
        self._exited = False
        self._unwanted = False
        """Killed, or to be killed as soon as it has started."""
        self._stdout_closed = False
        self._gone = asyncio.get_running_loop().create_future()

    async def run(self, upload: bytes, limits: WorkerLimits, *, timeout_s: float) -> None:
        """Return when the process has ended; kill it when cancelled.

        Raises TimeoutError if it had to be killed after ``timeout_s``, and OSError if it does not start.
        """
        # In its own task, because a loop that is cancelled while it starts a process loses track of that process.
        running = asyncio.create_task(self._run(upload, limits))
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(running)
        finally:
            self._kill()
            await running

    async def _run(self, upload: bytes, limits: WorkerLimits) -> None:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: self,
            sys.executable,
            *("-P", "-m", "saystream.voices.upload_worker", msgspec.json.encode(limits).decode()),
            stderr=asyncio.subprocess.DEVNULL,  # libraries may print parts of a file
            env={**environment, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C does not reach it
        )
        stdin = cast("asyncio.WriteTransport", transport.get_pipe_transport(_STDIN))
        # It may have ended already; uvloop's pipe raises then.
        if not stdin.is_closing():
            stdin.write(upload)
            stdin.close()
        await self._gone

    def answer(self) -> tuple[AudioChunk, CheckReport | None]:
        """The answer of a process that has ended. Raises the error that it named, or what its end means."""
        head, _, samples = self._reply.partition(b"\n")
        try:
            reply = msgspec.json.decode(head, type=WorkerReply)
        except NOT_JSON:
            raise self._untimely_end() from None
        if reply.error in _ERRORS:
            raise _ERRORS[reply.error](reply.message)
        whole = len(samples) > 0 and len(samples) % _BYTES_PER_SAMPLE == 0
        if not whole or not 0 < reply.sample_rate <= _MAX_REPLIED_RATE:
            raise self._untimely_end()
        return AudioChunk(np.frombuffer(samples, "<f4"), reply.sample_rate), reply.report

    def _untimely_end(self) -> SaystreamError:
        """A signal means that the file caused a crash or hit a limit; anything else is a fault on our side."""
        code = self._transport.get_returncode() if self._transport is not None else None
        if code is not None and code < 0:
            how = signal.Signals(-code).name
            fault: SaystreamError = AudioUndecodable(
                f"Decoder audio file failed: its decoder ended with {how}."
            )
        else:
            how = f"exit code {code}"
            fault = AudioReaderUnavailable(f"Uploaded audio cannot be read: its process ended with {how}.")
        _log.warning("upload worker failed", how=how)
        return fault

    def _kill(self) -> None:
        self._unwanted = True
        if self._transport is not None and not self._exited:
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()

    # Events of the process.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.SubprocessTransport", transport)
        if self._unwanted:
            self._kill()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._reply += data
        if len(self._reply) > self._max_reply_bytes:
            self._reply.clear()
            self._kill()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == _STDOUT:
            self._stdout_closed = True
            self._close()

    def process_exited(self) -> None:
        self._exited = True
        self._close()

    def _close(self) -> None:
        if self._exited and self._stdout_closed and self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The process has ended and all its output has been read."""
        if not self._gone.done():
            self._gone.set_result(None)
