"""Sessions of one loop: what each says is decided by its text, voice and seed, whatever else happens."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from saystream.engines.base import Span
from saystream.engines.qwen3.config import FRAME_SAMPLES
from saystream.engines.qwen3.model import Qwen3Model
from saystream.engines.qwen3.prompt import Layout, Prompt
from saystream.engines.qwen3.speech import SpeechStream

from .conftest import POSITIONS, SLOTS
from .greedy import speak
from .random_checkpoint import make_checkpoint
from .speaking import WORDS, Loop, heard, loaded

# Each takes seconds, on a machine that has nothing else to do.
pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

TEXT = "hello world, the quick brown fox. 你好世界 speech"


@pytest.fixture(scope="module")
def model(checkpoints: Path) -> Iterator[Qwen3Model]:
    yield loaded(checkpoints)


def random_text(chance: random.Random, num_words: int) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(num_words))


def pieces_of(text: str, chance: random.Random) -> list[str]:
    pieces = []
    while text:
        size = chance.choice((1, 1, 2, 3, 5, 8, 20))
        pieces.append(text[:size])
        text = text[size:]
    return pieces


# --- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_text_in_pieces_with_stalls_gives_the_codes_of_the_text_at_once(model: Qwen3Model, seed: int) -> None:
    chance = random.Random(seed)
    text = random_text(chance, 12)
    loop = Loop(model)
    whole = loop.say(text, seed=seed)
    stream = loop.open(seed=seed)
    for piece in pieces_of(text, chance):
        stream.push(Span(piece))
        for _ in range(chance.choice((0, 0, 1, 4, 50))):
            loop.loop.turn()
    stream.end_input()
    loop.settle()
    assert loop.codes[stream] == loop.codes[whole]
    np.testing.assert_allclose(heard(stream), heard(whole), atol=1e-4)
    assert len(loop.codes[stream]) >= 8


def test_audio_comes_before_the_text_has_ended(model: Qwen3Model) -> None:
    loop = Loop(model)
    stream = loop.open()
    stream.push(Span("hello world, the"))
    loop.settle()
    assert stream.unread_samples >= FRAME_SAMPLES
    assert stream.waiting_characters <= len(" the")
    stream.cancel()


def test_who_waits_for_text_is_held_and_not_fed_silence(model: Qwen3Model) -> None:
    loop = Loop(model)
    stream = loop.open()
    stream.push(Span("hello world, the"))
    loop.settle()
    frames = len(loop.codes[stream])
    num_ids = len(model.tokens.encode("hello world, the"))
    assert 0 < frames < num_ids
    for _ in range(20):
        assert not loop.loop.turn()
    assert len(loop.codes[stream]) == frames
    stream.push(Span(" quick brown"))
    loop.settle()
    assert len(loop.codes[stream]) > frames
    stream.cancel()


@pytest.mark.parametrize("text", ["", "   ", " \n\t", "... !", "<|im_end|>"])
def test_a_text_of_which_nothing_can_be_heard_is_over_at_once(model: Qwen3Model, text: str) -> None:
    loop = Loop(model)
    assert len(heard(loop.say(text))) == 0
    assert loop.codes == {}


def test_white_space_before_a_text_does_not_change_it(model: Qwen3Model) -> None:
    loop = Loop(model)
    plain, after_spaces = loop.say("hello world"), loop.open()
    for piece in (" ", "\n ", " hello world"):
        after_spaces.push(Span(piece))
        loop.settle()
    after_spaces.end_input()
    loop.settle()
    assert loop.codes[after_spaces] == loop.codes[plain]


def test_a_speech_that_ends_before_its_text_goes_on_with_what_is_left(tmp_path: Path) -> None:
    """The model says that it has ended whenever it likes; no word is lost for it."""
    make_checkpoint(tmp_path / "short", "custom_voice", mean_frames=4)
    loop = Loop(loaded(tmp_path, "short"))
    text = " ".join(["hello world the quick brown fox"] * 6)
    num_ids = len(loop.model.tokens.encode(text))
    whole, pieces = loop.say(text), loop.open()
    for piece in pieces_of(text, random.Random(1)):
        pieces.push(Span(piece))
        loop.settle()
    pieces.end_input()
    loop.settle()
    assert len(loop.codes[whole]) > num_ids / 2, (
        "every take takes one id for its prompt and one for each frame"
    )
    assert whole.waiting_characters == 0
    assert loop.codes[pieces] == loop.codes[whole]


def test_a_text_longer_than_the_positions_of_a_slot_is_spoken_in_stretches(model: Qwen3Model) -> None:
    loop = Loop(model, max_positions=96)
    sentences = " ".join(f"The quick brown fox {number} says hello world." for number in range(6))
    pieces, chance = loop.open(), random.Random(1)
    for piece in pieces_of(sentences, chance):
        pieces.push(Span(piece))
        loop.loop.turn()
    pieces.end_input()
    loop.settle()
    whole = loop.say(sentences)
    num_ids = len(model.tokens.encode(sentences))
    assert num_ids > 96, "or it would fit"
    assert len(loop.codes[whole]) >= num_ids
    assert loop.codes[pieces] == loop.codes[whole]


def test_a_book_in_one_push_does_not_keep_the_engine_from_stepping(model: Qwen3Model) -> None:
    loop = Loop(model)
    reader, other = loop.open(), loop.open()
    other.push(Span(TEXT))
    reader.push(Span(TEXT * 2000))
    for _ in range(4):
        loop.loop.turn()
    assert loop.codes[other]
    assert reader.waiting_characters > len(TEXT) * 1900
    reader.cancel()
    other.cancel()
    loop.settle()


def test_the_whole_layout_begins_when_the_text_has_ended(model: Qwen3Model) -> None:
    loop = Loop(model)
    stream = loop.open(layout=Layout.WHOLE)
    for piece in ("hello ", "world"):
        stream.push(Span(piece))
        loop.settle()
    assert not loop.codes[stream]
    stream.end_input()
    loop.settle()
    assert loop.codes[stream] == loop.codes[loop.say("hello world", layout=Layout.WHOLE)]
    assert loop.codes[stream] != loop.codes[loop.say("hello world")]


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("name", ["custom_voice", "voice_design", "base", "base in context"])
def test_greedy_codes_are_those_of_the_published_loop(
    checkpoints: Path, model: Qwen3Model, name: str, layout: Layout
) -> None:
    """``greedy.speak`` is held to the published package itself, code by code, by ``test_parity.py``."""
    if name != "custom_voice":
        model = loaded(checkpoints, name.partition(" ")[0])
    model.allocate(SLOTS, POSITIONS)
    builder, samples = model.prompts, np.sin(np.arange(30_000) / 20).astype(np.float32)

    def make_prompt() -> Prompt:
        if name == "custom_voice":
            return builder.custom_voice("dylan", language="zh", instruct="Softly.", layout=layout)
        if name == "voice_design":
            return builder.voice_design("An old man.", language="en", layout=layout)
        text = "hello world" if name == "base in context" else ""
        return builder.clone(model.reference(samples, text), language="en", layout=layout)

    with torch.inference_mode():
        published = speak(model, make_prompt(), model.tokens.encode(TEXT), frames=24)
    loop = Loop(model, max_positions=POSITIONS)
    stream = loop.open(greedy=True, make_prompt=make_prompt)
    stream.push(Span(TEXT))
    stream.end_input()
    loop.settle()
    num_frames = len(published.codes)
    assert num_frames >= 2
    assert loop.codes[stream][:num_frames] == published.codes.tolist()
    audio = heard(stream)[: len(published.audio)]
    np.testing.assert_allclose(audio, published.audio.numpy(), atol=1e-4)


# --- others ----------------------------------------------------------------------------------------------------------


@dataclass
class Plan:
    """What one session says, and when."""

    text: str
    seed: int
    speaker: str
    stream: SpeechStream | None = None
    left: list[str] | None = None


@pytest.mark.parametrize("seed", range(2))
def test_any_order_of_joins_leaves_cancels_and_stalls_leaves_every_session_as_it_is_alone(
    model: Qwen3Model, seed: int
) -> None:
    chance = random.Random(seed)
    loop = Loop(model, num_slots=8)
    speakers = sorted(model.config.talker.speakers)
    plans = [
        Plan(random_text(chance, chance.randint(1, 6)), chance.randrange(5), chance.choice(speakers))
        for _ in range(12)
    ]
    alone = []
    for plan in plans:
        stream = loop.say(plan.text, seed=plan.seed, speaker=plan.speaker)
        alone.append(loop.codes[stream])
    cancelled = set()

    def join(number: int) -> None:
        plan = plans[number]
        plan.stream = loop.open(seed=plan.seed, speaker=plan.speaker)
        plan.left = pieces_of(plan.text, chance)

    def feed(number: int) -> None:
        plan = plans[number]
        assert plan.stream is not None and plan.left is not None
        for piece in plan.left[: chance.randint(1, 9)]:
            plan.stream.push(Span(piece))
            plan.left.remove(piece)
        if not plan.left:
            plan.stream.end_input()

    for _ in range(50):
        action = chance.random()
        absent = [n for n, plan in enumerate(plans) if plan.stream is None]
        present = [n for n, plan in enumerate(plans) if plan.stream is not None and n not in cancelled]
        feedable = [n for n in present if plans[n].left]
        if absent and (action < 0.3 or not present):
            join(absent[0])
        elif feedable and action < 0.85:
            feed(chance.choice(feedable))
        elif present and action < 0.93:
            number = chance.choice(present)
            cancelled.add(number)
            plans[number].stream.cancel()  # type: ignore[union-attr]
        for _ in range(chance.choice((0, 1, 1, 2, 5))):
            loop.loop.turn()
    for number, plan in enumerate(plans):
        if plan.stream is None:
            join(number)
        while number not in cancelled and plan.left:
            feed(number)
    loop.settle()
    for number, plan in enumerate(plans):
        codes = loop.codes[plan.stream]  # type: ignore[index]
        if number in cancelled:
            assert codes == alone[number][: len(codes)], number
        else:
            assert codes == alone[number], number
    assert loop.loop._batch.speaking == 0 == loop.loop._batch.waiting
    assert len(cancelled) >= 1


def test_sessions_of_one_seed_are_equal_and_of_another_are_not(model: Qwen3Model) -> None:
    loop = Loop(model)
    streams = [loop.open(seed=seed) for seed in (7, 8, 7)]
    for delay, stream in enumerate(streams):
        for _ in range(2 * delay):
            loop.loop.turn()
        stream.push(Span(TEXT))
        stream.end_input()
    loop.settle()
    first, other, again = (loop.codes[stream] for stream in streams)
    assert first == again
    assert first[:5] != other[:5]


def test_more_sessions_than_slots_take_turns(model: Qwen3Model) -> None:
    loop = Loop(model, num_slots=2)
    alone = loop.codes[loop.say("hello world")]
    streams = [loop.open() for _ in range(5)]
    for stream in streams:
        stream.push(Span("hello world"))
        stream.end_input()
    loop.settle()
    assert all(loop.codes[stream] == alone for stream in streams)


# --- ends ------------------------------------------------------------------------------------------------------------


def test_a_cancel_frees_the_slot_within_one_turn_and_is_silent_within_two(model: Qwen3Model) -> None:
    loop = Loop(model, num_slots=1)
    stream, next_one = loop.open(), loop.open()
    stream.push(Span(TEXT))
    next_one.push(Span(TEXT))
    for _ in range(4):
        loop.loop.turn()
    chunks = stream.chunks()
    assert len(next(chunks).samples)
    frames = len(loop.codes[stream])
    stream.cancel()
    assert list(chunks) == []
    loop.loop.turn()
    assert len(loop.codes[stream]) == frames, "not even one frame more was made"
    loop.loop.turn()
    assert loop.codes[next_one], "the slot is the next one's"
    next_one.cancel()
    loop.settle()


def test_a_listener_who_does_not_read_is_not_given_more_than_the_bound(model: Qwen3Model) -> None:
    unbounded = Loop(model)
    alone = unbounded.codes[unbounded.say(TEXT)]
    loop = Loop(model, max_unread_frames=6, max_packet_frames=1)
    stream = loop.open()
    stream.push(Span(TEXT))
    stream.end_input()
    loop.settle()
    assert 6 <= stream.unread_samples // FRAME_SAMPLES <= 7
    chunks = stream.chunks()
    read = 0
    while len(loop.codes[stream]) < len(alone):
        read += len(next(chunks).samples) // FRAME_SAMPLES
        loop.settle()
        assert stream.unread_samples // FRAME_SAMPLES <= 7
    assert read + sum(len(rest.samples) for rest in chunks) // FRAME_SAMPLES == len(alone)
    assert loop.codes[stream] == alone


def test_a_voice_that_cannot_be_had_is_the_fault_of_its_stream_alone(model: Qwen3Model) -> None:
    loop = Loop(model)
    good, bad = loop.open(), loop.open(speaker="nobody")
    for stream in (good, bad):
        stream.push(Span("hello world"))
        stream.end_input()
    loop.settle()
    assert len(heard(good))
    with pytest.raises(Exception, match="nobody"):
        heard(bad)
    assert loop.broken == []


def test_a_step_that_fails_ends_every_stream_and_is_told(model: Qwen3Model, capfd: object) -> None:
    loop = Loop(model)
    streams = [loop.open() for _ in range(2)]
    for stream in streams:
        stream.push(Span(TEXT))

    def fail(rows: object) -> None:
        raise RuntimeError("the device is lost")

    loop.settle()
    loop.runner.step = fail
    streams[0].push(Span(TEXT))
    loop.settle()
    assert [str(error) for error in loop.broken] == ["the device is lost"]
    for stream in streams:
        with pytest.raises(RuntimeError, match="lost"):
            heard(stream)


def test_streams_that_are_open_when_the_loop_closes_end(model: Qwen3Model) -> None:
    loop = Loop(model)
    stream = loop.open()
    stream.push(Span(TEXT))
    loop.settle()
    waiting = loop.open()
    loop.loop.close()
    loop.loop.run()
    assert len(heard(stream)) > 0
    assert len(heard(waiting)) == 0
