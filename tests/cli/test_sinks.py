"""Where speech is put, and which format that asks for."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from saystream.cli.sinks import format_of, open_sink
from saystream.errors import ConfigurationError, InvalidValue


@pytest.mark.parametrize(
    ("output", "written"),
    [
        ("a.wav", "wav"),
        ("b.PCM", "pcm"),
        ("c.mp3", "mp3"),
        ("d.opus", "opus"),
        ("e.ogg", "opus"),
        ("-", "pcm"),
    ],
)
def test_the_extension_chooses_the_format(output: str, written: str) -> None:
    assert format_of(output, None) == written


def test_a_named_format_goes_before_the_extension() -> None:
    assert format_of("speech.bin", "mp3") == "mp3"
    assert format_of("speech.wav", "pcm") == "pcm"
    assert format_of("-", "opus") == "opus"


def test_an_extension_that_says_nothing_is_refused_with_those_that_do() -> None:
    with pytest.raises(InvalidValue, match=r"'\.wav'.*'\.opus'"):
        format_of("speech.txt", None)


def test_a_loudspeaker_plays_pcm_only() -> None:
    assert format_of(None, None) == "pcm"
    with pytest.raises(InvalidValue, match="mp3"):
        format_of(None, "mp3")


def test_a_wav_file_asks_for_pcm_and_has_the_right_sizes(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with open_sink(str(path), wanted=None, sample_rate=16000) as sink:
        assert sink.stream_format == "pcm"
        sink.write(bytes(320))
        sink.write(bytes(640))
    assert path.stat().st_size == 44 + 960
    with wave.open(str(path)) as wav:
        assert (wav.getframerate(), wav.getnframes(), wav.getnchannels()) == (16000, 480, 1)


def test_a_compressed_file_is_the_stream_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    with open_sink(str(path), wanted=None, sample_rate=24000) as sink:
        assert sink.stream_format == "mp3"
        sink.write(b"first")
        sink.write(b"second")
    assert path.read_bytes() == b"firstsecond"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot write"):
        with open_sink(str(tmp_path / "none" / "a.mp3"), wanted=None, sample_rate=24000):
            pass
