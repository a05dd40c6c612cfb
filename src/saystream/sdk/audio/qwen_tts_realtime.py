"""Realtime Qwen-TTS in the form of the vendor's SDK: its names, signatures, callbacks and wire JSON.

``docs/howto/use-the-sdk.md`` lists the intended differences.
"""

from __future__ import annotations

import atexit
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from enum import Enum, unique
from typing import Any

import msgspec

import saystream.sdk
from saystream.client.blocking import BlockingTransport, open_blocking
from saystream.client.handshake import add_model, request_headers
from saystream.client.options import DEFAULT_LIMITS, Limits, Timeouts
from saystream.errors import ConnectionFailed, ConnectionLost, InvalidState
from saystream.protocol.json import NOT_JSON
from saystream.sdk.common.api_key import get_default_api_key
from saystream.sdk.common.error import ConnectFailed, ModelRequired, NotConnected

__all__ = ["AudioFormat", "QwenTtsRealtime", "QwenTtsRealtimeCallback"]

_log = logging.getLogger(__name__)

_TIMEOUTS = Timeouts(open_s=5.0, close_s=1.0)
"""``open_s`` is the vendor's value."""
_NO_STATUS = 1005
"""What the WebSocket library reports for a close frame without a code."""


class QwenTtsRealtimeCallback:
    """What happens on a connection. ``on_event`` and ``on_close`` run on a thread of the SDK."""

    def on_open(self) -> None:
        """The connection is open; on the thread that called ``connect()``."""

    def on_close(self, close_status_code: int | None, close_msg: str | None) -> None:
        """The connection ended. Both arguments are ``None`` after a drop and after the caller's own ``close()``."""

    def on_event(self, message: Any) -> None:
        """One event from the server, as a ``dict``."""


class _Link:
    """One connection of an object; it may have another one later."""

    def __init__(self, transport: BlockingTransport) -> None:
        self.transport = transport
        self.closing = False
        """The caller closed it: what still arrives is no longer for the caller."""
        self.settled = threading.Event()
        """``session.created`` was handled, or the connection ended."""
        self.ended: ConnectionLost | None = None
        self.thread: threading.Thread | None = None

    def close(self) -> None:
        self.closing = True
        self.transport.close()


_links: set[_Link] = set()
"""Every connection that has not ended."""


@atexit.register
def _end_links() -> None:
    """Report the close even to a program that exits while connected: many close their file on it.

    Documented samples exit right after ``session.finished``; with daemon threads alone their last bytes would be lost.
    """
    for link in tuple(_links):
        link.close()
        if link.thread is not None:
            link.thread.join(_TIMEOUTS.close_s)


@unique
class AudioFormat(Enum):
    """Formats for ``update_session``; its ``audio_format`` and ``sample_rate`` request any other."""

    PCM_24000HZ_MONO_16BIT = ("pcm", 24000, "mono", "16bit", "pcm16")

    def __init__(self, format: str, sample_rate: int, channels: str, bit_rate: str, format_str: str) -> None:
        self.format = format
        self.sample_rate = sample_rate
        """Hz."""
        self.channels = channels
        self.bit_rate = bit_rate
        self.format_str = format_str

    def __repr__(self) -> str:
        return self.format_str

    def __str__(self) -> str:
        return (
            f"{self.format.upper()} with {self.sample_rate}Hz sample rate, {self.channels} channel, "
            f"{self.bit_rate} bit rate:  {self.format_str}"
        )


class QwenTtsRealtime:
    """A realtime session. Every method may be called from any thread, even from inside a callback."""

    _open_transport: Callable[[str, Mapping[str, str], Timeouts, Limits], BlockingTransport] = staticmethod(
        open_blocking
    )
    """The network seam: a subclass may replace it."""
    _first_event_s = 1.0
    """``connect()`` waits this long for ``session.created``, so that ``get_session_id()`` knows it afterwards: the
    vendor's SDK polls every 0.1 s, which gave the event time to arrive."""

    def __init__(
        self,
        model: str | None,
        headers: Mapping[str, str] | None = None,
        callback: QwenTtsRealtimeCallback | None = None,
        workspace: str | None = None,
        url: str | None = None,
        additional_params: Mapping[str, Any] | None = None,
    ) -> None:
        """``url`` is the full URL of the door without its query; ``additional_params`` is accepted and ignored.

        Raises ModelRequired without a model and InvalidValue for a ``url`` that cannot work.
        """
        if model is None:
            raise ModelRequired("Model is required!")
        self.model = model
        self.url = add_model(_default_url() if url is None else url, model)
        self.apikey = get_default_api_key()
        self.user_headers = headers
        self.user_workspace = workspace
        self.callback = callback if callback is not None else QwenTtsRealtimeCallback()
        self.config: dict[str, Any] = {}
        self.session_id: str | None = None
        self.last_message: dict[str, Any] | None = None
        self.last_response_id: str | None = None
        self._link: _Link | None = None
        self._first_text_s: float | None = None
        self._first_audio_delay_ms: float | None = None

    @property
    def ws(self) -> BlockingTransport | None:
        """What carries the frames; ``None`` while there is no connection."""
        link = self._link
        return link.transport if link is not None else None

    def connect(self) -> None:
        """Connect and wait, for at most a second, until ``session.created`` has been handled.

        Raises ConnectFailed, a TimeoutError, with the server's message if it refused.
        """
        if self._link is not None:
            raise InvalidState("connect() was called on a connected object; call close() first")
        try:
            transport = self._open_transport(self.url, self._headers(), _TIMEOUTS, DEFAULT_LIMITS)
        except ConnectionFailed as failure:
            self._tell_closed(None, None)
            raise ConnectFailed.from_failure(failure) from failure
        self.last_message = None
        link = self._link = _Link(transport)
        _links.add(link)
        link.thread = threading.Thread(
            target=self._receive, args=(link,), name="qwen-tts-realtime", daemon=True
        )
        link.thread.start()
        link.settled.wait(self._first_event_s)
        if link.ended is not None:
            raise ConnectFailed(self._why_ended(link.ended)) from link.ended
        self.callback.on_open()

    def update_session(
        self,
        voice: str,
        response_format: AudioFormat = AudioFormat.PCM_24000HZ_MONO_16BIT,
        mode: str = "server_commit",
        sample_rate: int | None = None,
        volume: int | None = None,
        speech_rate: float | None = None,
        audio_format: str | None = None,
        pitch_rate: float | None = None,
        bit_rate: int | None = None,
        language_type: str | None = None,
        enable_tn: bool | None = None,
        instructions: str | None = None,
        optimize_instructions: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Request a configuration; the server answers with ``session.updated`` or ``error``.

        ``audio_format`` and ``sample_rate`` (Hz) override ``response_format``; ``bit_rate`` is in kbit/s. Arguments
        that are ``None`` are not sent; ``kwargs`` are sent as they are.
        """
        self.config = {
            "voice": voice,
            "mode": mode,
            "response_format": response_format.format if audio_format is None else audio_format,
            "sample_rate": response_format.sample_rate if sample_rate is None else sample_rate,
        }
        optional = {
            "volume": volume,
            "speech_rate": speech_rate,
            "pitch_rate": pitch_rate,
            "bit_rate": bit_rate,
            "enable_tn": enable_tn,
            "language_type": language_type,
            "instructions": instructions,
            "optimize_instructions": optimize_instructions,
        }
        self.config.update({name: value for name, value in optional.items() if value is not None})
        self.config.update(kwargs)
        self._send_event("session.update", session=self.config)

    def append_text(self, text: str) -> None:
        """Add to the server's text buffer."""
        link = self._connected()
        if self._first_text_s is None:
            self._first_text_s = time.monotonic()
        self._send(link, _event("input_text_buffer.append", text=text))

    def commit(self) -> None:
        """Speak what is in the buffer now."""
        self._send_event("input_text_buffer.commit")

    def clear_appended_text(self) -> None:
        """Empty the server's text buffer."""
        self._send_event("input_text_buffer.clear")

    def cancel_response(self) -> None:
        """End the response that is being spoken."""
        self._send_event("response.cancel")

    def send_raw(self, raw_data: str) -> None:
        """Send ``raw_data`` as a text frame of its own."""
        self._send(self._connected(), raw_data)

    def finish(self) -> None:
        """No more text: the server speaks the rest, then sends ``session.finished``. Does not wait."""
        self._send_event("session.finish")

    def close(self) -> None:
        """End the connection; ``on_close(None, None)`` follows. Does nothing if there is none."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def get_session_id(self) -> str | None:
        """``None`` until the handler of ``session.created`` has returned."""
        return self.session_id

    def get_last_message(self) -> dict[str, Any] | None:
        return self.last_message

    def get_last_response_id(self) -> str | None:
        """The response before this one until the handler of ``response.created`` has returned."""
        return self.last_response_id

    def get_first_audio_delay(self) -> float | None:
        """Milliseconds from the object's first ``append_text`` to its first audio; measured once."""
        return self._first_audio_delay_ms

    def _headers(self) -> dict[str, str]:
        workspace = {"X-DashScope-WorkSpace": self.user_workspace} if self.user_workspace else {}
        return request_headers(self.apikey, {**workspace, **(self.user_headers or {})})

    def _connected(self) -> _Link:
        link = self._link
        if link is None:
            raise NotConnected(
                "WebSocket connection is not established or has been closed. "
                "Please call connect() first and ensure the connection is active."
            )
        return link

    def _send_event(self, type: str, **fields: Any) -> None:
        self._send(self._connected(), _event(type, **fields))

    def _send(self, link: _Link, frame: str) -> None:
        try:
            link.transport.send(frame)
        except ConnectionLost as lost:
            raise NotConnected.from_lost(lost) from lost

    def _receive(self, link: _Link) -> None:
        """The SDK's thread: hand out events until the connection ends."""
        try:
            while True:
                frame = link.transport.receive()
                arrived_s = time.monotonic()
                event = _decoded(frame)
                if event is not None and not link.closing:
                    self._handle(event, arrived_s, link)
        except ConnectionLost as lost:
            self._end(link, lost)

    def _end(self, link: _Link, lost: ConnectionLost) -> None:
        link.ended = lost
        if self._link is link:
            self._link = None
        code = lost.remote_close_code
        if link.closing or code is None or code == _NO_STATUS:
            self._tell_closed(None, None)
        else:
            self._tell_closed(code, lost.remote_close_reason or None)
        _links.discard(link)
        link.settled.set()

    def _handle(self, event: dict[str, Any], arrived_s: float, link: _Link) -> None:
        self.last_message = event
        try:
            self.callback.on_event(event)
        except Exception:  # a caller's mistake must not end the thread that serves the caller
            _log.exception("on_event failed for an event of type %s", event.get("type"))
        match event:
            case {"type": "session.created", "session": {"id": str(session_id)}}:
                self.session_id = session_id
                link.settled.set()
            case {"type": "response.created", "response": {"id": str(response_id)}}:
                self.last_response_id = response_id
            case {"type": "response.audio.delta"}:
                if self._first_audio_delay_ms is None and self._first_text_s is not None:
                    self._first_audio_delay_ms = (arrived_s - self._first_text_s) * 1000

    def _tell_closed(self, close_status_code: int | None, close_msg: str | None) -> None:
        try:
            self.callback.on_close(close_status_code, close_msg)
        except Exception:
            _log.exception("on_close failed")

    def _why_ended(self, lost: ConnectionLost) -> str:
        """A server that does not know the model accepts, says why in an ``error`` event, and closes.

        The reason in its close frame may say the same, cut to the 123 bytes that fit.
        """
        match self.last_message:
            case {"type": "error", "error": {"message": str(message)}}:
                return f"the server closed the connection with {lost.remote_close_code}: {message}"
        return lost.message


def _default_url() -> str:
    return saystream.sdk.base_websocket_api_url.rpartition("/")[0] + "/realtime"


def _event(type: str, **fields: Any) -> str:
    return json.dumps({"event_id": f"event_{uuid.uuid4().hex}", "type": type, **fields})


def _decoded(frame: str | bytes) -> dict[str, Any] | None:
    """The event in ``frame``; ``None`` if it is not an event, which is logged and skipped."""
    if isinstance(frame, bytes):
        _log.error("a binary frame of %d bytes was received; only text frames are allowed", len(frame))
        return None
    try:
        event = msgspec.json.decode(frame)
    except NOT_JSON:
        _log.error("a frame of %d characters came that is not JSON", len(frame))
        return None
    if not isinstance(event, dict):
        _log.error("a frame came whose JSON is no object")
        return None
    return event
