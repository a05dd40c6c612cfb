"""The chain: nothing lost, nothing held back that need not be, the first delta small."""

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.sounds import tone
from saystream.audio import SAMPLE_RATES, AudioChunk, AudioFormat, Container, Effects
from saystream.dsp.chain import FADE_MS, LEAST_DELTA_MS, Chain, EncodedAudio
from saystream.dsp.encoders import ENCODERS

NEUTRAL = Effects()

LATE_MS = 15
"""A change of tempo or pitch may lag behind, and speaks to the end."""


def chain(sample_rate: int = 24000, container: Container = "pcm", effects: Effects = NEUTRAL) -> Chain:
    return Chain(AudioFormat(container, sample_rate), effects=effects, first_delta_ms=40, delta_ms=100)


def chunk(samples: np.ndarray, sample_rate: int = 24000) -> AudioChunk:
    return AudioChunk(samples, sample_rate)


def pcm(deltas: Iterable[EncodedAudio]) -> np.ndarray:
    return np.frombuffer(b"".join(delta.encoded for delta in deltas), "<i2")


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    sizes=st.lists(st.integers(0, 5000), max_size=8),
    sample_rate=st.sampled_from([8000, 22050, 24000, 48000]),
    container=st.sampled_from(sorted(ENCODERS)),
    effects=st.sampled_from([NEUTRAL, Effects(1.3, 1.0, 50), Effects(1.0, 0.7, 100), Effects(0.6, 1.5, 20)]),
)
def test_the_joined_deltas_do_not_depend_on_the_chunks(
    sizes: list[int], sample_rate: int, container: Container, effects: Effects
) -> None:
    samples = tone(220, sum(sizes))
    one, many = chain(sample_rate, container, effects), chain(sample_rate, container, effects)
    whole = [*one.push(chunk(samples)), *one.flush()]
    pieces = [
        delta for piece in np.split(samples, np.cumsum(sizes)[:-1]) for delta in many.push(chunk(piece))
    ]
    pieces += many.flush()
    assert b"".join(delta.encoded for delta in pieces) == b"".join(delta.encoded for delta in whole)


def test_the_first_delta_is_short_and_no_later_one_exceeds_the_limit() -> None:
    deltas = list(chain().push(chunk(tone(220, 24000))))
    assert deltas[0].duration_ms == 40
    assert all(60 <= delta.duration_ms <= 100 for delta in deltas[1:])
    assert sum(delta.duration_ms for delta in deltas) == pytest.approx(1000 - LEAST_DELTA_MS)


def test_without_a_change_every_push_leaves_but_for_the_last_ten_milliseconds() -> None:
    passing = chain()
    num_in = num_out = 0
    for size in (960, 1200, 2400, 2401):
        num_in += size
        num_out += len(pcm(passing.push(chunk(tone(220, size + 1)[1:]))))
        assert num_in - num_out == pytest.approx(
            24 * LEAST_DELTA_MS, abs=1
        )  # a last sample of zero is silence
    assert num_in == pytest.approx(num_out + len(pcm(passing.flush())), abs=1)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    sizes=st.lists(st.integers(0, 3000), max_size=8),
    sample_rate=st.sampled_from(SAMPLE_RATES),
    container=st.sampled_from(["pcm", "wav"]),
    effects=st.sampled_from([NEUTRAL, Effects(1.3, 1.0, 50), Effects(1.0, 0.7, 100)]),
    cut_off=st.booleans(),
    pause_after=st.integers(0, 8),
)
def test_no_delta_is_shorter_than_ten_milliseconds(
    sizes: list[int],
    sample_rate: int,
    container: Container,
    effects: Effects,
    cut_off: bool,
    pause_after: int,
) -> None:
    spoken = chain(sample_rate, container, effects)
    deltas: list[EncodedAudio] = []
    for number, size in enumerate(sizes):
        deltas += spoken.push(chunk(tone(220, size + 1)[1:]))
        deltas += spoken.release() if number == pause_after else []
    deltas += spoken.cut_off() if cut_off else spoken.flush()
    header = 44 if container == "wav" else 0
    for delta, num_bytes in zip(deltas, [header, *[0] * len(deltas)], strict=False):
        assert len(delta.encoded) - num_bytes >= 2 * sample_rate * LEAST_DELTA_MS / 1000
    assert not sum(sizes) or deltas


def test_a_response_shorter_than_ten_milliseconds_ends_in_silence() -> None:
    brief = chain()
    deltas = [*brief.push(chunk(tone(220, 101)[1:])), *brief.flush()]
    assert [delta.duration_ms for delta in deltas] == [LEAST_DELTA_MS]
    assert pcm(deltas)[:100].any() and not pcm(deltas)[100:].any()


def test_before_a_wait_nothing_is_held_back_and_a_tail_after_it_ends_in_silence() -> None:
    waiting = chain()
    deltas = [*waiting.push(chunk(tone(220, 4801)[1:])), *waiting.release(), *waiting.release()]
    assert len(pcm(deltas)) == 4800
    deltas += waiting.push(chunk(tone(220, 101)[1:]))
    deltas += waiting.flush()
    assert deltas[-1].duration_ms == LEAST_DELTA_MS and len(pcm(deltas)) == 4800 + 240


def test_a_wav_response_without_sound_is_a_header_and_silence() -> None:
    (delta,) = chain(container="wav").flush()
    assert len(delta.encoded) == 44 + 480


@pytest.mark.parametrize(("effects", "speed"), [(NEUTRAL, 1), (Effects(2.0, 1.0, 80), 2)])
def test_the_durations_add_up_to_the_sound(effects: Effects, speed: float) -> None:
    upwards = chain(48000, effects=effects)
    deltas = [*upwards.push(chunk(tone(220, 12345))), *upwards.flush()]
    late_ms = sum(delta.duration_ms for delta in deltas) - 12345 / 24 / speed
    assert -0.1 < late_ms < (0.1 if speed == 1 else LATE_MS)


@pytest.mark.parametrize("sample_rate", [8000, 48000])
@pytest.mark.parametrize("speech_rate", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("pitch_rate", [0.5, 1.0, 1.2, 2.0])
def test_a_response_begins_and_ends_without_a_click(
    pitch_rate: float, speech_rate: float, sample_rate: int
) -> None:
    spoken = chain(sample_rate, effects=Effects(speech_rate, pitch_rate, volume=100))
    heard = pcm([*spoken.push(chunk(tone(220, 24000))), *spoken.flush()]) / 32768
    own_step = 2 * np.pi * 220 * pitch_rate / min(sample_rate, 24000)
    assert max(abs(heard[0]), abs(heard[-1])) <= (0.05 + own_step) * np.abs(heard).max()
    for edge in (heard[: sample_rate // 50], heard[-sample_rate // 50 :]):
        assert np.abs(edge).max() > 0.5 * np.abs(heard).max()


@pytest.mark.parametrize("effects", [NEUTRAL, Effects(1.0, 1.2, 70)])
def test_an_engine_of_another_rate_may_speak_the_next_segment(effects: Effects) -> None:
    mixed = chain(effects=effects)
    deltas = list(mixed.push(chunk(tone(220, 24000))))
    deltas += mixed.push(chunk(tone(220, 22050, 22050), 22050))
    deltas += mixed.push(chunk(tone(220, 24000)))
    deltas += mixed.flush()
    assert -3 <= len(pcm(deltas)) - 72000 <= (3 if effects is NEUTRAL else 2 * 24 * LATE_MS)


def test_a_wav_response_has_one_header_whatever_its_chunks() -> None:
    wav = chain(container="wav")
    deltas = [delta for _ in range(3) for delta in wav.push(chunk(tone(220, 2400)))]
    stream = b"".join(delta.encoded for delta in [*deltas, *wav.flush()])
    assert stream.startswith(b"RIFF") and stream.count(b"RIFF") == 1
    assert len(stream) == 44 + 3 * 4800


def test_what_is_not_taken_of_one_push_comes_with_the_next() -> None:
    patient = chain()
    sound = tone(220, 12000)
    first = next(patient.push(chunk(sound[:6000])))
    rest = [*patient.push(chunk(sound[6000:])), *patient.flush()]
    whole = chain()
    np.testing.assert_array_equal(pcm([first, *rest]), pcm([*whole.push(chunk(sound)), *whole.flush()]))


# --- segments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speech_rate", [1.0, 2.0])
def test_the_pause_between_segments_goes_with_the_speech_rate(speech_rate: float) -> None:
    spoken = chain(effects=Effects(speech_rate=speech_rate))
    deltas = list(spoken.push(chunk(tone(220, 24000))))
    spoken.end_segment(300)
    deltas += spoken.push(chunk(tone(220, 24000)))
    spoken.end_segment(300)
    deltas += spoken.flush()
    assert -2 <= len(pcm(deltas)) - 55200 / speech_rate <= (2 if speech_rate == 1 else 24 * LATE_MS)


def test_a_pause_outlives_a_change_of_engine() -> None:
    mixed = chain()
    deltas = list(mixed.push(chunk(tone(220, 24000))))
    mixed.end_segment(300)
    deltas += mixed.push(chunk(tone(220, 22050, 22050), 22050))
    deltas += mixed.flush()
    assert len(pcm(deltas)) == pytest.approx(55200, abs=2)


def test_a_segment_may_end_before_the_first_has_begun() -> None:
    silent = chain()
    silent.end_segment(300)
    assert [*silent.push(chunk(np.zeros(24000, np.float32))), *silent.flush()] == []


# --- ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effects", [NEUTRAL, Effects(1.2, 0.9, 90)])
@pytest.mark.parametrize("container", ["pcm", "wav"])
def test_a_response_that_is_cut_off_fades_out_from_where_the_listener_is(
    container: Container, effects: Effects
) -> None:
    cut, whole = chain(container=container, effects=effects), chain(container=container, effects=effects)
    sound = tone(220, 24000)
    taken = list(itertools.islice(cut.push(chunk(sound)), 3))
    heard = np.frombuffer(b"".join(delta.encoded for delta in [*taken, *cut.cut_off()]), "<i2")
    full = pcm([*whole.push(chunk(sound)), *whole.flush()])
    num_taken = sum(len(delta.encoded) for delta in taken) // 2
    num_fading = FADE_MS * 24
    assert len(heard) == num_taken + num_fading
    np.testing.assert_array_equal(heard[:num_taken], full[:num_taken])
    np.testing.assert_allclose(
        heard[num_taken:], full[num_taken:][:num_fading] * np.linspace(1, 0, num_fading), atol=1
    )
    assert heard[-1] == 0


def test_a_response_that_is_cut_off_with_nothing_ready_ends_as_it_is() -> None:
    spoken = chain(container="opus")
    whole = b"".join(delta.encoded for delta in spoken.push(chunk(tone(220, 2400))))
    whole += b"".join(delta.encoded for delta in spoken.cut_off())
    spoken = chain(container="opus")
    ended = b"".join(delta.encoded for delta in [*spoken.push(chunk(tone(220, 2400))), *spoken.flush()])
    assert whole == ended


@pytest.mark.parametrize("container", ENCODERS)
def test_a_response_may_be_cut_off_before_it_has_sound(container: Container) -> None:
    assert len(b"".join(delta.encoded for delta in chain(container=container).cut_off())) < 10_000


# --- delay ------------------------------------------------------------------------------------------------------------

EFFECTS = [
    NEUTRAL,
    Effects(1.5),
    Effects(0.5, 2.0),
    Effects(2.0, 0.5),
    Effects(volume=80),
    Effects(1.2, 1.2, 100),
]


@pytest.mark.parametrize("container", ENCODERS)
@pytest.mark.parametrize("effects", EFFECTS, ids=str)
def test_the_first_sound_comes_no_later_than_the_chain_says(container: Container, effects: Effects) -> None:
    sound = tone(220, 24000)[1:]
    for sample_rate in SAMPLE_RATES:
        spoken = chain(sample_rate, container, effects)
        header = {"wav": 44}.get(container, len(make_header(container, sample_rate)))
        num_bytes = num_in = 0
        while num_bytes <= header:
            num_bytes += sum(len(delta.encoded) for delta in spoken.push(chunk(sound[num_in : num_in + 12])))
            num_in += 12
        assert (num_in - 12) / 24 <= spoken.delay_ms(24000) + 0.5


def make_header(container: Container, sample_rate: int) -> bytes:
    """What an encoder that never hears anything writes, an end included."""
    return b"".join(delta.encoded for delta in chain(sample_rate, container).flush())


@pytest.mark.parametrize(
    ("container", "sample_rates", "limit_ms"),
    [
        ("pcm", [24000], 20),
        ("wav", [24000], 20),
        ("pcm", SAMPLE_RATES, 23),
        ("opus", SAMPLE_RATES, 45),
        ("mp3", SAMPLE_RATES, 125),
    ],
)
def test_the_delays_that_are_promised_are_kept(
    container: Container, sample_rates: list[int], limit_ms: float
) -> None:
    for sample_rate in sample_rates:
        plain = chain(sample_rate, container).delay_ms(24000)
        assert plain <= limit_ms
        for effects in (Effects(0.5), Effects(1.0, 0.5), Effects(1.0, 2.0), Effects(0.5, 2.0)):
            assert chain(sample_rate, container, effects).delay_ms(24000) <= plain + 50
