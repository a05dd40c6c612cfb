from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from saystream.client import (
    DEFAULT_LIMITS,
    DEFAULT_TIMEOUTS,
    Limits,
    Session,
    Timeouts,
    connect,
)
from saystream.errors import (
    ConnectionFailed,
    ConnectionLost,
    InvalidState,
    InvalidValue,
    RemoteError,
    RemoteProtocolError,
)
from saystream.protocol.realtime.codec import encode
from saystream.protocol.realtime.events import (
    AudioDelta,
    Error,
    ErrorBody,
    ResponseDone,
    SessionFinished,
    TextCleared,
    wire_type,
)

from .doubles import ScriptedTransport, SpeakingTransport, server_protocol, spoken
from .virtual_time import on_virtual_time

MODEL = "qwen3-tts-flash-realtime"


@asynccontextmanager
async def session_on(
    transport: ScriptedTransport, timeouts: Timeouts = DEFAULT_TIMEOUTS, limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[Session]:
    async def opener(
        url: str, headers: Mapping[str, str], timeouts: Timeouts, limits: Limits
    ) -> ScriptedTransport:
        return transport

    async with connect(model=MODEL, timeouts=timeouts, limits=limits, opener=opener) as session:
        yield session


def created() -> str:
    protocol = server_protocol()
    protocol.open()
    return protocol.frames_to_send()[0]


def error_frame(code: str = "invalid_value", message: str = "No.", **fields: Any) -> str:
    return encode(Error(event_id="event_x", error=ErrorBody(code=code, message=message, **fields)))


def created_transport() -> ScriptedTransport:
    transport = ScriptedTransport()
    transport.give(created())
    return transport


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# --- opening ----------------------------------------------------------------------------------------------


async def test_connect_knows_the_session_that_the_server_created() -> None:
    async with session_on(SpeakingTransport()) as session:
        assert session.id == "sess_1"
        assert (session.config.model, session.config.voice) == (MODEL, "Cherry")


async def test_an_error_instead_of_a_session_is_raised_by_connect() -> None:
    transport = ScriptedTransport()
    transport.give(error_frame("model_not_found", "No model 'x'.", param="model"), ConnectionLost("1008"))
    with pytest.raises(RemoteError, match="No model 'x'") as refused:
        async with session_on(transport):
            pass
    assert (refused.value.remote_code, refused.value.param) == ("model_not_found", "model")
    assert transport.closed_with is not None


async def test_a_connection_lost_before_the_session_is_raised_by_connect() -> None:
    transport = ScriptedTransport()
    transport.give(ConnectionLost("going away", remote_close_code=1012))
    with pytest.raises(ConnectionLost) as lost:
        async with session_on(transport):
            pass
    assert lost.value.remote_close_code == 1012


@on_virtual_time
async def test_a_server_that_says_nothing_fails_in_time_and_is_closed() -> None:
    transport = ScriptedTransport()
    with pytest.raises(ConnectionFailed, match=r"no session.created within 10 s"):
        async with session_on(transport):
            pass
    assert transport.closed_with == (1000, "")


async def test_a_bad_url_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(InvalidValue):
        async with connect("http://host", model=MODEL):
            pass


async def test_a_session_that_was_not_started_has_no_id() -> None:
    from saystream.protocol.realtime.client import ClientConnection

    transport = ScriptedTransport()
    session = Session(transport, ClientConnection(new_id=str), Timeouts(), Limits())
    with pytest.raises(InvalidState):
        _ = session.id
    await session.close()
    assert transport.closed_with == (1000, "")


# --- update -----------------------------------------------------------------------------------------------


async def test_update_returns_the_configuration_in_force() -> None:
    async with session_on(SpeakingTransport()) as session:
        config = await session.update(voice="Ethan", mode="commit", sample_rate=16000)
        assert (config.voice, config.mode, config.sample_rate) == ("Ethan", "commit", 16000)
        assert session.config == config


async def test_only_what_is_named_is_sent() -> None:
    transport = SpeakingTransport()
    async with session_on(transport) as session:
        await session.update(volume=60)
    assert json.loads(transport.sent[0])["session"] == {"volume": 60}


async def test_a_refused_update_raises_and_the_session_lives_on() -> None:
    async with session_on(SpeakingTransport()) as session:
        with pytest.raises(RemoteError) as refused:
            await session.update(voice="Nobody")
        assert (refused.value.remote_code, refused.value.param) == ("invalid_value", "session.voice")
        assert (await session.update(voice="Ethan")).voice == "Ethan"


async def test_an_error_that_names_no_event_answers_the_update_that_waits() -> None:
    transport = created_transport()
    async with session_on(transport) as session:
        waiting = asyncio.create_task(session.update(voice="x"))
        await turns()
        transport.give(error_frame(message="old shape"))
        with pytest.raises(RemoteError, match="old shape"):
            await waiting


@on_virtual_time
async def test_an_error_about_another_event_is_left_for_the_iterator() -> None:
    transport = created_transport()
    async with session_on(transport) as session:
        transport.give(error_frame(event_id="event_of_an_append"))
        with pytest.raises(ConnectionLost, match=r"no answer to session.update in 10 s"):
            await session.update(voice="x")
        event = await anext(aiter(session))
        assert isinstance(event, Error)


async def test_two_updates_at_once_are_refused() -> None:
    async with session_on(created_transport()) as session:
        waiting = asyncio.create_task(session.update(voice="x"))
        await turns()
        with pytest.raises(InvalidState):
            await session.update(voice="y")
        waiting.cancel()


async def test_an_update_whose_connection_is_lost_raises() -> None:
    transport = created_transport()
    async with session_on(transport) as session:
        waiting = asyncio.create_task(session.update(voice="x"))
        await turns()
        transport.give(ConnectionLost("gone"))
        with pytest.raises(ConnectionLost, match="gone"):
            await waiting


# --- speaking ---------------------------------------------------------------------------------------------


async def test_audio_gives_the_bytes_of_every_delta() -> None:
    async with session_on(SpeakingTransport()) as session:
        await session.update(voice="Cherry", mode="commit")
        await session.append("Hello, ")
        await session.append("world.")
        await session.commit()
        await session.append("Goodbye.")
        await session.finish()
        deltas = [audio async for audio in session.audio()]
    assert len(deltas) > 2
    assert b"".join(deltas) == spoken("Hello, world.Goodbye.")


async def test_the_iterator_gives_typed_events_up_to_the_end_of_the_session() -> None:
    async with session_on(SpeakingTransport()) as session:
        await session.append("Hi")
        await session.finish()
        events = [event async for event in session]
    assert [wire_type(event) for event in events] == [
        "input_text_buffer.committed",
        "response.created",
        "response.output_item.added",
        "response.content_part.added",
        "response.audio.delta",
        "response.audio.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
        "session.finished",
    ]
    assert isinstance(events[4], AudioDelta) and events[4].audio == spoken("Hi")


async def test_an_iteration_that_was_left_goes_on_where_it_stopped() -> None:
    async with session_on(SpeakingTransport()) as session:
        await session.update(mode="commit")
        await session.append("one")
        await session.commit()
        async for event in session:
            if isinstance(event, ResponseDone):
                break
        await session.append("two")
        await session.commit()
        await session.finish()
        assert b"".join([audio async for audio in session.audio()]) == spoken("two")


async def test_clear_and_cancel_are_sent() -> None:
    transport = SpeakingTransport()
    async with session_on(transport) as session:
        await session.append("never spoken")
        await session.clear()
        await session.cancel()
        await session.finish()
        events = [event async for event in session]
    assert [type(event) for event in events] == [TextCleared, SessionFinished]
    assert [json.loads(frame)["type"] for frame in transport.sent[1:]] == [
        "input_text_buffer.clear",
        "response.cancel",
        "session.finish",
    ]


async def test_audio_raises_the_servers_error_and_can_go_on() -> None:
    async with session_on(SpeakingTransport()) as session:
        await session.commit()
        with pytest.raises(RemoteError) as refused:
            await anext(session.audio())
        assert refused.value.remote_code == "input_text_buffer_commit_empty"
        await session.append("still here")
        await session.finish()
        assert b"".join([audio async for audio in session.audio()]) == spoken("still here")


@on_virtual_time
async def test_without_a_limit_silence_may_last() -> None:
    transport = created_transport()
    async with session_on(transport, Timeouts(receive_s=None)) as session:
        await asyncio.sleep(100_000)
        await session.append("still here")
    assert len(transport.sent) == 1


async def test_what_the_protocol_forbids_is_refused_before_it_is_sent() -> None:
    transport = SpeakingTransport()
    async with session_on(transport) as session:
        await session.finish()
        sent = len(transport.sent)
        with pytest.raises(InvalidState):
            await session.append("too late")
        assert len(transport.sent) == sent


async def test_a_finished_session_can_be_followed_by_another_on_its_connection() -> None:
    async with session_on(SpeakingTransport()) as session:
        first_id = session.id
        await session.append("one")
        await session.finish()
        assert b"".join([audio async for audio in session.audio()]) == spoken("one")
        await session.update(voice="Ethan")
        assert session.id != first_id
        await session.append("two")
        await session.finish()
        assert b"".join([audio async for audio in session.audio()]) == spoken("two")


# --- the end ----------------------------------------------------------------------------------------------


async def test_a_connection_lost_before_the_finish_is_raised_after_what_came() -> None:
    transport = SpeakingTransport()
    async with session_on(transport) as session:
        await session.append("Hi")
        await session.commit()
        transport.give(ConnectionLost("idle", remote_close_code=1000))
        heard = []
        with pytest.raises(ConnectionLost, match="idle"):
            async for audio in session.audio():
                heard.append(audio)
        assert b"".join(heard) == spoken("Hi")


async def test_a_close_after_the_finish_is_no_error() -> None:
    transport = SpeakingTransport()
    async with session_on(transport) as session:
        await session.finish()
        transport.give(ConnectionLost("bye", remote_close_code=1000))
        assert [type(event) async for event in session] == [SessionFinished]
        assert [event async for event in session] == []
        with pytest.raises(ConnectionLost):
            await session.update(voice="Ethan")


async def test_ones_own_close_ends_the_iteration_and_drops_the_rest() -> None:
    transport = SpeakingTransport()
    async with session_on(transport) as session:
        await session.append("Hi")
        await session.commit()
        await turns()
        await session.close()
        await session.close()
        assert [event async for event in session] == []
        assert transport.closed_with == (1000, "")
        with pytest.raises(ConnectionLost):
            await session.append("too late")


async def test_leaving_the_block_closes_while_another_task_still_reads() -> None:
    transport = SpeakingTransport()

    async def listen(session: Session) -> int:
        return len([event async for event in session])

    async with session_on(transport) as session:
        listening = asyncio.create_task(listen(session))
        await turns()
    assert await listening == 0
    assert transport.closed_with == (1000, "")


@pytest.mark.parametrize(
    "frame",
    ["not json", '{"type": "no.such.event"}', b"binary", '{"type":"session.finished","event_id":"e"}'],
)
async def test_a_server_that_breaks_the_protocol_is_left(frame: str | bytes) -> None:
    transport = created_transport()
    async with session_on(transport) as session:
        transport.give(frame)
        with pytest.raises(RemoteProtocolError):
            await anext(aiter(session))
        await turns()
        assert transport.closed_with == (1002, "protocol error")


@on_virtual_time
async def test_a_silent_server_is_given_up() -> None:
    transport = created_transport()
    async with session_on(transport) as session:
        with pytest.raises(ConnectionLost, match=r"the server sent nothing for 90 s"):
            await anext(aiter(session))
        await turns()
        assert transport.closed_with == (1000, "nothing came")


@on_virtual_time
async def test_a_caller_who_takes_nothing_stops_the_reading() -> None:
    transport = SpeakingTransport()
    limits = Limits(max_queued_events=5)
    async with session_on(transport, limits=limits) as session:
        await session.append("x" * 200)
        await session.finish()
        await turns(100)
        assert transport.received == 1 + 5
        await asyncio.sleep(1000)  # silence is no fault while nobody reads
        assert b"".join([audio async for audio in session.audio()]) == spoken("x" * 200)


async def test_a_mistake_in_the_session_itself_is_not_hidden() -> None:
    class Broken(ScriptedTransport):
        async def receive(self) -> str | bytes:
            if self.received:
                raise ZeroDivisionError
            return await super().receive()

    transport = Broken()
    transport.give(created())
    with pytest.raises(ZeroDivisionError):
        async with session_on(transport) as session:
            assert [event async for event in session] == []
