from __future__ import annotations

import pytest

from saystream.errors import InvalidState, RemoteProtocolError
from saystream.protocol.task.client import TaskAudio, TaskClient
from saystream.protocol.task.codec import decode_command, encode_event
from saystream.protocol.task.commands import Command, ContinueTask, FinishTask, RunTask
from saystream.protocol.task.events import (
    SentenceBegin,
    SentenceEnd,
    SentenceSynthesis,
    TaskEvent,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    Word,
)

WORD = Word(text="Hi", begin_index=0, end_index=2, begin_time=0, end_time=90)


class Client:
    """A client with tasks that have started."""

    def __init__(self, *task_ids: str) -> None:
        self.core = TaskClient()
        for task_id in task_ids:
            self.core.send(RunTask(task_id=task_id, model="m"))
            self.hear(TaskStarted(task_id=task_id))

    def hear(self, event: TaskEvent) -> object:
        return self.core.receive_text(encode_event(event))


def synthesis(task_id: str = "a", *words: Word) -> SentenceSynthesis:
    return SentenceSynthesis(task_id=task_id, index=2, words=words)


def test_commands_are_sent_as_they_are() -> None:
    core = TaskClient()
    commands: list[Command] = [
        RunTask(task_id="a", model="m"),
        ContinueTask(task_id="a", text="Hi."),
        ContinueTask(task_id="a", flush=True),
        FinishTask(task_id="a"),
        FinishTask(task_id="a", cancel=True),
    ]
    frames = [core.send(commands[0])]
    assert core.receive_text(encode_event(TaskStarted(task_id="a"))) == TaskStarted(task_id="a")
    frames += [core.send(command) for command in commands[1:]]
    assert [decode_command(frame) for frame in frames] == commands
    assert core.open_tasks == ("a",)


def test_no_text_may_be_sent_before_the_task_has_started() -> None:
    core = TaskClient()
    core.send(RunTask(task_id="a", model="m"))
    with pytest.raises(InvalidState, match="before task-started"):
        core.send(ContinueTask(task_id="a", text="Hi."))


def test_nothing_is_sent_for_a_task_that_is_not_open_or_twice() -> None:
    core = Client("a").core
    with pytest.raises(InvalidState, match="not open"):
        core.send(FinishTask(task_id="b"))
    with pytest.raises(InvalidState, match="is open"):
        core.send(RunTask(task_id="a", model="m"))


def test_nothing_is_sent_after_the_finish() -> None:
    core = Client("a").core
    core.send(FinishTask(task_id="a"))
    with pytest.raises(InvalidState, match="continue-task"):
        core.send(ContinueTask(task_id="a", text="Hi."))


def test_audio_comes_with_what_was_said_of_it() -> None:
    client = Client("a", "b")
    assert client.hear(synthesis("b", WORD)) is None
    assert client.core.receive_audio(b"xy") == TaskAudio(task_id="b", audio=b"xy", index=2, words=(WORD,))


def test_audio_without_a_word_belongs_to_the_only_task() -> None:
    assert Client("a").core.receive_audio(b"xy") == TaskAudio(task_id="a", audio=b"xy")
    assert Client().core.receive_audio(b"xy") is None


def test_audio_without_a_word_among_several_tasks_is_an_error() -> None:
    with pytest.raises(RemoteProtocolError, match="of which of 2 tasks"):
        Client("a", "b").core.receive_audio(b"xy")


def test_an_announcement_whose_audio_never_came_is_forgotten() -> None:
    client = Client("a")
    client.hear(synthesis("a", WORD))
    ended = SentenceEnd(task_id="a", index=2, original_text="Hi", characters=2)
    assert client.hear(ended) == ended
    assert client.core.receive_audio(b"xy") == TaskAudio(task_id="a", audio=b"xy")


def test_an_empty_frame_is_no_audio() -> None:
    client = Client("a")
    client.hear(synthesis())
    assert client.core.receive_audio(b"") is None


def test_nothing_of_a_cancelled_task_is_seen_but_its_end() -> None:
    client = Client("a")
    client.core.send(FinishTask(task_id="a", cancel=True))
    assert client.hear(SentenceBegin(task_id="a", index=0, original_text="Hi")) is None
    assert client.hear(synthesis()) is None
    assert client.core.receive_audio(b"xy") is None
    finished = TaskFinished(task_id="a", characters=0)
    assert client.hear(finished) == finished
    assert client.core.open_tasks == ()


def test_what_still_comes_for_a_task_that_has_ended_is_ignored() -> None:
    client = Client("a")
    failed = TaskFailed(task_id="a", error_code="c", error_message="m")
    assert client.hear(failed) == failed
    assert client.hear(TaskFinished(task_id="a", characters=0)) is None
    assert client.hear(synthesis()) is None
    assert client.core.receive_audio(b"xy") is None


def test_a_failure_without_a_task_is_one_of_the_connection() -> None:
    failed = TaskFailed(task_id="", error_code="c", error_message="m")
    assert Client("a").hear(failed) == failed


def test_an_event_of_a_task_that_never_began_is_an_error() -> None:
    with pytest.raises(RemoteProtocolError, match="never begun"):
        Client("a").hear(TaskStarted(task_id="b"))


def test_a_task_starts_once() -> None:
    with pytest.raises(RemoteProtocolError, match="twice"):
        Client("a").hear(TaskStarted(task_id="a"))


def test_events_that_are_not_documented_are_ignored() -> None:
    frame = '{"header":{"task_id":"a","event":"result-imagined"},"payload":{}}'
    assert Client("a").core.receive_text(frame) is None
