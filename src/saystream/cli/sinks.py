"""Where ``say`` puts its pcm: a file, standard output or the loudspeaker."""

from __future__ import annotations

import sys
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from saystream.errors import ConfigurationError, InvalidValue

__all__ = ["Sink", "open_sink"]


@dataclass(frozen=True, slots=True)
class Sink:
    name: str
    """As a person knows it."""
    write: Callable[[bytes], object]
    """Takes 16-bit mono pcm; may block while it is played."""


@contextmanager
def open_sink(output: str | None, *, sample_rate: int) -> Iterator[Sink]:
    """The sink that ``--output`` names: a path, ``-``, or ``None`` for the loudspeaker.

    Raises InvalidValue for another file type, ConfigurationError where there is nothing to play on.
    """
    if output is None:
        with _loudspeaker(sample_rate) as sink:
            yield sink
    elif output == "-":
        yield Sink("standard output", sys.stdout.buffer.write)
        sys.stdout.buffer.flush()
    else:
        with _file(Path(output), sample_rate) as sink:
            yield sink


@contextmanager
def _file(path: Path, sample_rate: int) -> Iterator[Sink]:
    suffix = path.suffix.lower()
    if suffix not in (".wav", ".pcm"):
        raise InvalidValue("--output", path.name, (".wav", ".pcm"))
    try:
        if suffix == ".pcm":
            with path.open("wb") as raw:
                yield Sink(str(path), raw.write)
            return
        with wave.open(str(path), "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(sample_rate)
            yield Sink(str(path), wav.writeframesraw)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}", param="--output") from None


@contextmanager
def _loudspeaker(sample_rate: int) -> Iterator[Sink]:
    try:
        import sounddevice
    except (ImportError, OSError):  # OSError: the package is there, the PortAudio library is not
        raise ConfigurationError(
            "nothing to play on: name a file with -o FILE.wav, or install saystream[play] (on Debian also"
            " libportaudio2)",
            param="--output",
        ) from None
    try:
        with sounddevice.RawOutputStream(samplerate=sample_rate, channels=1, dtype="int16") as stream:
            yield Sink("loudspeaker", stream.write)
    except sounddevice.PortAudioError as error:
        raise ConfigurationError(
            f"cannot play: {error}; name a file with -o FILE.wav", param="--output"
        ) from None
