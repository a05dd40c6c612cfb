from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from saystream.audio import AudioChunk
from saystream.dsp.decode import MAX_SAMPLE_RATE, _frames, check, decode
from saystream.errors import (
    AudioFormatUnsupported,
    AudioRateUnsupported,
    AudioRefused,
    AudioSilent,
    AudioTooLong,
    AudioTooShort,
    AudioUndecodable,
)
from uploads import AMPLITUDE, FORMATS, FREQUENCY_HZ, encoded, mutations, silence, tone, written

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent.parent
MAX_DURATION_S = 60.0


def middle(audio: AudioChunk) -> np.ndarray:
    """Without what a codec does at both ends."""
    rest = len(audio.samples) // 5
    return audio.samples[rest:-rest]


def frequency_hz(audio: AudioChunk) -> float:
    samples = middle(audio)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * audio.sample_rate / len(samples))


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_comes_back_with_its_length_rate_pitch_and_level(name: str) -> None:
    upload_format = FORMATS[name]
    audio = decode(encoded(name, 2.0), max_duration_s=MAX_DURATION_S)
    level = AMPLITUDE * upload_format.gain * (0.75 if upload_format.channels == 2 else 1)
    assert audio.sample_rate == upload_format.sample_rate
    assert audio.samples.dtype == np.float32
    assert audio.samples.ndim == 1
    assert -0.001 <= audio.duration_ms / 1000 - 2.0 <= upload_format.priming_s + 0.001
    assert frequency_hz(audio) == pytest.approx(FREQUENCY_HZ, abs=1)
    assert np.sqrt(2) * middle(audio).std() == pytest.approx(level, rel=0.02)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"ogg-vorbis"}))
def test_two_channels_become_their_mean(name: str) -> None:
    audio = decode(encoded(name, 1.0, channels=2), max_duration_s=MAX_DURATION_S)
    assert audio.samples.ndim == 1
    assert audio.duration_ms == pytest.approx(1000, abs=100)
    assert np.sqrt(2) * middle(audio).std() == pytest.approx(AMPLITUDE * FORMATS[name].gain * 0.75, rel=0.02)


@pytest.mark.parametrize(
    "name, step", [("wav-8", 2 / 256), ("wav-16", 2 / 2**16), ("wav-24", 2e-6), ("wav-float", 0.0)]
)
def test_samples_are_exact_to_their_width(name: str, step: float) -> None:
    audio = decode(encoded(name, 0.5), max_duration_s=MAX_DURATION_S)
    assert np.abs(audio.samples - tone(0.5, audio.sample_rate)).max() <= step


def test_a_wav_file_that_was_streamed_and_does_not_know_its_length_is_read_to_its_end() -> None:
    whole = bytearray(encoded("wav-16", 0.5))
    start = whole.index(b"data")
    whole[4:8] = whole[start + 4 : start + 8] = b"\xff" * 4
    assert decode(bytes(whole), max_duration_s=MAX_DURATION_S).duration_ms == 500


def test_tags_in_any_encoding_are_no_reason_to_refuse_a_file() -> None:
    whole = encoded("wav-16", 0.5)
    title = "中文标题".encode("gbk")
    tags = b"INFOINAM" + len(title).to_bytes(4, "little") + title
    tagged = whole[:12] + b"LIST" + len(tags).to_bytes(4, "little") + tags + whole[12:]
    assert decode(tagged, max_duration_s=MAX_DURATION_S).duration_ms == 500


def test_a_file_exactly_as_long_as_allowed_is_taken_and_a_sample_more_is_not() -> None:
    upload = encoded("wav-16", 1.0)
    assert decode(upload, max_duration_s=1.0).duration_ms == 1000
    with pytest.raises(AudioTooLong, match=r"longer than 0\.9999 s"):
        decode(upload, max_duration_s=0.9999)


@pytest.mark.parametrize(
    "container, codec, sample_rate, hours", [("flac", "flac", 8000, 10), ("ogg", "libopus", 48000, 2)]
)
def test_hours_in_a_small_file_are_refused_after_the_first_minute(
    container: str, codec: str, sample_rate: int, hours: int
) -> None:
    bomb = silence(container, codec, sample_rate, hours * 3600)
    assert len(bomb) < 10 << 20
    tracemalloc.start()
    try:
        with pytest.raises(AudioTooLong):
            decode(bomb, max_duration_s=MAX_DURATION_S)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * MAX_DURATION_S * sample_rate * 4 + len(bomb) + (1 << 20)


PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\x90wS\xde"
REFUSED = {
    "nothing": b"",
    "one byte": b"R",
    "a text": "这是一段文字。 This is no sound.\n".encode() * 200,
    "a picture": PICTURE + bytes(500),
    "zeros": bytes(10_000),
    "half a header": encoded("wav-16")[:20],
    "a page of HTML": b"<!DOCTYPE html><html><body><audio src='a.wav'></body></html>" * 20,
}


@pytest.mark.parametrize("upload", REFUSED.values(), ids=REFUSED)
def test_what_is_no_audio_file_is_refused(upload: bytes) -> None:
    with pytest.raises(AudioFormatUnsupported, match=r"^File format unsupported"):
        decode(upload, max_duration_s=MAX_DURATION_S)


def playlists(target: Path) -> dict[str, bytes]:
    uri = target.as_uri()
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{uri}\n#EXT-X-ENDLIST\n".encode(),
        "hls-path": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{target}\n#EXT-X-ENDLIST\n".encode(),
        "dash": (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" mediaPresentationDuration="PT5S"><Period>'
            '<AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="64000">'
            f"<BaseURL>{uri}</BaseURL></Representation></AdaptationSet></Period></MPD>"
        ).encode(),
        "concat": f"ffconcat version 1.0\nfile '{target}'\n".encode(),
        "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "m3u": f"#EXTM3U\n{target}\n".encode(),
    }


@pytest.mark.parametrize("kind", playlists(Path("/a.wav")))
def test_a_playlist_is_refused_and_no_other_file_read(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "secret.wav"
    target.write_bytes(encoded("wav-16", 5.0))
    os.utime(target, (0, 0))  # the first who reads it sets the time of access
    with pytest.raises(AudioFormatUnsupported):
        decode(playlists(target)[kind], max_duration_s=MAX_DURATION_S)
    assert target.stat().st_atime == 0


def test_a_video_without_sound_and_a_codec_that_is_not_let_in_are_refused() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as muxer:
        stream = muxer.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        for _ in range(5):
            muxer.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        muxer.mux(stream.encode(None))
    adpcm = written("wav", "adpcm_ima_wav", 24000, tone(1.0, 24000)[np.newaxis])
    for upload in (file.getvalue(), adpcm):
        with pytest.raises(AudioFormatUnsupported, match="no track of a supported codec"):
            decode(upload, max_duration_s=MAX_DURATION_S)


def test_a_file_without_a_sample_is_too_short() -> None:
    whole = encoded("wav-16")
    empty = whole[: whole.index(b"data") + 4] + bytes(4)
    with pytest.raises(AudioTooShort, match="no sample"):
        decode(empty, max_duration_s=MAX_DURATION_S)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_was_cut_off_is_shorter_or_refused(name: str) -> None:
    upload = encoded(name, 1.0)
    for part in (1, 2, 3, 4):
        try:
            audio = decode(upload[: len(upload) * part // 5], max_duration_s=MAX_DURATION_S)
        except AudioRefused:
            continue
        assert audio.duration_ms <= 1100


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 100.0])
def test_samples_that_are_no_sound_are_refused(value: float) -> None:
    samples = tone(1.0, 24000)
    samples[500] = value
    with pytest.raises(AudioUndecodable, match="not finite or far beyond"):
        decode(written("wav", "pcm_f32le", 24000, samples[np.newaxis]), max_duration_s=MAX_DURATION_S)


def test_a_rate_that_changes_in_the_middle_is_refused() -> None:
    joined = encoded("aac", 1.0) + written("adts", "aac", 44100, tone(1.0, 44100)[np.newaxis])
    with pytest.raises(AudioUndecodable, match="its sample rate changes"):
        decode(joined, max_duration_s=MAX_DURATION_S)


def test_a_rate_beyond_any_recording_and_a_crowd_of_channels_are_refused() -> None:
    upload = bytearray(encoded("wav-16"))
    upload[24:28] = (MAX_SAMPLE_RATE + 1).to_bytes(4, "little")
    with pytest.raises(AudioRateUnsupported, match="192001 Hz"):
        decode(bytes(upload), max_duration_s=MAX_DURATION_S)
    upload = bytearray(encoded("wav-16"))
    upload[22:24] = (9).to_bytes(2, "little")
    upload[32:34] = (18).to_bytes(2, "little")
    with pytest.raises(AudioFormatUnsupported, match="9 channels"):
        decode(bytes(upload), max_duration_s=MAX_DURATION_S)


def test_a_reference_is_long_enough_and_has_rate_enough() -> None:
    audio = AudioChunk(tone(3.0, 24000), 24000)
    check(audio, min_duration_s=3.0, min_sample_rate=24000)
    with pytest.raises(AudioTooShort, match=r"valid audio too short! 3\.00 s; at least 3\.1 s"):
        check(audio, min_duration_s=3.1, min_sample_rate=24000)
    with pytest.raises(AudioRateUnsupported, match="24000 Hz. Supported: from 44100 Hz"):
        check(audio, min_duration_s=3.0, min_sample_rate=44100)


def test_silence_is_refused_also_with_an_offset_and_a_word_in_it_is_not() -> None:
    noise = np.random.default_rng(3).normal(0, 0.001, 72000).astype(np.float32)
    for silent in (np.zeros(72000, np.float32), np.full(72000, 0.3, np.float32), noise):
        with pytest.raises(AudioSilent, match=r"^silent audio error"):
            check(AudioChunk(silent, 24000), min_duration_s=3, min_sample_rate=24000)
    noise[30000:36000] += tone(0.25, 24000, 0.05)
    check(AudioChunk(noise, 24000), min_duration_s=3, min_sample_rate=24000)


def test_the_shortest_reference_is_measured_whole() -> None:
    check(AudioChunk(tone(0.001, 24000), 24000), min_duration_s=0, min_sample_rate=8000)
    with pytest.raises(AudioSilent):
        check(AudioChunk(np.zeros(1, np.float32), 24000), min_duration_s=0, min_sample_rate=8000)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_decoded_or_refused_in_little_time_and_memory(name: str) -> None:
    count, seed, max_memory_bytes, max_cpu_s = 150, 20, 128 << 20, 30
    command = [sys.executable, "-W", "error", str(TESTS / "fuzz_uploads.py"), name]
    ran = subprocess.run(
        [*command, *map(str, (count, seed, max_memory_bytes, max_cpu_s))],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert ran.returncode == 0, ran.stderr
    assert not ran.stderr
    measured = json.loads(ran.stdout)
    print(name, measured)
    assert sum(measured["outcomes"].values()) == count + 1
    assert measured["slowest_s"] < 1.0
    assert measured["grown_bytes"] < 64 << 20
    assert len(measured["outcomes"]) > 1


def test_mutations_are_the_same_every_time() -> None:
    upload = encoded("ogg-opus", 0.2)
    damaged = list(mutations(upload, 20, 1))
    assert damaged == list(mutations(upload, 20, 1))
    assert sum(copy != upload for copy in damaged) >= 18


def test_a_want_of_memory_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(*_: object, **__: object) -> None:
        raise MemoryError

    upload = encoded("wav-16", 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(av, "open", without_memory)
        with pytest.raises(MemoryError):
            decode(upload, max_duration_s=60)


def test_frames_without_samples_are_skipped_and_a_want_of_memory_between_them_is_told_as_that() -> None:
    class Frame:
        def __init__(self, samples: int) -> None:
            self.samples = samples

    class Container:
        def decode(self, stream: object) -> Iterator[Frame]:
            yield Frame(0)
            yield Frame(1)
            raise MemoryError

    container: Any = Container()
    frames = _frames(container, None)
    assert next(frames).samples == 1
    with pytest.raises(MemoryError):
        next(frames)
