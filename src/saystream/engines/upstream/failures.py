"""What goes wrong with a server, what is to blame, and whether another may be asked."""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from saystream.errors import EngineFailed, EngineUnavailable, Overloaded, ServerFault
from saystream.protocol.json import NOT_JSON

__all__ = ["Failure", "Verdict", "refusal", "told", "unreachable"]

_BUSY_S = 1.0
_MAX_BUSY_S = 30.0
"""A server may ask for a longer pause; it is tried again after this, and only if no other is better."""

_MAX_SAID_CHARACTERS = 200
_ECHO_CHARACTERS = 12
"""If a server's message contains this much of a text, it quotes the text…"""
_MIN_ECHO_CHARACTERS = 4
"""…and so does one with all of a shorter text, unless that is as short as any word of the message."""


class Verdict(Enum):
    """What a failure says about the server."""

    FINE = "fine"
    """It works; the request is at fault."""
    BUSY = "busy"
    """It works, and takes no more for now."""
    SUSPECT = "suspect"
    """It may be broken: it is probed at once."""
    DOWN = "down"
    """It is left out until it answers again."""


class Failure(Exception):
    """A request to a server failed."""

    def __init__(
        self, fault: ServerFault, verdict: Verdict, *, final: bool = False, busy_s: float = _BUSY_S
    ) -> None:
        """``final``: no other server would do better. ``busy_s``: how long to leave a busy server alone."""
        super().__init__(fault.message)
        self.fault = fault
        """What the listener is told if no other server helps."""
        self.verdict = verdict
        self.final = final
        self.busy_s = busy_s


def unreachable(server: str, why: str) -> Failure:
    return Failure(EngineUnavailable(f"The upstream server {server} cannot be reached: {why}."), Verdict.DOWN)


def refusal(
    server: str, status: int, body: bytes, *, retry_after: str | None = None, text: str = ""
) -> Failure:
    """The failure for an HTTP answer other than 200; ``retry_after`` is that header. A body that quotes ``text`` is not
    passed on."""
    answer = f"HTTP {status}{_said(body, text)}"
    if status in (401, 403):
        return Failure(
            EngineUnavailable(
                f"The upstream server {server} refuses the key ({answer}). Put the name of an environment variable"
                " that holds a valid one into the option key_env of engine 'upstream'."
            ),
            Verdict.DOWN,
        )
    if status in (408, 429, 503):
        # A date instead of seconds is allowed, but rare.
        seconds = float(retry_after) if retry_after is not None and retry_after.isdecimal() else _BUSY_S
        fault = Overloaded(f"The upstream server {server} is busy ({answer}).")
        return Failure(fault, Verdict.BUSY, busy_s=min(seconds, _MAX_BUSY_S))
    if status in (404, 405):
        return Failure(
            EngineUnavailable(
                f"The upstream server {server} does not know the path or the model ({answer})."
                " Check the options url, kind and model of engine 'upstream'."
            ),
            Verdict.SUSPECT,
        )
    if status >= 500:
        return Failure(EngineFailed(f"The upstream server {server} failed ({answer})."), Verdict.SUSPECT)
    return Failure(
        EngineFailed(f"The upstream server {server} refused the request ({answer})."),
        Verdict.FINE,
        final=True,
    )


def told(message: str, text: str) -> str:
    """``message`` of a server for people, after a colon; empty if it quotes ``text``."""
    message = " ".join(message[:_MAX_SAID_CHARACTERS].split())
    spoken = " ".join(text.split())
    if not message or (len(spoken) >= _MIN_ECHO_CHARACTERS and spoken in message):
        return ""
    for start in range(len(spoken) - _ECHO_CHARACTERS + 1):
        if spoken[start : start + _ECHO_CHARACTERS] in message:
            return ""
    return f": {message}"


def _said(body: bytes, text: str) -> str:
    """What an error body says for people: vLLM's and OpenAI's, FastAPI's, ours; empty for any other."""
    try:
        fields = msgspec.json.decode(body)
    except NOT_JSON:
        return ""
    return told(_message(fields), text)


def _message(fields: Any) -> str:
    if not isinstance(fields, dict):
        return ""
    error = fields.get("error", fields.get("detail", fields))
    if isinstance(error, list):  # FastAPI's, where "input" is the invalid value
        error = error[0] if error else ""
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    message = error.get("message", error.get("msg"))
    param = error.get("param")
    named = f" ({param})" if isinstance(param, str) and param else ""
    return f"{message}{named}" if isinstance(message, str) else ""
