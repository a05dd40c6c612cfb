"""Frames of the task protocol, at both ends: a command, an event or a documented error; each is written as it was read.

An input may also be a whole connection: frames that a client sends, and an owner that does what a door does.
"""

from __future__ import annotations

from msgspec.structs import replace

from fuzzing.reading import Reader
from saystream.errors import InvalidRequest, RemoteProtocolError
from saystream.protocol.task.codec import decode_command, decode_event, encode_command, encode_event
from saystream.protocol.task.commands import FinishTask, RunTask
from saystream.protocol.task.events import SentenceSynthesis, TaskFailed, TaskFinished
from saystream.protocol.task.server import TaskLimits, TaskServer

MAX_BYTES = 1024
DICTIONARY = "task"


def one(data: bytes) -> None:
    reader = Reader(data)
    reads = reader.choice((_command, _event, _connection))
    reads(reader)


def _command(reader: Reader) -> None:
    try:
        command = decode_command(reader.text())
    except InvalidRequest as refusal:
        assert len(refusal.message) < 10_000, "an error does not echo a frame"
        return
    if isinstance(command, RunTask):
        command = replace(command, parameters=replace(command.parameters, unknown_fields=()))
    read_again = decode_command(encode_command(command))
    assert read_again == command


def _event(reader: Reader) -> None:
    try:
        event = decode_event(reader.text())
    except RemoteProtocolError as refusal:
        assert len(refusal.message) < 1000
        return
    assert event is None or decode_event(encode_event(event)) == event


def _connection(reader: Reader) -> None:
    limits = TaskLimits(max_frame_bytes=400, max_tasks=3, max_text_characters=20, max_task_characters=30)
    server = TaskServer(limits=limits)
    sent: list[str | bytes] = []
    while reader:
        if reader.byte() % 2:
            _speak(server)
        else:
            _receive(server, reader.take(reader.byte()).decode("utf-8", "surrogateescape"))
        assert len(server.open_tasks) <= limits.max_tasks
        sent += server.frames_to_send()
    _check(sent)
    assert server.close is None or not server.open_tasks, "a terminal event before the close"


def _receive(server: TaskServer, frame: str) -> None:
    match server.receive_text(frame):
        case RunTask(task_id=task_id):
            server.start(task_id, request_uuid="uuid")
        case FinishTask(task_id=task_id, cancel=True):
            server.cancel(task_id, characters=0)
        case FinishTask(task_id=task_id) if not server.in_sentence(task_id):
            server.finish(task_id, characters=0)
        case _:
            pass


def _speak(server: TaskServer) -> None:
    for task_id in server.open_tasks:
        if server.in_sentence(task_id):
            server.end_sentence(task_id, original_text="a", characters=1, begin_time=0, end_time=1)
        else:
            server.begin_sentence(task_id, "a")
            server.send_audio(task_id, b"audio")


def _check(sent: list[str | bytes]) -> None:
    ended: set[str] = set()
    audio_is_due = False
    for frame in sent:
        assert audio_is_due == isinstance(frame, bytes), "exactly one binary frame follows"
        audio_is_due = False
        if isinstance(frame, str):
            event = decode_event(frame)
            assert event is not None
            audio_is_due = isinstance(event, SentenceSynthesis)
            if isinstance(event, TaskFinished):
                assert event.task_id not in ended, "never finished after failed"
            elif isinstance(event, TaskFailed):
                ended.add(event.task_id)
