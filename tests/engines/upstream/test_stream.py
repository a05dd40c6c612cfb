"""What a stream of the engine does for the thread that reads it."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from saystream.engines.base import Span, SynthesisRequest

from .fake_server import DONE, PATIENCE_S, Reply, Request, delta, pcm, running, tone, vllm_omni
from .harness import TEXT, Reader, engine, joined, opened, say
from .test_speech import int16, speaking


def test_a_thread_that_does_not_read_slows_the_server_down() -> None:
    total = 64 << 20
    sent_bytes = 0
    stalled = threading.Event()

    async def fast(request: Request, reply: Reply) -> None:
        nonlocal sent_bytes
        await reply.begin("audio/pcm")
        while sent_bytes < total:
            sending = asyncio.ensure_future(reply.chunk(bytes(1 << 16)))
            done, _ = await asyncio.wait([sending], timeout=0.5)
            if not done:
                stalled.set()
            await sending
            sent_bytes += 1 << 16
        await reply.end()

    with running(speaking(fast)) as fake, engine(kind="vllm-omni", url=fake.url, max_audio_s=36000) as made:
        chunks = opened(made, TEXT).chunks()
        num_samples = len(next(chunks).samples)
        assert stalled.wait(PATIENCE_S)
        assert sent_bytes < total / 4
        assert num_samples + sum(len(chunk.samples) for chunk in chunks) == total / 2


@pytest.mark.parametrize("pieces", [["Good morning."], ["Good ", "", "morn", "ing."]])
def test_pieces_of_text_are_one_text(pieces: list[str]) -> None:
    with running(vllm_omni) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        assert np.array_equal(int16(say(made, *pieces)), int16(tone("Good morning.")))


def test_a_server_is_told_by_a_comma_that_the_sentence_goes_on() -> None:
    with running(vllm_omni) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        stream = made.open(SynthesisRequest("Vivian", "en"))
        stream.push(Span("Good morning ", continues=True))
        stream.end_input()
        heard = int16(joined([chunk.samples for chunk in stream.chunks()]))
        assert np.array_equal(heard, int16(tone("Good morning,")))


def test_a_cancel_before_the_text_is_complete_asks_nobody() -> None:
    with running(vllm_omni) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        stream = made.open(SynthesisRequest("Vivian", "en"))
        reader = Reader(stream)
        stream.push(Span(TEXT))
        stream.cancel()
        assert reader.ends()
        assert (reader.error, reader.chunks, fake.spoken) == (None, [], [])


def test_a_cancel_before_it_is_read_ends_it() -> None:
    with running(vllm_omni) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        for _ in range(20):  # the loop may have begun, or not
            stream = opened(made, TEXT)
            stream.cancel()
            stream.cancel()
            assert list(stream.chunks()) == []


def test_a_cancel_within_a_sample_is_no_fault() -> None:
    async def odd(request: Request, reply: Reply) -> None:
        await reply.begin("audio/pcm")
        await reply.chunk(bytes(4801))
        await reply.until_dropped()

    with running(speaking(odd)) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        reader = Reader(opened(made, TEXT))
        assert reader.heard.wait(PATIENCE_S)
        reader.stream.cancel()
        assert reader.ends()
        assert reader.error is None


def test_a_server_of_another_rate_is_heard_at_the_rate_of_the_engine() -> None:
    async def slow_rate(request: Request, reply: Reply) -> None:
        await reply.begin("audio/pcm", x_sample_rate="8000")
        for start in range(0, len(audio := pcm(request.fields["input"], 8000)), 777):
            await reply.chunk(audio[start : start + 777])
        await reply.end()

    with running(speaking(slow_rate)) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        assert abs(len(say(made)) - len(tone(TEXT))) <= 3


def test_text_that_waits_is_guessed_from_the_sound_so_far() -> None:
    async def two_steps(request: Request, reply: Reply) -> None:
        await reply.begin("text/event-stream")
        await reply.chunk(delta(bytes(2 * 24000)))
        await asyncio.to_thread(go_on.wait, PATIENCE_S)
        await reply.chunk(delta(bytes(2 * 24000 * 10)) + DONE)
        await reply.end()

    go_on = threading.Event()
    with running(speaking(two_steps)) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        stream = opened(made, "thirty letters, spaces counted")
        assert stream.waiting_characters == 30
        reader = Reader(stream)
        assert reader.heard.wait(PATIENCE_S)
        assert stream.waiting_characters == 15
        go_on.set()
        assert reader.ends()
        assert stream.waiting_characters == 0


def test_an_error_of_ours_in_the_loop_reaches_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(vllm_omni) as fake, engine(kind="vllm-omni", url=fake.url) as made:
        made._balancer._clock = lambda: 1 / 0
        reader = Reader(opened(made, TEXT))
        assert reader.ends()
        assert isinstance(reader.error, ZeroDivisionError)
        assert not len(joined(reader.chunks))
