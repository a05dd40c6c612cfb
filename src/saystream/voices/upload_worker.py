"""The process that decodes one uploaded file: ``python -m saystream.voices.upload_worker LIMITS``.

``LIMITS`` is a :class:`WorkerLimits` as JSON. The file is standard input. The answer on standard output is a line with
a :class:`WorkerReply` as JSON, then the samples, float32 little-endian; those of a speaker are also judged, and silence
at their ends is cut off (``upload_checks``). Once it has loaded what it needs, the process can open no more files, so
an attacker who takes it over through a broken file has nothing but that file.
"""

from __future__ import annotations

import io
import os
import resource
import sys
import wave
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from saystream.errors import AudioReaderUnavailable, AudioRefused, AudioUndecodable
from saystream.voices.upload_report import CheckReport, SpeakerLimits

if TYPE_CHECKING:
    from saystream.audio import AudioChunk

__all__ = ["WorkerLimits", "WorkerReply", "confine", "main"]


class WorkerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one file may be and use; the names are those of ``config.UploadSettings``."""

    min_sample_rate: int
    """Hz."""
    min_duration_s: float
    max_duration_s: float
    max_memory_bytes: int
    max_cpu_s: int
    speaker: SpeakerLimits | None = None
    """Of the speech in it; ``None`` if it may hold any sound."""


class WorkerReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """Either ``sample_rate``, with samples after it, or the class and the message of the error."""

    sample_rate: int = 0
    """Hz."""
    report: CheckReport | None = None
    """On the speech, if that was asked for."""
    error: str = ""
    message: str = ""


def confine(*, max_memory_bytes: int, max_cpu_s: int) -> None:
    """Limit this process for good: memory beyond what it has now, CPU time, and no files except those already open."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    memory = pages * resource.getpagesize() + max_memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (max_cpu_s, max_cpu_s + 1))
    for forbidden in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
        resource.setrlimit(forbidden, (0, 0))


def main(limits: WorkerLimits) -> None:
    """Answer for the file on standard input."""
    try:
        _rehearse(limits)
    except ImportError as error:
        message = f"Uploaded audio cannot be read: {error}. pip install 'saystream[server]' brings it."
        _reply(WorkerReply(error=AudioReaderUnavailable.__name__, message=message))
    confine(max_memory_bytes=limits.max_memory_bytes, max_cpu_s=limits.max_cpu_s)
    try:
        audio, report = _checked(sys.stdin.buffer.read(), limits)
    except AudioRefused as refusal:
        _reply(WorkerReply(error=type(refusal).__name__, message=refusal.message))
    except MemoryError:
        message = "Decoder audio file failed: the file needs more memory than is allowed."
        _reply(WorkerReply(error=AudioUndecodable.__name__, message=message))
    _reply(
        WorkerReply(sample_rate=audio.sample_rate, report=report),
        audio.samples.astype("<f4", copy=False).data,
    )


def _checked(upload: bytes, limits: WorkerLimits) -> tuple[AudioChunk, CheckReport | None]:
    # Loaded here, because a process without it must still be able to report that.
    from saystream.dsp.decode import check, decode

    audio = decode(upload, max_duration_s=limits.max_duration_s)
    check(audio, min_duration_s=limits.min_duration_s, min_sample_rate=limits.min_sample_rate)
    if limits.speaker is None:
        return audio, None
    from saystream.voices.upload_checks import judged, look_at, prepared

    findings = look_at(audio)
    report = judged(findings, limits.speaker)
    return prepared(audio, findings.activity, limits.speaker), report


def _rehearse(limits: WorkerLimits) -> None:
    """Read a moment of audio. Some modules are loaded on first use, and by then no files can be opened."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(b"\x00\x40\x00\xc0" * 1000)
    any_sound = msgspec.structs.replace(limits, min_sample_rate=0, min_duration_s=0.0)
    with suppress(AudioRefused):  # nobody speaks in it
        _checked(file.getvalue(), any_sound)


def _reply(reply: WorkerReply, samples: memoryview | bytes = b"") -> NoReturn:
    """Send the reply and end the process."""
    sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
    sys.stdout.buffer.write(samples)
    sys.stdout.buffer.flush()
    os._exit(0)  # nothing here needs cleaning up, and that could need files


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=WorkerLimits))
