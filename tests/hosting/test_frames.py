import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.audio import Mark, PhonemeMark
from saystream.engines.base import Enrolled, Recording, Span
from saystream.errors import (
    AudioFormatUnsupported,
    AudioRefused,
    AudioSilent,
    AudioTooShort,
    Draining,
    EngineCrashed,
    EngineFailed,
    EngineOutputInvalid,
    EngineStalled,
    EngineUnavailable,
    InvalidValue,
    ModelMissing,
    Overloaded,
)
from saystream.hosting.frames import (
    MAX_PAYLOAD_BYTES,
    FrameSplitter,
    HostedFault,
    HostedRefusal,
    Kind,
    LoadFailure,
    pack,
    pack_count,
    pack_enrolled,
    pack_marks,
    pack_recording,
    pack_span,
    read_frame,
    unpack_count,
    unpack_enrolled,
    unpack_json,
    unpack_marks,
    unpack_recording,
    unpack_samples,
    unpack_span,
    unpack_text,
)
from saystream.text.script import Pronunciation

frames = st.lists(
    st.tuples(st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=50)), max_size=8
)


@given(frames, st.lists(st.integers(0, 40), max_size=40))
def test_frames_come_out_as_they_went_in_however_they_are_chunked(sent: Any, sizes: list[int]) -> None:
    wire = b"".join(pack(*frame) for frame in sent)
    splitter = FrameSplitter()
    received = []
    for size in sizes:
        received += splitter.push(wire[:size])
        wire = wire[size:]
    received += splitter.push(wire)
    assert received == sent


@given(frames)
def test_a_blocking_pipe_gives_the_same_frames(sent: Any) -> None:
    pipe = io.BytesIO(b"".join(pack(*frame) for frame in sent))
    received = []
    while (frame := read_frame(pipe)) is not None:
        received.append(frame)
    assert received == sent


@pytest.mark.parametrize("length", range(len(pack(Kind.TEXT, 1, b"text"))))
def test_a_frame_that_is_cut_off_is_the_end_of_the_pipe(length: int) -> None:
    assert read_frame(io.BytesIO(pack(Kind.TEXT, 1, b"text")[:length])) is None


def test_a_length_beyond_the_limit_is_no_frame() -> None:
    with pytest.raises(EngineCrashed):
        FrameSplitter().push(struct.pack("<IBI", MAX_PAYLOAD_BYTES + 1, Kind.AUDIO, 1))


def test_a_payload_beyond_the_limit_is_not_packed() -> None:
    with pytest.raises(ValueError, match=str(MAX_PAYLOAD_BYTES)):
        pack(Kind.TEXT, 1, bytes(MAX_PAYLOAD_BYTES + 1))


def test_a_view_of_samples_is_packed_by_its_bytes() -> None:
    view: memoryview[Any] = memoryview(struct.pack("<2f", 0.5, -0.5)).cast("f")
    assert pack(Kind.AUDIO, 3, view)[9:] == struct.pack("<2f", 0.5, -0.5)


@pytest.mark.parametrize(
    "fault", [EngineFailed, EngineOutputInvalid, EngineStalled, EngineUnavailable, Overloaded], ids=str
)
def test_a_fault_comes_out_as_it_went_in(fault: Any) -> None:
    told = HostedFault.of(fault("Why, and what would help."))
    assert told is not None
    back = told.fault()
    assert (type(back), back.message) == (fault, "Why, and what would help.")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret"),
        Draining("stop"),
        InvalidValue("voice", "a", ["b"]),
        ModelMissing("no", model="m"),
    ],
)
def test_no_other_error_is_told_with_its_message(error: Any) -> None:
    assert HostedFault.of(error) is None


@given(st.integers(0, 2**64 - 1))
def test_a_number_comes_out_as_it_went_in(count: int) -> None:
    assert unpack_count(pack_count(count)) == count


@pytest.mark.parametrize("payload", [b"", b"1234567", b"123456789"])
def test_what_is_no_number_of_ours_is_refused(payload: bytes) -> None:
    with pytest.raises(EngineCrashed):
        unpack_count(payload)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.integers(0, 2**40), st.booleans())
def test_a_span_comes_out_as_it_went_in(text: str, offset: Any, continues: bool) -> None:
    span = Span(text, offset, continues=continues)
    assert unpack_span(pack_span(span)) == span


def test_a_span_keeps_its_pronunciations() -> None:
    spoken = (Pronunciation(0, 2, "pinyin", "tian1 qi4"), Pronunciation(3, 8, "arpabet", "HH AH0 L OW1"))
    span = Span("天气 hello", 3, pronunciations=spoken)
    assert unpack_span(pack_span(span)) == span


def test_a_span_with_unknown_pronunciations_is_a_crash() -> None:
    whole = pack_span(Span("天气", pronunciations=(Pronunciation(0, 2, "pinyin", "tian1 qi4"),)))
    for payload in (whole[:-1], whole.replace(b"pinyin", b"morse!"), whole[:14]):
        with pytest.raises(EngineCrashed):
            unpack_span(payload)


@pytest.mark.parametrize(
    "payload", [b"", b"12345678", bytes(9) + b"\2\0\0\0\xff", bytes(9) + b"\3\0\0\0\xed\xa0\x80"]
)
def test_what_is_no_span_is_a_crash(payload: bytes) -> None:
    with pytest.raises(EngineCrashed):
        unpack_span(payload)


def test_marks_come_out_as_they_went_in() -> None:
    phonemes = (PhonemeMark("ch_c", 1e7, 1e7 + 0.05), PhonemeMark("ü_c", 1e7 + 0.05, 1e7 + 0.1, "4"))
    marks = (Mark(0, 3, 0.0, 12.5), Mark(2**40, 2**40 + 1, 1e7, 1e7 + 0.1, phonemes))
    assert unpack_marks(pack_marks(marks)) == marks
    assert unpack_marks(pack_marks(())) == ()


def test_what_is_no_marks_is_a_crash() -> None:
    with pytest.raises(EngineCrashed):
        unpack_marks(b"12345")


def test_what_is_not_whole_samples_is_a_crash() -> None:
    assert list(unpack_samples(bytes(8))) == [0, 0]
    with pytest.raises(EngineCrashed):
        unpack_samples(bytes(5))


def test_what_is_not_the_wanted_json_is_a_crash() -> None:
    assert unpack_json(b'{"reason": "gone"}', LoadFailure) == LoadFailure("gone")
    for payload in (b"", b"{", b"{}", b'{"reason": 1}', b'{"reason": "\xff"}', b"[" * 100_000):
        with pytest.raises(EngineCrashed):
            unpack_json(payload, LoadFailure)


def test_what_is_not_utf_8_is_a_crash() -> None:
    assert unpack_text("ä".encode()) == "ä"
    with pytest.raises(EngineCrashed):
        unpack_text(b"\xff")


def test_a_recording_comes_out_as_it_went_in() -> None:
    recording = Recording(np.linspace(-1, 1, 7, dtype=np.float32), 16000, "Guten Tag", "de")
    back = unpack_recording(pack_recording(recording))
    np.testing.assert_array_equal(back.samples, recording.samples)
    assert (back.sample_rate, back.transcript, back.language) == (16000, "Guten Tag", "de")


@pytest.mark.parametrize("enrolled", [Enrolled(b"\x00\xff", 0.25), Enrolled(b"material")])
def test_what_was_enrolled_comes_out_as_it_went_in(enrolled: Enrolled) -> None:
    assert unpack_enrolled(pack_enrolled(enrolled)) == enrolled


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x90"])
def test_what_is_no_recording_and_nothing_enrolled_is_a_fault_of_the_process(payload: bytes) -> None:
    with pytest.raises(EngineCrashed):
        unpack_recording(payload)
    with pytest.raises(EngineCrashed):
        unpack_enrolled(payload)


@pytest.mark.parametrize(
    ("refusal", "known_as"),
    [
        (AudioSilent("Nobody speaks."), AudioSilent),
        (AudioTooShort("Nobody speaks."), AudioTooShort),
        (AudioFormatUnsupported("Nobody speaks."), AudioRefused),
    ],
)
def test_a_refusal_comes_out_as_it_went_in_if_an_engine_can_mean_it(
    refusal: AudioRefused, known_as: type[AudioRefused]
) -> None:
    back = HostedRefusal.of(refusal).refusal()
    assert (type(back), back.message) == (known_as, "Nobody speaks.")
