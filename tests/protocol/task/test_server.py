from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saystream.errors import Draining, EngineCrashed, InvalidState, VoiceRefused
from saystream.protocol.close import Close
from saystream.protocol.task.codec import decode_event, encode_command
from saystream.protocol.task.commands import ContinueTask, FinishTask, RunTask
from saystream.protocol.task.events import (
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
from saystream.protocol.task.server import TaskLimits, TaskServer
from saystream.protocol.task.state import INPUT_TABLE, OUTPUT_TABLE, InputState, OutputState, TaskStates

LIMITS = TaskLimits(max_frame_bytes=4000, max_tasks=2, max_text_characters=10, max_task_characters=15)
WORD = Word(text="a", begin_index=0, end_index=1, begin_time=0, end_time=9)


@pytest.fixture
def server() -> TaskServer:
    return TaskServer(limits=LIMITS)


def sent(server: TaskServer) -> list[TaskEvent | bytes | None]:
    return [frame if isinstance(frame, bytes) else decode_event(frame) for frame in server.frames_to_send()]


def run(server: TaskServer, task_id: str = "t", **fields: Any) -> RunTask | None:
    frame = encode_command(RunTask(task_id=task_id, model="m", **fields))
    command = server.receive_text(frame)
    assert command is None or isinstance(command, RunTask)
    return command


def begun(server: TaskServer, task_id: str = "t", **fields: Any) -> None:
    assert run(server, task_id, **fields) is not None
    server.start(task_id, request_uuid="uuid")
    server.frames_to_send()


def failure(server: TaskServer) -> TaskFailed:
    *_, last = sent(server)
    assert isinstance(last, TaskFailed)
    return last


def test_a_task_goes_from_its_begin_to_its_end(server: TaskServer) -> None:
    assert run(server) is not None
    server.start("t", request_uuid="uuid")
    assert server.takes_text("t")
    assert server.receive_text(encode_command(ContinueTask(task_id="t", text="Hi.")))
    server.begin_sentence("t", "Hi.")
    assert server.in_sentence("t")
    server.send_audio("t", b"1")
    server.send_audio("t", b"2", (WORD,))
    server.end_sentence("t", original_text="Hi.", characters=3, begin_time=0, end_time=9, words=(WORD,))
    assert server.receive_text(encode_command(FinishTask(task_id="t"))) == FinishTask(task_id="t")
    assert not server.takes_text("t")
    server.finish("t", characters=3)
    assert sent(server) == [
        TaskStarted(task_id="t"),
        SentenceBegin(task_id="t", index=0, original_text="Hi."),
        SentenceSynthesis(task_id="t", index=0),
        b"1",
        SentenceSynthesis(task_id="t", index=0, words=(WORD,)),
        b"2",
        SentenceEnd(task_id="t", index=0, original_text="Hi.", words=(WORD,), characters=3),
        TaskFinished(task_id="t", characters=3, request_uuid="uuid"),
    ]
    assert server.close is None
    assert not server.open_tasks
    begun(server, "next")
    assert server.open_tasks == ("next",)


@pytest.mark.parametrize("with_times", [True, False])
def test_sambert_has_audio_alone_and_times_when_asked(server: TaskServer, with_times: bool) -> None:
    parameters = TaskParameters(word_timestamp_enabled=with_times)
    assert run(server, streaming="out", text="Hi.", parameters=parameters) is not None
    server.start("t", request_uuid="uuid", style="sambert")
    assert not server.takes_text("t")
    server.begin_sentence("t", "Hi.")
    server.send_audio("t", b"1")
    server.end_sentence("t", original_text="Hi.", characters=3, begin_time=0, end_time=9)
    server.finish("t", characters=3)
    times = [SentenceTimes(task_id="t", begin_time=0, end_time=9)] if with_times else []
    finished = TaskFinished(task_id="t", characters=3, null_output=True)
    assert sent(server) == [TaskStarted(task_id="t"), b"1", *times, finished]


def test_a_cancel_is_answered_in_the_middle_of_a_sentence(server: TaskServer) -> None:
    begun(server)
    server.begin_sentence("t", "Hi.")
    server.send_audio("t", b"1")
    assert server.receive_text(encode_command(FinishTask(task_id="t", cancel=True))) is not None
    server.cancel("t", characters=1)
    assert sent(server)[-1] == TaskFinished(task_id="t", characters=1, request_uuid="uuid")
    assert server.close is None


def test_what_comes_late_for_a_task_that_has_ended_is_no_mistake(server: TaskServer) -> None:
    begun(server)
    server.receive_text(encode_command(FinishTask(task_id="t")))
    assert server.receive_text(encode_command(FinishTask(task_id="t"))) is not None
    server.finish("t", characters=0)
    server.frames_to_send()
    assert server.receive_text(encode_command(FinishTask(task_id="t", cancel=True))) is None
    assert server.receive_text(encode_command(ContinueTask(task_id="t", text="late"))) is None
    assert sent(server) == []
    assert server.close is None


@pytest.mark.parametrize("command", [ContinueTask(task_id="x", text="a"), FinishTask(task_id="x")], ids=repr)
def test_a_command_for_no_task_fails(server: TaskServer, command: ContinueTask | FinishTask) -> None:
    assert server.receive_text(encode_command(command)) is None
    assert "run-task" in failure(server).error_message
    assert server.close is not None
    assert server.close.code == 1000


def test_a_character_may_come_in_two_halves(server: TaskServer) -> None:
    begun(server)
    halves = [r"a\ud83d", r"\ude00b", r"\ude00"]
    texts = []
    for half in halves:
        command = server.receive_text(
            '{"header":{"action":"continue-task","task_id":"t"},"payload":{"input":{"text":"' + half + '"}}}'
        )
        assert isinstance(command, ContinueTask)
        texts.append(command.text)
    assert texts == ["a", "\U0001f600b", "\ufffd"]


def test_half_a_character_in_a_header_can_be_told(server: TaskServer) -> None:
    assert server.receive_text(r'{"header":{"action":"\ud83d","task_id":"t"}}') is None
    assert "\ufffd" in failure(server).error_message


def test_text_after_the_end_fails_the_task(server: TaskServer) -> None:
    begun(server)
    server.receive_text(encode_command(FinishTask(task_id="t")))
    assert server.receive_text(encode_command(ContinueTask(task_id="t", text="more"))) is None
    assert "finishing" in failure(server).error_message


def test_a_task_id_is_used_by_one_task_at_a_time(server: TaskServer) -> None:
    begun(server)
    assert run(server) is None
    assert failure(server).error_code == "InvalidParameter"
    assert not server.open_tasks


def test_there_is_a_limit_of_tasks(server: TaskServer) -> None:
    begun(server, "a")
    begun(server, "b")
    assert run(server, "c") is None
    assert failure(server).error_code == "Throttling.RateQuota"
    assert server.close is None


def test_a_failed_task_lets_the_others_end_and_then_closes(server: TaskServer) -> None:
    begun(server, "a")
    begun(server, "b")
    server.fail("a", VoiceRefused("[cosyvoice:]Engine return error code: 418"))
    assert failure(server).error_message == "[cosyvoice:]Engine return error code: 418"
    server.fail("a", VoiceRefused("again"))
    assert sent(server) == []
    assert run(server, "c") is None
    assert "open a new one" in failure(server).error_message
    assert server.close is None
    server.finish("b", characters=0)
    assert server.close is not None
    assert server.close.code == 1000
    assert run(server, "d") is None


@pytest.mark.parametrize(
    ("parameters", "texts", "said"),
    [
        (TaskParameters(), ["x" * 11], "has 11 characters; the limit is 10"),
        (TaskParameters(), ["x" * 10, "x" * 6], "the task has 16 characters; the limit is 15"),
        (TaskParameters(enable_ssml=True), ["x", "", "y"], "Text request limit violated, expected 1."),
        (TaskParameters(text_type="SSML"), ["x", "y"], "Text request limit violated, expected 1."),
    ],
)
def test_text_is_limited(server: TaskServer, parameters: TaskParameters, texts: list[str], said: str) -> None:
    begun(server, parameters=parameters)
    *good, bad = texts
    for text in good:
        assert server.receive_text(encode_command(ContinueTask(task_id="t", text=text))) is not None
    assert server.receive_text(encode_command(ContinueTask(task_id="t", text=bad))) is None
    assert said in failure(server).error_message


def test_the_text_of_a_whole_task_is_limited(server: TaskServer) -> None:
    assert run(server, streaming="out", text="x" * 16) is None
    assert "the limit is 15" in failure(server).error_message


@pytest.mark.parametrize("frame", ["{", "[]", '{"header":{"task_id":"t","action":"stop"}}'])
def test_what_is_no_command_ends_everything_with_its_reason(server: TaskServer, frame: str) -> None:
    begun(server, "a")
    begun(server, "b")
    assert server.receive_text(frame) is None
    assert [event.task_id for event in sent(server) if isinstance(event, TaskFailed)] == ["a", "b"]
    assert server.close is not None
    assert server.close.code == 1000
    server.fail_all(EngineCrashed("again"))
    assert sent(server) == []


def test_abuse_closes_with_its_own_code(server: TaskServer) -> None:
    server.receive_binary()
    assert failure(server).task_id == ""
    assert server.close is not None
    assert server.close.code == 1003
    server.receive_binary()
    assert sent(server) == []


def test_a_frame_over_the_limit_is_abuse(server: TaskServer) -> None:
    begun(server)
    assert server.receive_text("x" * 4001) is None
    assert failure(server).task_id == "t"
    assert server.close is not None
    assert server.close.code == 1009


def test_a_fault_of_ours_has_its_code(server: TaskServer) -> None:
    begun(server)
    server.fail("t", Draining("stopping"))
    assert failure(server).error_code == "Throttling"
    assert server.close == Close(1000, "stopping")


def test_an_idle_connection_is_shut(server: TaskServer) -> None:
    server.shut(1000, "idle")
    server.shut(1001, "again")
    assert server.close == Close(1000, "idle")


def test_mistakes_of_its_owner_are_raised(server: TaskServer) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        server.start("t", request_uuid="uuid")
    begun(server)
    with pytest.raises(RuntimeError, match="is open"):
        server.shut(1000, "")
    with pytest.raises(RuntimeError, match="task-started is not allowed"):
        server.start("t", request_uuid="uuid")
    with pytest.raises(ValueError, match="without audio"):
        server.send_audio("t", b"")
    with pytest.raises(RuntimeError, match="sentence-synthesis is not allowed"):
        server.send_audio("t", b"1")


def test_the_tables_refuse_what_they_do_not_list() -> None:
    states = TaskStates(whole=True)
    with pytest.raises(
        InvalidState, match="continue-task is not allowed while the input of the task is whole"
    ):
        states.client_sends("continue-task")
    assert states.input is InputState.WHOLE
    assert set(INPUT_TABLE) == set(InputState)
    assert set(OUTPUT_TABLE) == set(OutputState)


# --- any order of commands -------------------------------------------------------------------------------------------

IDS = st.sampled_from(["a", "b", "c"])
MODELS = st.sampled_from(["cosyvoice", "sambert"])
TEXTS = st.text(st.sampled_from("ab. 你"), max_size=12)
COMMANDS = st.one_of(
    st.builds(
        RunTask,
        task_id=IDS,
        model=MODELS,
        streaming=st.sampled_from(["duplex", "out"]),
        text=TEXTS,
        parameters=st.builds(TaskParameters, enable_ssml=st.booleans(), word_timestamp_enabled=st.booleans()),
    ),
    st.builds(ContinueTask, task_id=IDS, text=TEXTS, flush=st.booleans()),
    st.builds(FinishTask, task_id=IDS, cancel=st.booleans()),
)
FRAMES = st.one_of(
    COMMANDS.map(encode_command), COMMANDS.map(encode_command), st.sampled_from(["{", "x" * 5000, ""])
)
STEPS = st.lists(
    st.one_of(
        FRAMES.map(lambda frame: ("receive", frame)),
        FRAMES.map(lambda frame: ("receive", frame)),
        IDS.map(lambda task_id: ("speak", task_id)),
        IDS.map(lambda task_id: ("finish", task_id)),
        IDS.map(lambda task_id: ("fail", task_id)),
        st.just(("binary", "")),
    ),
    max_size=40,
)


class Owner:
    """Does what a door does, and keeps all that was sent."""

    def __init__(self) -> None:
        self.server = TaskServer(limits=LIMITS)
        self.frames: list[str | bytes] = []

    def step(self, kind: str, what: str) -> None:
        server = self.server
        match kind:
            case "receive":
                self._receive(what)
            case "binary":
                server.receive_binary()
            case "fail":
                server.fail(what, VoiceRefused("no"))
            case "speak" if server.is_open(what):
                if server.in_sentence(what):
                    server.end_sentence(what, original_text="a", characters=1, begin_time=0, end_time=1)
                else:
                    server.begin_sentence(what, "a")
                    server.send_audio(what, b"1")
            case "finish" if server.is_open(what) and not server.in_sentence(what):
                server.finish(what, characters=1)
            case _:
                pass
        self.frames += server.frames_to_send()

    def _receive(self, frame: str) -> None:
        match self.server.receive_text(frame):
            case RunTask(task_id=task_id, model=model):
                self.server.start(
                    task_id, request_uuid="uuid", style="sambert" if model == "sambert" else "cosyvoice"
                )
            case FinishTask(task_id=task_id, cancel=True):
                self.server.cancel(task_id, characters=0)
            case _:
                pass


@settings(max_examples=300)
@given(STEPS)
def test_any_order_of_commands_keeps_the_order_of_events(steps: list[tuple[str, str]]) -> None:
    owner = Owner()
    for kind, what in steps:
        before = len(owner.frames)
        was_closed = owner.server.close is not None
        owner.step(kind, what)
        assert not was_closed or len(owner.frames) == before, "nothing after the close"
    follow_the_events(owner.frames)
    if owner.server.close is not None:
        assert not owner.server.open_tasks, "a terminal event before the close"


def follow_the_events(frames: list[str | bytes]) -> None:
    """Check the order of events of each task, and that of audio."""
    running: dict[str, int | None] = {}
    audio_is_due = False
    for frame in frames:
        if isinstance(frame, bytes):
            assert frame
            assert running
            audio_is_due = False
            continue
        assert not audio_is_due, "exactly one binary frame follows"
        event = decode_event(frame)
        assert event is not None
        assert json.loads(frame)["header"]["task_id"] == event.task_id
        match event:
            case TaskStarted(task_id=task_id):
                assert task_id not in running
                running[task_id] = None
            case SentenceBegin(task_id=task_id, index=index):
                assert running[task_id] is None
                running[task_id] = index
            case SentenceSynthesis(task_id=task_id, index=index):
                assert running[task_id] == index
                audio_is_due = True
            case SentenceEnd(task_id=task_id, index=index):
                assert running[task_id] == index
                running[task_id] = None
            case SentenceTimes(task_id=task_id):
                assert task_id in running
            case TaskFinished(task_id=task_id):
                del running[task_id]
            case TaskFailed(task_id=task_id):
                running.pop(task_id, None)
    assert not audio_is_due
