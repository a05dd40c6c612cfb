from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.errors import FrameTooLarge, InvalidEvent, InvalidRequest, InvalidValue, RemoteProtocolError
from saystream.protocol.json import check_frame_size
from saystream.protocol.realtime.codec import (
    DeltaFrames,
    decode_client_event,
    decode_server_event,
    encode,
    event_id_of,
    unknown_session_keys,
)
from saystream.protocol.realtime.events import (
    CLIENT_EVENT_TYPES,
    AudioDelta,
    SessionUpdate,
    TextAppend,
    TextCommit,
)
from saystream.protocol.realtime.session_config import SessionPatch

SECRET = "a sentence to speak"


def update(**session: Any) -> str:
    return json.dumps({"type": "session.update", "session": session})


@pytest.mark.parametrize("frame", ["x" * 12, "é" * 6, "你" * 4, "\U0001f600" * 3, "\ud800" * 4], ids=ascii)
def test_the_size_of_a_frame_is_counted_in_bytes(frame: str) -> None:
    check_frame_size(frame, 12)
    with pytest.raises(FrameTooLarge, match="12 bytes came; the limit is 11"):
        check_frame_size(frame, 11)


def test_a_short_frame_is_not_counted() -> None:
    check_frame_size("\U0001f600" * 3, 1000)


def test_a_frame_without_an_event_id_is_read() -> None:
    assert decode_client_event('{"type":"input_text_buffer.commit"}') == TextCommit()


def test_escaped_text_is_read_as_text() -> None:
    frame = '{"event_id": "e", "type": "input_text_buffer.append", "text": "\\u4f60\\ud83d\\ude00"}'
    assert decode_client_event(frame) == TextAppend(event_id="e", text="你😀")


def test_unknown_keys_are_ignored_everywhere() -> None:
    frame = '{"type":"session.update","more":[1],"session":{"volume":1,"custom_key":{"a":1}}}'
    assert decode_client_event(frame) == SessionUpdate(session=SessionPatch(volume=1))


def test_a_whole_number_is_taken_for_a_field_of_fractions() -> None:
    event = decode_client_event(update(speech_rate=1))
    assert event == SessionUpdate(session=SessionPatch(speech_rate=1.0))


@pytest.mark.parametrize(
    "frame",
    [
        "",
        " ",
        "hello",
        "{",
        "\ufeff{}",
        '{"type":"input_text_buffer.commit"}x',
        '{"type":"input_text_buffer.append","text":"\\ud800',
        '{"type":"input_text_buffer.append","text":"\\udc00","event_id":NaN}',
        '{"type":"input_text_buffer.append","text":"\ud800"}',
        '{"type":"session.update","session":{"speech_rate":NaN}}',
        '{"type":"session.update","session":{"speech_rate":-Infinity}}',
        '{"type":"session.update","session":{"speech_rate":1e999}}',
        '{"type":"session.update","session":{"volume":' + "9" * 5000 + "}}",
        '{"type":"input_text_buffer.commit","x":' + "[" * 100_000,
        '{"type":"input_text_buffer.commit","x":' + '{"x":' * 100_000,
        "[" * 100_000,
    ],
    ids=ascii,
)
def test_what_is_no_json_is_no_event(frame: str) -> None:
    with pytest.raises(InvalidEvent):
        decode_client_event(frame)


@pytest.mark.parametrize(
    ("frame", "came"),
    [("[]", "array"), ("null", "null"), ("1", "number"), ('"x"', "string"), ("true", "boolean")],
)
def test_what_is_no_object_is_no_event(frame: str, came: str) -> None:
    with pytest.raises(InvalidEvent, match=came):
        decode_client_event(frame)


@pytest.mark.parametrize(
    ("frame", "came"),
    [("{}", "none"), ('{"type":null}', "null"), ('{"type":3}', "a number"), ('{"type":[]}', "array")],
)
def test_an_event_without_a_type_is_refused(frame: str, came: str) -> None:
    with pytest.raises(InvalidEvent, match=came) as refusal:
        decode_client_event(frame)
    assert refusal.value.param == "type"


def test_an_unknown_type_is_refused_with_the_six_that_exist() -> None:
    with pytest.raises(InvalidEvent, match="'custom.raw'") as refusal:
        decode_client_event('{"type":"custom.raw"}')
    assert refusal.value.param == "type"
    assert all(kind in refusal.value.message for kind in CLIENT_EVENT_TYPES)


def test_a_long_unknown_type_is_not_echoed_whole() -> None:
    with pytest.raises(InvalidEvent) as refusal:
        decode_client_event(json.dumps({"type": "x" * 10_000}))
    assert len(refusal.value.message) < 500


@pytest.mark.parametrize(
    ("frame", "param", "came", "allowed"),
    [
        ('{"type":"input_text_buffer.append"}', "text", "missing", "a string"),
        ('{"type":"input_text_buffer.append","text":null}', "text", "null", "a string"),
        ('{"type":"input_text_buffer.append","text":["a"]}', "text", "an array", "a string"),
        ('{"type":"input_text_buffer.commit","event_id":7.0}', "event_id", "'7.0'", "a string"),
        ('{"type":"session.update"}', "session", "missing", "an object"),
        ('{"type":"session.update","session":[]}', "session", "an array", "an object"),
        (update(volume="50"), "session.volume", "'50'", "an integer from 0 to 100"),
        (update(volume=50.5), "session.volume", "'50.5'", "an integer from 0 to 100"),
        (update(volume=True), "session.volume", "'true'", "an integer from 0 to 100"),
        (update(sample_rate="24000"), "session.sample_rate", "'24000'", "an integer, one of 8000"),
        (update(speech_rate="1.2"), "session.speech_rate", "'1.2'", "a number from 0.5 to 2.0"),
        (update(enable_tn=1), "session.enable_tn", "'1'", "true or false"),
        (update(mode=1), "session.mode", "'1'", "a string, one of server_commit, commit"),
        (update(volume=1, pitch_rate={}), "session.pitch_rate", "an object", "a number"),
    ],
)
def test_a_wrong_type_is_refused_by_its_path(frame: str, param: str, came: str, allowed: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        decode_client_event(frame)
    assert refusal.value.param == param
    assert came in refusal.value.message
    assert allowed in refusal.value.message


@pytest.mark.parametrize("frame", ['{"type":"input_text_buffer.append","text":["%s"]}', update(volume="%s")])
def test_a_refusal_never_holds_what_may_be_spoken_text(frame: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        decode_client_event(frame.replace("%s", SECRET))
    assert SECRET not in refusal.value.message


def test_a_refusal_names_every_field_at_fault() -> None:
    with pytest.raises(InvalidValue) as refusal:
        decode_client_event(update(voice=3, volume="loud", speech_rate=1, enable_tn=[]))
    assert refusal.value.param == "session.voice"
    for named in ("session.voice: '3'", "session.volume: 'a string'", "session.enable_tn: 'an array'"):
        assert named in refusal.value.message
    assert "speech_rate" not in refusal.value.message


@pytest.mark.parametrize("absent", ["voice", "sample_rate", "instructions"])
def test_null_is_as_if_it_were_absent(absent: str) -> None:
    assert decode_client_event(update(volume=7, **{absent: None})) == decode_client_event(update(volume=7))
    frame = '{"type":"input_text_buffer.commit","event_id":null}'
    assert decode_client_event(frame) == TextCommit()


def test_a_whole_number_may_be_written_as_a_fraction() -> None:
    written = decode_client_event(update(sample_rate=24000.0, volume=50.0, bit_rate=64.0))
    assert written == decode_client_event(update(sample_rate=24000, volume=50, bit_rate=64))


def test_of_a_key_that_occurs_twice_the_second_counts() -> None:
    event = decode_client_event('{"type":"input_text_buffer.append","text":1,"text":"a"}')
    assert event == TextAppend(text="a")


@pytest.mark.parametrize(
    ("frame", "event_id"),
    [
        ('{"event_id":"event_7","type":"nonsense"}', "event_7"),
        ('{"event_id":"event_7"}', "event_7"),
        ('{"event_id":"event\\ud83d","type":"x"}', "event\ufffd"),
        ('{"event_id":7,"type":"input_text_buffer.commit"}', ""),
        ('{"type":"nonsense"}', ""),
        ("[]", ""),
        ("{", ""),
    ],
)
def test_the_event_id_of_a_refused_frame_is_found(frame: str, event_id: str) -> None:
    assert event_id_of(frame) == event_id


def test_unknown_keys_of_session_are_named_in_a_bounded_form() -> None:
    keys = unknown_session_keys(update(voice="Cherry", custom_key={"a": 1}, **{"k" * 1000: 1e300}))
    assert keys[0] == "custom_key"
    assert len(keys[1]) < 100
    assert len(keys) == 2


def test_half_a_character_is_kept_in_text_and_mended_elsewhere() -> None:
    half = decode_client_event('{"type":"input_text_buffer.append","event_id":"a\\ud83d","text":"b\\ud83d"}')
    assert half == TextAppend(event_id="a\ufffd", text="b\ud83d")
    frame = '{"type":"session.update","session":{"voice":"a\\udc00","\\ud800x":1}}'
    assert decode_client_event(frame) == SessionUpdate(session=SessionPatch(voice="a\ufffd"))
    assert unknown_session_keys(frame) == ("\ufffdx",)


@pytest.mark.parametrize(
    "frame", ["{", "[]", '{"type":"session.renamed"}', '{"type":"error"}', "\ud800", "[" * 9999]
)
def test_a_frame_that_is_no_server_event_is_the_servers_fault(frame: str) -> None:
    with pytest.raises(RemoteProtocolError, match="not an event"):
        decode_server_event(frame)


@given(st.binary(min_size=1, max_size=5000))
def test_a_delta_frame_equals_the_encoded_event(audio: bytes) -> None:
    frame = DeltaFrames(response_id="resp_1", item_id="item_1").frame("event_1", audio)
    event = decode_server_event(frame)
    assert isinstance(event, AudioDelta)
    assert event.audio == audio
    assert frame == encode(event)
    assert (event.event_id, event.response_id, event.item_id) == ("event_1", "resp_1", "item_1")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ANY_TEXT = st.text(st.characters(exclude_categories=()))
NEARLY_EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(CLIENT_EVENT_TYPES) | JSON_VALUES,
        "event_id": JSON_VALUES,
        "text": JSON_VALUES,
        "session": st.dictionaries(st.sampled_from([*SessionPatch.__struct_fields__, "other"]), JSON_VALUES)
        | JSON_VALUES,
    },
).map(json.dumps)


@given(ANY_TEXT | NEARLY_EVENTS)
def test_any_text_is_an_event_or_a_documented_error(frame: str) -> None:
    try:
        event = decode_client_event(frame)
    except InvalidRequest as refusal:
        assert isinstance(refusal, (InvalidEvent, InvalidValue))
        refusal.message.encode()
        event_id_of(frame)
    else:
        assert decode_client_event(encode(event)) == event


@given(st.data())
def test_a_damaged_event_is_an_event_or_a_documented_error(data: st.DataObject) -> None:
    whole = data.draw(NEARLY_EVENTS)
    at = data.draw(st.integers(0, len(whole)))
    damaged = whole[:at] + data.draw(ANY_TEXT) + whole[at + data.draw(st.integers(0, 3)) :]
    try:
        decode_client_event(damaged)
    except InvalidRequest as refusal:
        assert isinstance(refusal, (InvalidEvent, InvalidValue))
