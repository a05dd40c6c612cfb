"""Where ``say`` puts its speech: a file, standard output or the loudspeaker."""

from __future__ import annotations

import sys
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from saystream.errors import ConfigurationError, InvalidValue

__all__ = ["Sink", "format_of", "open_sink"]

_FORMATS = {".pcm": "pcm", ".wav": "wav", ".mp3": "mp3", ".opus": "opus", ".ogg": "opus"}
"""By file extension."""


@dataclass(frozen=True, slots=True)
class Sink:
    name: str
    """The name shown to a person."""
    stream_format: str
    """What ``write`` needs: the ``response_format`` to request."""
    write: Callable[[bytes], object]
    """Takes the next bytes of the stream; may block while they are played."""


def format_of(output: str | None, wanted: str | None) -> str:
    """The format to write: ``wanted``, else what the extension of ``output`` says, else pcm.

    Raises InvalidValue for a file without a known extension, and for a format other than pcm if it is to be played.
    """
    if output is None and wanted not in (None, "pcm"):
        raise InvalidValue("--format", wanted, "'pcm' for the loudspeaker; name a file with -o FILE")
    if wanted is not None or output is None or output == "-":
        return wanted or "pcm"
    suffix = Path(output).suffix.lower()
    if suffix not in _FORMATS:
        raise InvalidValue("--output", Path(output).name, _FORMATS)
    return _FORMATS[suffix]


@contextmanager
def open_sink(output: str | None, *, wanted: str | None, sample_rate: int) -> Iterator[Sink]:
    """The sink that ``--output`` names: a path, ``-``, or ``None`` for the loudspeaker; ``wanted`` is ``--format``.

    Raises what ``format_of`` raises, and ConfigurationError if there is nothing to play on.
    """
    written = format_of(output, wanted)
    if output is None:
        with _loudspeaker(sample_rate) as sink:
            yield sink
    elif output == "-":
        yield Sink("standard output", written, sys.stdout.buffer.write)
        sys.stdout.buffer.flush()
    else:
        with _file(Path(output), written, sample_rate) as sink:
            yield sink


@contextmanager
def _file(path: Path, written: str, sample_rate: int) -> Iterator[Sink]:
    try:
        if written != "wav":
            with path.open("wb") as file:
                yield Sink(str(path), written, file.write)
            return
        # A stream cannot know its sizes, a file can: the header is made here, around pcm.
        with wave.open(str(path), "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(sample_rate)
            yield Sink(str(path), "pcm", wav.writeframesraw)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}", param="--output") from None


@contextmanager
def _loudspeaker(sample_rate: int) -> Iterator[Sink]:
    try:
        import sounddevice
    except (ImportError, OSError):  # OSError: the package is there, but the PortAudio library is not
        raise ConfigurationError(
            "nothing to play on: name a file with -o FILE.wav, or install saystream[play] (on Debian also"
            " libportaudio2)",
            param="--output",
        ) from None
    try:
        with sounddevice.RawOutputStream(samplerate=sample_rate, channels=1, dtype="int16") as stream:
            yield Sink("loudspeaker", "pcm", stream.write)
    except sounddevice.PortAudioError as error:
        raise ConfigurationError(
            f"cannot play: {error}; name a file with -o FILE.wav", param="--output"
        ) from None
