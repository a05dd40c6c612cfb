"""Commands and events of the task protocol to JSON text and back; every mistake of a peer is named.

Whatever a client sends, ``read_envelope`` and ``command_of`` return or raise a documented error. Texts are not quoted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, assert_never

import msgspec
from msgspec import UNSET, UnsetType

from saystream.errors import InvalidEvent, InvalidValue, RemoteProtocolError, quote
from saystream.protocol.json import NOT_JSON, type_name, why_not_json
from saystream.protocol.surrogates import decode_with_halves, mended
from saystream.protocol.task.commands import Command, ContinueTask, FinishTask, RunTask, Streaming
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
from saystream.protocol.task.parameters import decode_parameters

__all__ = [
    "ACTIONS",
    "Envelope",
    "command_of",
    "decode_command",
    "decode_event",
    "encode_command",
    "encode_event",
    "read_envelope",
]

ACTIONS: Final = ("run-task", "continue-task", "finish-task")

_MAX_ID_CHARACTERS: Final = 128


# --- commands --------------------------------------------------------------------------------------------------------


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every command has: its kind, the task that it is for, and the rest, unread."""

    action: str
    task_id: str
    streaming: Streaming
    payload: dict[str, Any]


def decode_command(frame: str) -> Command:
    """The command in ``frame``. Raises what ``read_envelope`` and ``command_of`` raise."""
    return command_of(read_envelope(frame))


def read_envelope(frame: str) -> Envelope:
    """What ``frame`` is and for whom.

    Raises InvalidEvent when it is not a command: not JSON, not an object, nested too deeply, a lone surrogate, without
    a header or a task's id, or of an unknown action.
    """
    try:
        fields = decode_with_halves(frame)
    except NOT_JSON as error:
        raise InvalidEvent(f"The frame is not valid JSON: {why_not_json(error)}.") from error
    if not isinstance(fields, dict):
        raise InvalidEvent(f"A command is a JSON object; {type_name(fields)} came.")
    header = fields.get("header")
    if not isinstance(header, dict):
        raise InvalidEvent(f"A command has an object 'header'; {_came(header)} came.", param="header")
    task_id = mended(header.get("task_id"))
    if not isinstance(task_id, str) or not 0 < len(task_id) <= _MAX_ID_CHARACTERS:
        allowed = f"a string 'task_id' of at most {_MAX_ID_CHARACTERS} characters"
        raise InvalidEvent(f"The header of a command has {allowed}.", param="header.task_id")
    action = mended(header.get("action"))
    if not isinstance(action, str) or action not in ACTIONS:
        came = f"'{quote(action)}'" if isinstance(action, str) else _came(action)
        raise InvalidEvent(
            f"Unknown action: {came}. A client may send: {', '.join(ACTIONS)}.", param="header.action"
        )
    payload = fields.get("payload")
    return Envelope(
        action=action,
        task_id=task_id,
        streaming=_streaming(header.get("streaming")),
        payload=payload if isinstance(payload, dict) else {},
    )


def command_of(envelope: Envelope, *, joined: Callable[[str], str] = mended) -> Command:
    """The command that ``envelope`` holds. ``joined`` makes whole characters of the text of a ``continue-task``, which
    may begin or end in the middle of one (``surrogates``).

    Raises InvalidValue, whose ``param`` is the path of the field, when a field is of the wrong type or out of its
    range, and InvalidRequest, which names them all, for several parameters.
    """
    payload = envelope.payload
    if envelope.action != "continue-task":
        payload = mended(payload)
    given = _object(payload, "input")
    match envelope.action:
        case "run-task":
            return RunTask(
                task_id=envelope.task_id,
                model=_string(payload, "model", "payload.model"),
                parameters=decode_parameters(_object(payload, "parameters"), prefix="payload.parameters."),
                streaming=envelope.streaming,
                text=_string(given, "text", "payload.input.text"),
            )
        case "continue-task":
            return ContinueTask(
                task_id=envelope.task_id,
                text=joined(_string(given, "text", "payload.input.text")),
                flush=given.get("flush") in (True, "true"),
            )
        case _:
            directive = _string(given, "directive", "payload.input.directive")
            return FinishTask(task_id=envelope.task_id, cancel=directive.lower() == "cancel")


def encode_command(command: Command) -> str:
    """One frame of text, with keys in the order of the official SDK."""
    streaming: Streaming = "duplex"
    match command:
        case RunTask():
            action, streaming = "run-task", command.streaming
            payload: dict[str, Any] = {
                "model": command.model,
                "task_group": "audio",
                "task": "tts",
                "function": "SpeechSynthesizer",
                "input": {"text": command.text} if command.text else {},
                "parameters": {**_kind_of_text(command), **command.parameters.changes()},
            }
        case ContinueTask(text=text, flush=flush):
            action = "continue-task"
            payload = {"input": {**({"text": text} if text else {}), **({"flush": True} if flush else {})}}
        case FinishTask(cancel=cancel):
            action, payload = "finish-task", {"input": {"directive": "cancel"} if cancel else {}}
        case _:
            assert_never(command)
    header = {"action": action, "task_id": command.task_id, "streaming": streaming}
    return _ENCODER.encode({"header": header, "payload": payload}).decode()


def _kind_of_text(command: RunTask) -> dict[str, Any]:
    """CosyVoice's own service insists on it; the official SDK does not send it to Sambert's."""
    return {"text_type": command.parameters.text_type} if command.streaming == "duplex" else {}


def _streaming(value: Any) -> Streaming:
    """In any case; anything unknown means that text may follow."""
    return "out" if isinstance(value, str) and value.strip().lower() == "out" else "duplex"


def _came(value: Any) -> str:
    return "nothing" if value is None else type_name(value)


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if value is not None and not isinstance(value, dict):
        raise InvalidValue(f"payload.{name}", type_name(value), "an object")
    return value or {}


def _string(fields: dict[str, Any], name: str, param: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidValue(param, type_name(value), "a string")
    return value


# --- events ----------------------------------------------------------------------------------------------------------

_ENCODER: Final = msgspec.json.Encoder()


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    task_id: str = ""
    event: str
    error_code: str | UnsetType = UNSET
    error_message: str | UnsetType = UNSET
    attributes: dict[str, Any] = {}


class _Sentence(msgspec.Struct, frozen=True, kw_only=True):
    index: int | UnsetType = UNSET
    begin_time: int | UnsetType = UNSET
    end_time: int | UnsetType = UNSET
    words: tuple[Word, ...] | None = ()


class _Output(msgspec.Struct, frozen=True, kw_only=True):
    type: str | UnsetType = UNSET
    sentence: _Sentence
    original_text: str | UnsetType = UNSET


class _Usage(msgspec.Struct, frozen=True, kw_only=True):
    characters: int = 0


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    output: _Output | None | UnsetType = UNSET
    usage: _Usage | None | UnsetType = UNSET


class _Frame(msgspec.Struct, frozen=True, kw_only=True):
    header: _Header
    payload: _Payload = _Payload()


_FRAME_DECODER: Final[msgspec.json.Decoder[_Frame]] = msgspec.json.Decoder(_Frame)


def encode_event(event: TaskEvent) -> str:
    """One frame of text."""
    return _ENCODER.encode(_frame_of(event)).decode()


def _frame_of(event: TaskEvent) -> _Frame:
    match event:
        case TaskStarted(task_id=task_id):
            return _Frame(header=_Header(task_id=task_id, event="task-started"))
        case TaskFailed(task_id=task_id, error_code=code, error_message=message):
            return _Frame(
                header=_Header(task_id=task_id, event="task-failed", error_code=code, error_message=message)
            )
        case TaskFinished(task_id=task_id, characters=characters, request_uuid=request_uuid):
            attributes = {} if request_uuid is UNSET else {"request_uuid": request_uuid}
            return _Frame(
                header=_Header(task_id=task_id, event="task-finished", attributes=attributes),
                payload=_Payload(
                    output=None if event.null_output else UNSET, usage=_Usage(characters=characters)
                ),
            )
        case SentenceBegin(task_id=task_id, index=index, original_text=text):
            return _result(
                task_id, _Output(type="sentence-begin", sentence=_Sentence(index=index), original_text=text)
            )
        case SentenceSynthesis(task_id=task_id, index=index, words=words):
            return _result(
                task_id, _Output(type="sentence-synthesis", sentence=_Sentence(index=index, words=words))
            )
        case SentenceEnd(task_id=task_id, index=index, original_text=text, words=words):
            sentence = _Sentence(index=index, words=words)
            return _result(
                task_id,
                _Output(type="sentence-end", sentence=sentence, original_text=text),
                _Usage(characters=event.characters),
            )
        case SentenceTimes(task_id=task_id, begin_time=begin, end_time=end, words=words, characters=count):
            sentence = _Sentence(begin_time=begin, end_time=end, words=words)
            usage = None if count is None else _Usage(characters=count)
            return _result(task_id, _Output(sentence=sentence), usage)
        case _:
            assert_never(event)


def _result(task_id: str, output: _Output, usage: _Usage | None | UnsetType = UNSET) -> _Frame:
    return _Frame(
        header=_Header(task_id=task_id, event="result-generated"),
        payload=_Payload(output=output, usage=usage),
    )


def decode_event(frame: str) -> TaskEvent | None:
    """The event in ``frame``; ``None`` for one that is not documented, which a client ignores.

    Raises RemoteProtocolError when it is not an event.
    """
    try:
        decoded = _FRAME_DECODER.decode(frame)
    except NOT_JSON as error:
        raise RemoteProtocolError(
            f"The server sent a frame that is not an event: {why_not_json(error)}."
        ) from error
    header, payload = decoded.header, decoded.payload
    match header.event:
        case "task-started":
            return TaskStarted(task_id=header.task_id)
        case "task-failed":
            return TaskFailed(
                task_id=header.task_id,
                error_code=header.error_code or "",
                error_message=header.error_message or "",
            )
        case "task-finished":
            request_uuid = header.attributes.get("request_uuid")
            return TaskFinished(
                task_id=header.task_id,
                characters=_characters(payload),
                request_uuid=request_uuid if isinstance(request_uuid, str) else UNSET,
                null_output=payload.output is None,
            )
        case "result-generated" if isinstance(payload.output, _Output):
            return _sentence_event(header.task_id, payload.output, payload)
        case _:
            return None


def _sentence_event(task_id: str, output: _Output, payload: _Payload) -> TaskEvent | None:
    sentence = output.sentence
    index = 0 if sentence.index is UNSET else sentence.index
    words, text = sentence.words or (), output.original_text or ""
    match output.type:
        case "sentence-begin":
            return SentenceBegin(task_id=task_id, index=index, original_text=text)
        case "sentence-synthesis":
            return SentenceSynthesis(task_id=task_id, index=index, words=words)
        case "sentence-end":
            characters = _characters(payload)
            return SentenceEnd(
                task_id=task_id, index=index, original_text=text, words=words, characters=characters
            )
        case _ if sentence.begin_time is not UNSET and sentence.end_time is not UNSET:
            return SentenceTimes(
                task_id=task_id,
                begin_time=sentence.begin_time,
                end_time=sentence.end_time,
                words=words,
                characters=_characters(payload) if payload.usage else None,
            )
        case _:
            return None


def _characters(payload: _Payload) -> int:
    return payload.usage.characters if payload.usage else 0
