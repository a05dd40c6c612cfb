"""Both ends back to back, with frames in flight between them, against a plain model of what is to be spoken."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from saystream.errors import EngineFailed, InvalidState
from saystream.protocol.realtime.codec import decode_client_event, encode
from saystream.protocol.realtime.events import (
    ClientEvent,
    Error,
    OutputItemAdded,
    ResponseCancel,
    SessionFinish,
    SessionUpdate,
    TextAppend,
    TextClear,
    TextCommit,
    TextCommitted,
    wire_type,
)
from saystream.protocol.realtime.server import UPDATE_REFUSED
from saystream.protocol.realtime.session_config import SessionConfig, SessionPatch
from saystream.protocol.realtime.state import SessionState

from .harness import UNTAKEN_VOICE, USAGE, make_client, make_server, take

TEXTS = st.sampled_from(["", " ", "Hello. ", "World, ", "\n", "再见。"])
ARRIVES = st.sampled_from([True, True, False])
PATCHES = st.builds(
    SessionPatch,
    mode=st.sampled_from(["commit", "server_commit"]),
    volume=st.sampled_from([50, 60, 101]),
    voice=st.sampled_from(["Cherry", "Ethan", UNTAKEN_VOICE]),
)
RESPONSE = (
    r"response\.created response\.output_item\.added response\.content_part\.added (response\.audio\.delta )*"
    r"response\.audio\.done response\.content_part\.done response\.output_item\.done response\.done ?"
)
DOCUMENTED_ORDER = rf"(session\.created ?({RESPONSE})*(session\.finished ?)?)+"
"""Of a whole connection, without the answers that may come at any time. Only a last session may not be finished."""


class Speech:
    """What an owner of the server's end holds: the text, and which response speaks it."""

    def __init__(self) -> None:
        self.is_server_commit = True
        self.buffer = ""
        self.committed: deque[str] = deque()
        self.speaking: str | None = None
        self.takes_text = False
        self.spoken: list[str] = []

    def act(self, event: ClientEvent) -> None:
        match event:
            case TextAppend(text=text) if self.takes_text:
                assert self.speaking is not None
                self.speaking += text
            case TextAppend(text=text):
                self.buffer += text
            case TextCommit() if self.takes_text:
                self.takes_text = False
            case TextCommit():
                self._commit()
            case TextClear():
                self.buffer = ""
            case SessionFinish() if self.takes_text:
                self.takes_text = False
            case SessionFinish() if self.buffer.strip():
                self._commit()
            case _:
                assert isinstance(event, SessionFinish | SessionUpdate | ResponseCancel)

    @property
    def can_start(self) -> bool:
        waits = self.committed or (self.is_server_commit and self.buffer.strip())
        return self.speaking is None and bool(waits)

    def start(self) -> None:
        if self.committed:
            self.speaking = self.committed.popleft()
        else:
            self.speaking, self.buffer, self.takes_text = self.buffer, "", True

    def end(self) -> None:
        assert self.speaking is not None
        self.spoken.append(self.speaking)
        self.speaking, self.takes_text = None, False

    def _commit(self) -> None:
        self.committed.append(self.buffer)
        self.buffer = ""


class ConnectionPair(RuleBasedStateMachine):
    """Client and server act whenever they may; frames arrive later, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.server = make_server(opened=False, max_consecutive_errors=10_000)
        self.client = make_client()
        self.speech = Speech()
        self.to_server: deque[str] = deque()
        self.to_client: deque[str] = deque()
        self.received: list[Any] = []
        self.refusable: set[str | None] = set()
        self.server.open()
        self.take()

    def take(self) -> None:
        self.to_client.extend(self.server.frames_to_send())

    def attempt(self, send: Callable[[], str], arrives: bool) -> None:
        """What the client's end refuses is not sent. ``arrives``: with everything that is in flight, at once."""
        try:
            self.to_server.append(send())
        except InvalidState:
            return
        while arrives and self.to_server:
            self.server_receives()

    @initialize(
        mode=st.sampled_from(["commit", "server_commit"]),
        so_far=st.sampled_from(["", "speaking", "finished"]),
    )
    def talk_before(self, mode: str, so_far: str) -> None:
        """Begin where the events of most interest are near."""
        self.attempt(
            lambda: self.client.update_session(SessionPatch(mode=mode, pitch_rate=1.5)), arrives=True
        )
        if so_far == "finished":
            self.attempt(self.client.finish, arrives=True)
            self.the_rest_is_spoken()
        if so_far == "speaking":
            self.append("Hello. ", arrives=True)
            self.commit(arrives=mode == "commit")
            self.response_starts()
        self.client_receives_all()

    # --- the client ------------------------------------------------------------------------------------

    @rule(text=TEXTS, arrives=ARRIVES)
    def append(self, text: str, arrives: bool) -> None:
        self.attempt(lambda: self.client.append_text(text), arrives)

    @rule(arrives=ARRIVES)
    def commit(self, arrives: bool) -> None:
        self.attempt(self.client.commit, arrives)

    @rule(arrives=ARRIVES)
    def clear(self, arrives: bool) -> None:
        self.attempt(self.client.clear, arrives)

    @rule(arrives=ARRIVES)
    def cancel(self, arrives: bool) -> None:
        self.attempt(self.client.cancel, arrives)

    @rule(patch=PATCHES, arrives=ARRIVES)
    def update(self, patch: SessionPatch, arrives: bool) -> None:
        self.attempt(lambda: self.client.update_session(patch), arrives)

    @rule(arrives=ARRIVES)
    def finish(self, arrives: bool) -> None:
        self.attempt(self.client.finish, arrives)

    @precondition(lambda self: self.to_client)
    @rule()
    def client_receives_all(self) -> None:
        while self.to_client:
            self.client_receives()

    @precondition(lambda self: self.to_client)
    @rule()
    def client_receives(self) -> None:
        event = self.client.receive_text(self.to_client.popleft())
        self.received.append(event)
        if isinstance(event, Error):
            assert event.error.event_id in self.refusable, event

    # --- the server ------------------------------------------------------------------------------------

    @precondition(lambda self: self.to_server)
    @rule()
    def server_receives(self) -> None:
        frame = self.to_server.popleft()
        state_before = self.server.state
        event = take(self.server, frame)
        frames = self.server.frames_to_send()
        self.to_client.extend(frames)
        errors = [json.loads(frame)["error"] for frame in frames if json.loads(frame)["type"] == "error"]
        for error in errors:
            self.refusable.add(error["event_id"])
            self.explain(error, decode_client_event(frame), state_before)
        if event is None:
            return
        assert encode(event) == frame
        if isinstance(event, SessionUpdate) and state_before is SessionState.FINISHED:
            self.speech = Speech()
            assert self.server.config == SessionConfig(voice="Cherry").merged(event.session)
        self.speech.act(event)
        self.speech.is_server_commit = self.server.config.mode == "server_commit"

    def explain(self, error: dict[str, Any], event: ClientEvent, state: SessionState) -> None:
        """Of what the client's end lets out, the server's end refuses only this."""
        match event:
            case SessionUpdate(session=patch) if error["message"] != UPDATE_REFUSED:
                assert patch.voice == UNTAKEN_VOICE or (
                    patch.volume is not msgspec.UNSET and patch.volume > 100
                )
            case SessionUpdate():
                assert state is SessionState.STARTED
            case TextCommit() if error["code"] == "rate_limit_exceeded":
                assert len(self.speech.committed) == 3
            case TextCommit() if error["code"] == "input_text_buffer_commit_empty":
                assert not self.speech.buffer.strip()
            case _:
                # In flight when the session ended, or when the new one was refused.
                assert error["code"] == "invalid_state"
                assert state is SessionState.FINISHED

    @precondition(lambda self: self.server.close is None and self.speech.can_start)
    @rule()
    def response_starts(self) -> None:
        self.server.start_response()
        self.speech.start()
        self.take()

    @precondition(lambda self: self.server.response_open)
    @rule(audio=st.binary(min_size=1, max_size=4))
    def audio_goes_out(self, audio: bytes) -> None:
        self.server.send_audio(audio)
        self.take()

    @precondition(lambda self: self.server.response_open)
    @rule()
    def response_takes_no_more_text(self) -> None:
        self.server.take_no_more_text()
        self.speech.takes_text = False

    @precondition(lambda self: self.server.response_open)
    @rule(status=st.sampled_from(["completed", "cancelled", "incomplete"]))
    def response_ends(self, status: Literal["completed", "cancelled", "incomplete"]) -> None:
        self.server.finish_response(status, USAGE)
        self.speech.end()
        self.take()

    @precondition(lambda self: self.server.state is SessionState.FINISHING)
    @rule()
    def the_rest_is_spoken(self) -> None:
        while self.speech.can_start or self.speech.speaking is not None:
            if self.speech.speaking is None:
                self.response_starts()
            self.response_ends("completed")
        self.server.finish_session()
        self.take()

    @precondition(lambda self: self.server.close is None and len(self.received) > 30)
    @rule()
    def server_fails(self) -> None:
        self.server.fail(EngineFailed("a fault"), USAGE)
        self.refusable.add(None)
        self.take()

    # --- what holds at every moment --------------------------------------------------------------------

    @invariant()
    def the_core_agrees_with_the_model(self) -> None:
        if self.server.close is None:
            assert self.server.pending_responses == len(self.speech.committed)
            assert self.server.response_open == (self.speech.speaking is not None)

    @invariant()
    def the_ends_agree_when_nothing_is_in_flight(self) -> None:
        if not self.to_server and not self.to_client and self.server.close is None:
            assert vars(vars(self.client)["_states"]) == vars(vars(self.server)["_states"])

    def teardown(self) -> None:
        """Everything arrives, everything is spoken; then the client has seen events in the documented order."""
        self.attempt(self.client.finish, arrives=True)
        while self.to_server:
            self.server_receives()
        if self.server.state is SessionState.FINISHING:
            self.the_rest_is_spoken()
        while self.to_client:
            self.client_receives()
        self.the_ends_agree_when_nothing_is_in_flight()
        seen = " ".join(wire_type(event) for event in self.received if not isinstance(event, Error))
        for answer in ("session.updated", "input_text_buffer.cleared", "input_text_buffer.committed"):
            seen = seen.replace(answer, "").strip()
        assert re.fullmatch(DOCUMENTED_ORDER, " ".join(seen.split())), seen
        items = [event.item_id for event in self.received if isinstance(event, TextCommitted)]
        spoken = [event.item.id for event in self.received if isinstance(event, OutputItemAdded)]
        assert spoken == items[: len(spoken)]


ConnectionPair.TestCase.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
TestConnectionPair = ConnectionPair.TestCase
