"""One stream of log lines for people or machines, which never holds spoken text or a key.

Every module logs through ``structlog.get_logger(__name__)``: a literal event and named fields. ``configure`` is
called first in every process. A line holds:

* numbers, under any name: a number reveals nothing that was spoken;
* strings, only under the names in ``STRING_FIELDS`` and cut short; other fields are dropped and named;
* for an error (``error=fault``, ``exc_info``) its type, and its message if it is one of ours, which never quote
  text or keys;
* from other packages, uvicorn's lines without query strings and only the fixed beginning of the rest, none below
  level info: at debug, uvicorn prints whole frames and headers.

A server writes its log in a thread of its own (``written_apart``): nobody waits for a pipe that nobody reads.

Ids of the session or request are bound with ``structlog.contextvars.bound_contextvars(session_id=…)``.
"""

from __future__ import annotations

import logging
import os
import queue
import re
import sys
import threading
import traceback
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from saystream.config import LogSettings
from saystream.errors import SaystreamError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["STRING_FIELDS", "configure", "written_apart"]

STRING_FIELDS = frozenset(
    {
        "code",
        "door",
        "engine",
        "engines",
        "error",
        "event_id",
        "host",
        "how",
        "item_id",
        "key_id",
        "language",
        "lines",
        "mode",
        "model",
        "param",
        "path",
        "peer",
        "quality",
        "reason",
        "remedy",
        "request_id",
        "response_format",
        "response_id",
        "session",
        "session_id",
        "signal",
        "state",
        "status",
        "task_id",
        "unknown_fields",
        "version",
        "voice",
    }
)
"""Fields that may hold a string. A new one must never be able to hold text or a key."""

_LONG_FIELDS = frozenset({"error", "lines", "reason"})
"""Those of them that hold our own sentences."""
_MAX_CHARACTERS = 64
_MAX_LONG_CHARACTERS = 500

_MAX_WAITING_LINES = 2000
"""While nobody reads standard error: at most a few megabytes."""
_LAST_LINES_S = 0.5
"""How long the end of a server waits for the last lines to be read."""

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SECRET = re.compile(r"sk-[\w-]{6,}|(?<=bearer )\S+", re.IGNORECASE)
_QUERY = re.compile(r"\?[^\s\"']*")
_MODEL = re.compile(r"[?&]model=([\w.%-]{1,64})")
_MAX_LINE_CHARACTERS = 2000
_MAX_FRAMES = 20
_MAX_CHAIN = 5


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Sends every log line of the process to ``stream``, by default standard error. May be called again.

    uvicorn must not configure its own: ``uvicorn.Config(log_config=None, log_level=None, access_log=False)``.
    """
    stream = sys.stderr if stream is None else stream
    level = _LEVELS[settings.level]
    stamped: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tell_exception,
    ]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _guard_fields,
            *stamped,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(stream)
    handler.addFilter(_is_let_in)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_guard_foreign, *stamped],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(settings, stream),
            ],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(max(level, logging.WARNING))
    logging.getLogger("saystream").setLevel(level)
    logging.getLogger("uvicorn").setLevel(max(level, logging.INFO))


def _renderer(settings: LogSettings, stream: TextIO) -> Processor:
    if settings.json_lines:
        return structlog.processors.JSONRenderer()
    # Not structlog's default formatter: with rich installed, it prints local variables.
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:
        """Drops the line. The standard handler would print the record with its unguarded arguments."""


@contextmanager
def written_apart() -> Iterator[None]:
    """Until its end, a thread writes what is logged, and whoever logs never waits.

    Lines that find no room, because nobody reads the others, are dropped; their number is logged when somebody does.
    """
    handlers = [handler for handler in logging.root.handlers if isinstance(handler, _Handler)]
    lines = [_Lines(handler.stream) for handler in handlers]
    for handler, apart in zip(handlers, lines, strict=True):
        handler.setStream(cast(TextIO, apart))
    try:
        yield
    finally:
        for handler, apart in zip(handlers, lines, strict=True):
            # Else it goes on dropping what finds no room: the stream itself would hold up the process.
            if apart.are_written(_LAST_LINES_S):
                handler.setStream(apart.stream)


class _Lines:
    """What a handler writes to, instead of ``stream``."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._waiting: queue.Queue[str | None] = queue.Queue(_MAX_WAITING_LINES)
        self._num_dropped = 0
        self._notice = ""
        """What the thread itself has to say: in the queue there may be no room for it."""
        self._ended = threading.Event()
        # A daemon: it may wait for a reader for ever, and the process must be able to end.
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        if threading.current_thread() is self._thread:
            self._notice = line
            return
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self._num_dropped += 1

    def flush(self) -> None:
        """Nothing waits here."""

    def are_written(self, within_s: float) -> bool:
        """Whether all lines have been written, and no more will be."""
        try:
            self._waiting.put(None, timeout=within_s)
        except queue.Full:
            return False
        return self._ended.wait(within_s)

    def _write_all(self) -> None:
        while (line := self._waiting.get()) is not None:
            try:
                self._write(line)
                self._tell_dropped()
            except (OSError, ValueError):
                self._num_dropped += 1  # the stream is closed, or its reader has gone
        self._ended.set()

    def _tell_dropped(self) -> None:
        dropped, self._num_dropped = self._num_dropped, 0
        if dropped:
            structlog.get_logger(__name__).warning("log lines dropped", count=dropped)
            notice, self._notice = self._notice, ""
            self._write(notice)

    def _write(self, line: str) -> None:
        try:
            descriptor = self.stream.fileno()
        except (OSError, ValueError):  # it has none
            self.stream.write(line)
            return
        # Not through the stream: its lock, held by a thread that waits, would abort the interpreter at its end.
        content = line.encode(errors="backslashreplace")
        while content:
            content = content[os.write(descriptor, content) :]


def _is_let_in(record: logging.LogRecord) -> bool:
    if record.name.partition(".")[0] == "saystream":
        return True
    # configure sets levels too, but setting uvicorn to debug must not print its frames.
    return record.levelno >= logging.INFO and record.name != "uvicorn.access"


def _guard_fields(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    dropped = []
    for name in [name for name in event_dict if name not in ("event", "exc_info")]:
        field = event_dict[name]
        is_name = _FIELD_NAME.fullmatch(name) is not None
        if is_name and (field is None or isinstance(field, bool | int | float)):
            continue
        if name in STRING_FIELDS:
            event_dict[name] = _shown(
                field, _MAX_LONG_CHARACTERS if name in _LONG_FIELDS else _MAX_CHARACTERS
            )
        else:
            dropped.append(name if is_name else "…")
            del event_dict[name]
    if dropped:
        event_dict["dropped_fields"] = ", ".join(sorted(dropped))
    event_dict["event"] = _clean(str(event_dict["event"]))[:_MAX_LINE_CHARACTERS]
    return event_dict


def _guard_foreign(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    record: logging.LogRecord = event_dict["_record"]
    if record.name.partition(".")[0] == "uvicorn":
        line = _QUERY.sub(_model_only, " ".join(event_dict["event"].split()))
    else:
        # Unformatted, and only up to the first bracket or quote: asyncio puts the repr of a task there.
        line = re.split(r"[<(\[{'\":\n]", str(record.msg), maxsplit=1)[0]
    event_dict["event"] = _clean(line)[:_MAX_LINE_CHARACTERS].strip()
    return event_dict


def _model_only(query: re.Match[str]) -> str:
    model = _MODEL.search(query[0])
    return f"?model={model[1]}" if model else ""


def _tell_exception(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    error = event_dict.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event_dict["exception"] = "\n".join(_story(error, _MAX_CHAIN))
    return event_dict


def _story(error: BaseException, depth: int) -> list[str]:
    """The stack of an error, after those of its causes, before those of the errors it groups."""
    if depth == 0:
        return ["…"]
    lines = []
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None:
        lines += [*_story(earlier, depth - 1), "which led to:"]
    lines += "".join(traceback.format_tb(error.__traceback__, limit=-_MAX_FRAMES)).splitlines()
    lines.append(_shown_error(error))
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions[:_MAX_CHAIN]:
            lines += ["  " + line for line in _story(part, depth - 1)]
    return lines


def _shown(field: object, max_characters: int) -> str:
    if isinstance(field, BaseException):
        shown = _shown_error(field)
    elif isinstance(field, set | frozenset):
        shown = ", ".join(sorted(_clean(str(item)) for item in field))
    elif isinstance(field, list | tuple):
        shown = ", ".join(_clean(str(item)) for item in field)
    elif isinstance(field, str | PurePath):
        shown = _clean(str(field))
    else:
        shown = type(field).__name__
    return shown if len(shown) <= max_characters else shown[: max_characters - 1] + "…"


def _shown_error(error: BaseException) -> str:
    name = type(error).__name__
    if isinstance(error, SaystreamError):
        return _clean(f"{name}: {error.message}")
    if isinstance(error, OSError) and error.strerror:
        return _clean(f"{name}: {error.strerror}")
    # The message may quote what could not be handled.
    return name


def _clean(line: str) -> str:
    """``line`` without keys, and without characters that would start a new line or control a terminal."""
    line = _SECRET.sub("…", line)
    return "".join(character if character.isprintable() else "�" for character in line)
