from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.errors import InvalidEvent, InvalidRequest, InvalidValue, RemoteProtocolError
from saystream.protocol.task.codec import decode_command, decode_event, encode_command, encode_event
from saystream.protocol.task.commands import Command, ContinueTask, FinishTask, RunTask
from saystream.protocol.task.events import (
    Phoneme,
    SentenceBegin,
    SentenceEnd,
    SentenceSynthesis,
    SentenceTimes,
    TaskEvent,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    Word,
)
from saystream.protocol.task.parameters import TaskParameters

SECRET = "a sentence to speak"
WORD = Word(text="天", begin_index=0, end_index=1, begin_time=40, end_time=180)
SOUNDING = Word(
    text="天",
    begin_time=40,
    end_time=180,
    phonemes=(Phoneme(begin_time=40, end_time=90, text="t_c", tone="1"),),
)


def frame(action: Any = "run-task", task_id: Any = "t1", streaming: Any = "duplex", **payload: Any) -> str:
    header = {"action": action, "task_id": task_id, "streaming": streaming}
    return json.dumps({"header": header, "payload": payload})


COMMANDS: list[tuple[Command, str]] = [
    (
        RunTask(task_id="t", model="cosyvoice-v2", parameters=TaskParameters(voice="a", rate=1.5)),
        '{"header":{"action":"run-task","task_id":"t","streaming":"duplex"},"payload":{"model":"cosyvoice-v2",'
        '"task_group":"audio","task":"tts","function":"SpeechSynthesizer","input":{},'
        '"parameters":{"text_type":"PlainText","voice":"a","rate":1.5}}}',
    ),
    (
        RunTask(task_id="t", model="sambert-zhichu-v1", streaming="out", text="天"),
        '{"header":{"action":"run-task","task_id":"t","streaming":"out"},"payload":{"model":"sambert-zhichu-v1",'
        '"task_group":"audio","task":"tts","function":"SpeechSynthesizer","input":{"text":"天"},"parameters":{}}}',
    ),
    (
        ContinueTask(task_id="t", text="天"),
        '{"header":{"action":"continue-task","task_id":"t","streaming":"duplex"},"payload":{"input":{"text":"天"}}}',
    ),
    (
        ContinueTask(task_id="t", flush=True),
        '{"header":{"action":"continue-task","task_id":"t","streaming":"duplex"},"payload":{"input":{"flush":true}}}',
    ),
    (
        FinishTask(task_id="t"),
        '{"header":{"action":"finish-task","task_id":"t","streaming":"duplex"},"payload":{"input":{}}}',
    ),
    (
        FinishTask(task_id="t", cancel=True),
        '{"header":{"action":"finish-task","task_id":"t","streaming":"duplex"},'
        '"payload":{"input":{"directive":"cancel"}}}',
    ),
]


@pytest.mark.parametrize(("command", "text"), COMMANDS)
def test_commands_are_written_as_documented_and_read_again(command: Command, text: str) -> None:
    assert encode_command(command) == text
    assert decode_command(text) == command


EVENTS: list[tuple[TaskEvent, str]] = [
    (
        TaskStarted(task_id="t"),
        '{"header":{"task_id":"t","event":"task-started","attributes":{}},"payload":{}}',
    ),
    (
        SentenceBegin(task_id="t", index=0, original_text="床前"),
        '{"header":{"task_id":"t","event":"result-generated","attributes":{}},"payload":{"output":'
        '{"type":"sentence-begin","sentence":{"index":0,"words":[]},"original_text":"床前"}}}',
    ),
    (
        SentenceSynthesis(task_id="t", index=1, words=(WORD,)),
        '{"header":{"task_id":"t","event":"result-generated","attributes":{}},"payload":{"output":'
        '{"type":"sentence-synthesis","sentence":{"index":1,"words":[{"text":"天","begin_index":0,"end_index":1,'
        '"begin_time":40,"end_time":180}]}}}}',
    ),
    (
        SentenceEnd(task_id="t", index=0, original_text="床前", characters=4),
        '{"header":{"task_id":"t","event":"result-generated","attributes":{}},"payload":{"output":'
        '{"type":"sentence-end","sentence":{"index":0,"words":[]},"original_text":"床前"},"usage":{"characters":4}}}',
    ),
    (
        SentenceTimes(task_id="t", begin_time=0, end_time=900, words=(SOUNDING,)),
        '{"header":{"task_id":"t","event":"result-generated","attributes":{}},"payload":{"output":'
        '{"sentence":{"begin_time":0,"end_time":900,"words":[{"text":"天","begin_time":40,"end_time":180,'
        '"phonemes":[{"begin_time":40,"end_time":90,"text":"t_c","tone":"1"}]}]}},"usage":null}}',
    ),
    (
        SentenceTimes(task_id="t", begin_time=0, end_time=900, characters=3),
        '{"header":{"task_id":"t","event":"result-generated","attributes":{}},"payload":{"output":'
        '{"sentence":{"begin_time":0,"end_time":900,"words":[]}},"usage":{"characters":3}}}',
    ),
    (
        TaskFinished(task_id="t", characters=4, request_uuid="u"),
        '{"header":{"task_id":"t","event":"task-finished","attributes":{"request_uuid":"u"}},'
        '"payload":{"usage":{"characters":4}}}',
    ),
    (
        TaskFinished(task_id="t", characters=4, null_output=True),
        '{"header":{"task_id":"t","event":"task-finished","attributes":{}},'
        '"payload":{"output":null,"usage":{"characters":4}}}',
    ),
    (
        TaskFailed(task_id="t", error_code="InvalidParameter", error_message="no"),
        '{"header":{"task_id":"t","event":"task-failed","error_code":"InvalidParameter","error_message":"no",'
        '"attributes":{}},"payload":{}}',
    ),
]


@pytest.mark.parametrize(("event", "text"), EVENTS)
def test_events_are_written_as_documented_and_read_again(event: TaskEvent, text: str) -> None:
    assert encode_event(event) == text
    assert decode_event(text) == event


def test_older_clients_repeat_the_model_and_escape_their_text() -> None:
    text = frame(
        "continue-task",
        model="cosyvoice-v2",
        task_group="audio",
        task="tts",
        function="SpeechSynthesizer",
        input={"text": "你好"},
    )
    assert "\\u4f60" in text
    assert decode_command(text) == ContinueTask(task_id="t1", text="你好")


@pytest.mark.parametrize(
    ("streaming", "read"), [("OUT", "out"), ("Duplex", "duplex"), (None, "duplex"), (3, "duplex")]
)
def test_streaming_is_read_in_any_case(streaming: object, read: str) -> None:
    command = decode_command(frame(streaming=streaming, model="m"))
    assert isinstance(command, RunTask)
    assert command.streaming == read


@pytest.mark.parametrize("payload", [{}, {"input": None}, {"input": {"text": None, "flush": None}}])
def test_null_is_as_absent(payload: dict[str, Any]) -> None:
    assert decode_command(frame("continue-task", **payload)) == ContinueTask(task_id="t1")
    assert decode_command(frame("finish-task", **payload)) == FinishTask(task_id="t1")


def test_a_payload_may_be_left_out() -> None:
    assert decode_command('{"header":{"action":"finish-task","task_id":"t1"}}') == FinishTask(task_id="t1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON"),
        ("[" * 3000, "nested too deeply"),
        ('"\ud800"', "a lone surrogate"),
        ("[]", "an array came"),
        ("{}", "nothing came"),
        ('{"header": 3}', "a number came"),
        ('{"header": {}}', "'task_id'"),
        (frame(task_id=""), "'task_id'"),
        (frame(task_id="x" * 129), "128 characters"),
        (frame(task_id=5), "'task_id'"),
        (frame(action="start-task"), "'start-task'"),
        (frame(action=None), "nothing. A client"),
        (frame(action=[SECRET]), "an array. A client"),
    ],
    ids=range(13),
)
def test_what_is_no_command_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(InvalidEvent, match=said.replace(".", r"\.")):
        decode_command(text)


@pytest.mark.parametrize(
    ("text", "param"),
    [
        (frame(model=3), "payload.model"),
        (frame(parameters=[]), "payload.parameters"),
        (frame(parameters={"rate": 9}), "payload.parameters.rate"),
        (frame(input=3), "payload.input"),
        (frame("continue-task", input={"text": [SECRET]}), "payload.input.text"),
        (frame("finish-task", input={"directive": 1}), "payload.input.directive"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(text: str, param: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        decode_command(text)
    assert caught.value.param == param
    assert SECRET not in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        '{"header":{"event":"something-new","task_id":"t"},"payload":{}}',
        '{"header":{"event":"result-generated","task_id":"t"},"payload":{}}',
        '{"header":{"event":"result-generated","task_id":"t"},"payload":{"output":{"sentence":{"words":null}}}}',
    ],
)
def test_a_client_ignores_events_that_are_not_documented(text: str) -> None:
    assert decode_event(text) is None


def test_a_client_reads_a_bare_event() -> None:
    text = '{"header":{"event":"task-finished","attributes":{"request_uuid":3}}}'
    assert decode_event(text) == TaskFinished(task_id="", characters=0)


@pytest.mark.parametrize("text", ["{", "[]", '{"header":{}}', '{"header":{"event":3}}'])
def test_a_client_refuses_what_is_no_event(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="not an event"):
        decode_event(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["header", "payload", "action", "task_id", "input", "parameters", "text", "rate"]
                ),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_any_json_is_a_command_or_a_documented_error(value: object) -> None:
    try:
        command = decode_command(json.dumps(value))
    except InvalidRequest as refusal:
        assert len(refusal.message) < 2000
    else:
        assert command.task_id
