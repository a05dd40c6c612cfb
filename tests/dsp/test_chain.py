"""The chain: nothing lost, nothing held back that need not be, the first delta small."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.audio import AudioChunk, AudioFormat
from saystream.dsp.chain import Chain


def chain(sample_rate=24000, container="pcm"):
    return Chain(AudioFormat(container, sample_rate), first_delta_ms=40, delta_ms=100)


def tone(num_samples, sample_rate=24000, frequency_hz=220):
    return np.sin(2 * np.pi * frequency_hz * np.arange(num_samples) / sample_rate).astype(np.float32) * 0.5


def pcm(deltas):
    return np.frombuffer(b"".join(delta.encoded for delta in deltas), "<i2")


@settings(deadline=None, max_examples=60)
@given(sizes=st.lists(st.integers(0, 5000), max_size=8), sample_rate=st.sampled_from([8000, 24000, 48000]))
def test_the_joined_deltas_do_not_depend_on_the_chunks(sizes, sample_rate):
    samples = tone(sum(sizes))
    one, many = chain(sample_rate), chain(sample_rate)
    whole = [*one.push(AudioChunk(samples, 24000)), *one.flush()]
    pieces = [
        delta
        for piece in np.split(samples, np.cumsum(sizes)[:-1])
        for delta in many.push(AudioChunk(piece, 24000))
    ]
    np.testing.assert_array_equal(pcm([*pieces, *many.flush()]), pcm(whole))


def test_the_first_delta_is_short_and_no_later_one_exceeds_the_limit():
    deltas = chain().push(AudioChunk(tone(24000), 24000))
    assert deltas[0].duration_ms == 40
    assert all(60 <= delta.duration_ms <= 100 for delta in deltas[1:])
    assert sum(delta.duration_ms for delta in deltas) == pytest.approx(1000)


def test_without_a_change_of_rate_every_push_leaves_whole():
    passing = chain()
    for size in (1, 7, 959, 961, 2400, 2401):
        assert sum(len(delta.encoded) for delta in passing.push(AudioChunk(tone(size), 24000))) == 2 * size
    assert passing.flush() == []


def test_the_durations_add_up_to_the_sound():
    upwards = chain(48000)
    deltas = [*upwards.push(AudioChunk(tone(12345), 24000)), *upwards.flush()]
    assert sum(delta.duration_ms for delta in deltas) == pytest.approx(12345 / 24, abs=0.1)


def test_an_engine_of_another_rate_may_speak_the_next_segment():
    mixed = chain()
    deltas = mixed.push(AudioChunk(tone(24000), 24000))
    deltas += mixed.push(AudioChunk(tone(22050, 22050), 22050))
    deltas += mixed.push(AudioChunk(tone(24000), 24000))
    deltas += mixed.flush()
    assert len(pcm(deltas)) == pytest.approx(72000, abs=2)


def test_a_wav_response_has_one_header_whatever_its_chunks():
    wav = chain(container="wav")
    deltas = [delta for _ in range(3) for delta in wav.push(AudioChunk(tone(2400), 24000))]
    stream = b"".join(delta.encoded for delta in [*deltas, *wav.flush()])
    assert stream.startswith(b"RIFF") and stream.count(b"RIFF") == 1
    assert len(stream) == 44 + 3 * 4800
