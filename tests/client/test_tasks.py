"""The pool against a real server, whose engine takes no time, and against connections that break."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import get_type_hints

import pytest
import pytest_asyncio

from saystream.client import Limits, Timeouts
from saystream.client.blocking_tasks import BlockingSpeech, BlockingTaskPool
from saystream.client.speech import Speech
from saystream.client.tasks import (
    SentenceBegin,
    SentenceEnd,
    TaskAudio,
    TaskFinished,
    TaskOutput,
    TaskPool,
    TaskSettings,
)
from saystream.client.transport import Transport, open_transport
from saystream.errors import ConnectionFailed, ConnectionLost, InvalidState, InvalidValue, RemoteError
from saystream.protocol.task.parameters import PARAMETER_NAMES
from server.live import Live, live_server, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL, VOICE, SAMBERT = "cosyvoice-v3-flash", "longanyang", "sambert-zhichu-v1"
RAW: TaskSettings = {"format": "pcm", "sample_rate": 16000}
SAID: TaskSettings = {**RAW, "voice": VOICE}
WITH_TIMES: TaskSettings = {**SAID, "word_timestamp_enabled": True}
TEXT = "Hello there, my friend. How are you today?"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with live_server(tmp_path_factory.mktemp("server")) as server:
        yield server


def url_of(live: Live) -> str:
    return f"ws://127.0.0.1:{live.port}"


class Fragile:
    """A connection that breaks when the test says so."""

    def __init__(self, transport: Transport, breaks: Callable[[str | bytes], bool]) -> None:
        self._transport = transport
        self._breaks = breaks
        self.deaf = False

    async def send(self, frame: str) -> None:
        await self._transport.send(frame)

    async def receive(self) -> str | bytes:
        frame = await self._transport.receive()
        if self._breaks(frame):
            raise ConnectionLost("broken by the test")
        return frame

    async def ping(self) -> None:
        if self.deaf:
            await asyncio.get_running_loop().create_future()
        await self._transport.ping()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._transport.close(code, reason)


class FragileNetwork:
    """Opens connections of which the first ``count`` break at the first frame that holds ``at``, or that is binary."""

    def __init__(self, count: int = 0, at: str | None = None) -> None:
        self.count, self.at = count, at
        self.opened: list[Fragile] = []

    async def __call__(
        self, url: str, headers: Mapping[str, str], timeouts: Timeouts, limits: Limits
    ) -> Transport:
        number = len(self.opened)
        seen: list[bytes] = []

        def breaks(frame: str | bytes) -> bool:
            if number >= self.count:
                return False
            if isinstance(frame, str):
                return self.at is not None and self.at in frame
            seen.append(frame)
            return self.at is None and len(seen) == 2

        transport = Fragile(await open_transport(url, headers, timeouts, limits), breaks)
        self.opened.append(transport)
        return transport


async def alone(live: Live, text: str = TEXT) -> bytes:
    async with TaskPool(url_of(live), size=1) as pool:
        return await pool.synthesize(text, model=MODEL, **SAID)


async def test_text_that_comes_bit_by_bit_is_spoken_in_sentences(live: Live) -> None:
    async with TaskPool(url_of(live), size=1) as pool:
        async with pool.task(model=MODEL, **WITH_TIMES) as speech:
            assert speech.characters == 0
            for piece in ("Hello there, my fri", "", "end. How are ", "you today?"):
                await speech.send(piece)
            await speech.finish()
            events = [event async for event in speech]
        assert isinstance(events[-1], TaskFinished)
        assert speech.characters == len(TEXT)
    ends = [event for event in events if isinstance(event, SentenceEnd)]
    assert "".join(end.original_text for end in ends) == TEXT
    assert [event.index for event in events if isinstance(event, SentenceBegin)] == [0, 1]
    assert [word.text for word in ends[0].words][:2] == ["Hello", "there"]
    assert b"".join(event.audio for event in events if isinstance(event, TaskAudio)) == await alone(live)


async def test_a_flush_speaks_what_is_not_complete(live: Live) -> None:
    async with TaskPool(url_of(live), size=1) as pool:
        async with pool.task(model=MODEL, **SAID) as speech:
            await speech.send("Not yet")
            await speech.flush()
            event: TaskOutput | None = await speech.next()
            assert isinstance(event, SentenceBegin)
            await speech.finish()
            assert [audio async for audio in speech.audio()]


async def test_the_whole_text_at_once_with_both_kinds_of_models(live: Live) -> None:
    async with TaskPool(url_of(live), size=1) as pool:
        assert await pool.synthesize(TEXT, model=MODEL, **SAID) == await alone(live)
        wav = await pool.synthesize(TEXT, model=SAMBERT, format="wav")
        assert wav[:4] == b"RIFF"
        assert len(wav) > 10_000
        with pytest.raises(InvalidValue, match="speak"):
            async with pool.task(model=SAMBERT):
                pass


async def test_a_cancelled_task_ends_and_its_connection_takes_the_next(live: Live) -> None:
    network = FragileNetwork()
    async with TaskPool(url_of(live), size=1, opener=network) as pool:
        async with pool.task(model=MODEL, **SAID) as speech:
            await speech.send(TEXT * 20)
            async for _ in speech.audio():
                await speech.cancel()
                break
            rest = [event async for event in speech]
            assert isinstance(rest[-1], TaskFinished)
            assert len(rest) == 1
        async with pool.task(model=MODEL, **SAID) as left_early:
            await left_early.send(TEXT * 20)
            await left_early.next()
        assert await pool.synthesize(TEXT, model=MODEL, **SAID) == await alone(live)
        with pytest.raises(InvalidState):
            await left_early.send("too late")
    assert len(network.opened) == 1


async def test_a_cancel_after_the_end_does_no_harm(live: Live) -> None:
    async with TaskPool(url_of(live), size=1) as pool:
        async with pool.speak(TEXT, model=MODEL, **SAID) as speech:
            events = [event async for event in speech]
            await speech.cancel()
            assert await speech.next() is None
            assert isinstance(events[-1], TaskFinished)


async def test_a_refused_task_says_why_and_the_pool_goes_on(live: Live) -> None:
    async with TaskPool(url_of(live), size=1) as pool:
        with pytest.raises(RemoteError, match="418") as refused:
            await pool.synthesize(TEXT, model=MODEL, voice="nobody")
        assert refused.value.remote_code == "InvalidParameter"
        assert await pool.synthesize(TEXT, model=MODEL, **SAID) == await alone(live)


@pytest.mark.parametrize(
    ("settings", "param"),
    [({"rate": 3.0}, "rate"), ({"format": "flac"}, "format"), ({"voise": "a"}, "settings")],
)
async def test_a_wrong_parameter_is_refused_before_anything_is_sent(
    live: Live, settings: TaskSettings, param: str
) -> None:
    async with TaskPool(url_of(live), size=1) as pool:
        with pytest.raises(InvalidValue) as refused:
            await pool.synthesize(TEXT, model=MODEL, **settings)
        assert refused.value.param == param


@pytest.mark.parametrize("at", ["task-started", "sentence-begin", "sentence-synthesis"])
async def test_a_connection_lost_before_the_first_audio_is_not_noticed(live: Live, at: str) -> None:
    network = FragileNetwork(count=2, at=at)
    async with TaskPool(url_of(live), size=1, opener=network) as pool:
        async with pool.task(model=MODEL, **SAID) as speech:
            await speech.send(TEXT)
            await speech.finish()
            events = [event async for event in speech]
    begins = [event.index for event in events if isinstance(event, SentenceBegin)]
    assert begins == [0, 1]
    assert b"".join(event.audio for event in events if isinstance(event, TaskAudio)) == await alone(live)
    assert len(network.opened) >= 3


async def test_after_three_attempts_the_loss_is_told(live: Live) -> None:
    async with TaskPool(url_of(live), size=1, opener=FragileNetwork(count=99, at="task-started")) as pool:
        with pytest.raises(ConnectionLost, match="broken by the test"):
            await pool.synthesize(TEXT, model=MODEL, **SAID)


async def test_a_connection_lost_after_the_first_audio_is_told(live: Live) -> None:
    async with TaskPool(url_of(live), size=1, opener=FragileNetwork(count=1)) as pool:
        with pytest.raises(ConnectionLost, match="broken by the test"):
            await pool.synthesize(TEXT, model=MODEL, **SAID)
        assert await pool.synthesize(TEXT, model=MODEL, **SAID) == await alone(live)


async def test_connections_are_open_before_they_are_needed_and_replaced_when_they_do_not_answer(
    live: Live,
) -> None:
    network = FragileNetwork()
    times = Timeouts(ping_s=0.15, reply_s=0.2)
    async with TaskPool(url_of(live), size=3, opener=network, timeouts=times) as pool:
        await until(lambda: pool.num_idle == 3)
        network.opened[1].deaf = True
        await until(lambda: len(network.opened) >= 4 and pool.num_idle == 3)
        assert pool.num_idle == 3


async def test_idle_connections_are_replaced_before_the_server_closes_them(live: Live) -> None:
    network = FragileNetwork()
    async with TaskPool(url_of(live), size=1, opener=network, timeouts=Timeouts(idle_s=0.2)) as pool:
        await until(lambda: len(network.opened) >= 3 and pool.num_idle)
        assert await pool.synthesize(TEXT, model=MODEL, **SAID) == await alone(live)


async def test_a_task_that_finds_no_free_connection_gives_up(live: Live) -> None:
    async with TaskPool(url_of(live), size=1) as pool:
        async with pool.task(model=MODEL, **SAID):
            pool._timeouts = Timeouts(open_s=0.2)
            with pytest.raises(ConnectionFailed, match="became free"):
                await pool.synthesize(TEXT, model=MODEL, voice=VOICE)


@pytest.mark.parametrize(("size", "tasks_per_connection"), [(1, 8), (3, 1)])
async def test_tasks_at_the_same_time_keep_apart(live: Live, size: int, tasks_per_connection: int) -> None:
    texts = [f"This is task number {number}, which counts to {number * 7}." for number in range(12)]
    expected = [hashlib.sha256(await alone(live, text)).hexdigest() for text in texts]
    async with TaskPool(url_of(live), size=size, tasks_per_connection=tasks_per_connection) as pool:
        audios = await asyncio.gather(
            *(pool.synthesize(text, model=MODEL, **SAID) for text in texts),
            pool.synthesize(TEXT, model=SAMBERT, **RAW),
        )
    assert [hashlib.sha256(audio).hexdigest() for audio in audios[:-1]] == expected
    assert audios[-1]


async def test_a_pool_that_is_not_open_or_cannot_be_says_so(live: Live) -> None:
    with pytest.raises(InvalidValue):
        TaskPool(url_of(live), size=0)
    pool = TaskPool(url_of(live), size=1)
    with pytest.raises(InvalidState, match="not open"):
        await pool.synthesize(TEXT, model=MODEL)
    async with pool:
        with pytest.raises(InvalidState, match="open already"):
            await pool.__aenter__()
    with pytest.raises(ConnectionFailed):
        await TaskPool("ws://127.0.0.1:1", size=1).__aenter__()


async def test_blocking_calls_do_the_same(live: Live) -> None:
    def program() -> tuple[bytes, bytes, list[TaskOutput], int]:
        with BlockingTaskPool(url_of(live), size=2) as pool:
            whole = pool.synthesize(TEXT, model=MODEL, **SAID)
            with pool.task(model=MODEL, **SAID) as speech:
                speech.send(TEXT)
                speech.flush()
                speech.finish()
                audio = b"".join(speech.audio())
            with pool.speak(TEXT, model=MODEL, **SAID) as cancelled:
                cancelled.cancel()
                events = list(cancelled)
            assert pool.num_idle <= 2
            return whole, audio, events, speech.characters

    whole, audio, events, characters = await asyncio.to_thread(program)
    assert whole == audio == await alone(live)
    assert isinstance(events[-1], TaskFinished)
    assert characters == len(TEXT)


@pytest.mark.parametrize(("ours", "blocking"), [(TaskPool, BlockingTaskPool), (Speech, BlockingSpeech)])
async def test_the_blocking_twin_has_every_call(ours: type, blocking: type) -> None:
    def calls(kind: type) -> set[str]:
        return {name for name, _ in inspect.getmembers(kind) if not name.startswith("_")}

    assert calls(ours) - {"start", "next"} == calls(blocking)


async def test_settings_are_the_parameters_of_the_protocol() -> None:
    assert set(get_type_hints(TaskSettings)) == set(PARAMETER_NAMES)


async def test_the_example_of_the_guide_runs(live: Live, tmp_path: Path) -> None:
    guide = Path(__file__).parents[2] / "docs" / "howto" / "use-the-task-door.md"
    (*_, example) = re.findall(r"```python\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)
    program = example.replace("ws://127.0.0.1:8321", url_of(live))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-c", program), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    assert b"'world'" in printed
    for name in ("hello.wav", "sambert.wav"):
        assert (tmp_path / name).read_bytes()[:4] == b"RIFF"


async def test_a_task_that_is_not_read_cannot_hold_up_its_neighbours_for_ever(live: Live) -> None:
    times, limits = Timeouts(receive_s=0.3), Limits(max_queued_events=1)
    async with TaskPool(url_of(live), size=1, tasks_per_connection=2, timeouts=times, limits=limits) as pool:
        async with (
            pool.speak(TEXT * 20, model=MODEL, **SAID) as unread,
            pool.speak(TEXT, model=MODEL, **SAID) as neighbour,
        ):
            # Their connection is given up. A task of which nothing was heard begins again on another one.
            assert await whole_or_lost(neighbour) in (None, await alone(live))
            assert await whole_or_lost(unread) in (None, await alone(live, TEXT * 20))


async def whole_or_lost(speech: Speech) -> bytes | None:
    try:
        return b"".join([audio async for audio in speech.audio()])
    except ConnectionLost:
        return None
