from __future__ import annotations

import threading

import numpy as np
import pytest

from saystream.audio import SpeechChunk
from saystream.dsp.effects import timbre
from saystream.engines.base import Span
from saystream.engines.qwen3.packets import Packetizer
from saystream.engines.qwen3.speech import Speech, SpeechStream
from saystream.engines.qwen3.text_queue import TextCutter, TextQueue

PATIENCE_S = 60.0
FRAME = np.full(1920, 0.1, np.float32)


class Letters:
    """A tokenizer with an id for each character, which holds back the last one."""

    def __init__(self) -> None:
        self._held = ""

    def push(self, text: str) -> list[int]:
        text = self._held + text
        self._held = text[-1:]
        return [ord(character) for character in text[:-1]]

    def finish(self) -> list[int]:
        return [ord(character) for character in self._held]


def speech_of(stream: SpeechStream) -> Speech:
    return Speech(
        stream,
        new_tokenizer=Letters,
        new_queue=lambda: TextQueue(eos_id=1, pad_id=2, is_speakable=lambda one: chr(one).isalnum()),
        cutter=TextCutter(soft_bytes=8, hard_bytes=16),
        packetizer=Packetizer(4),
    )


def new_stream() -> SpeechStream:
    return SpeechStream(lambda: None)


def text_of(ids: list[int]) -> str:
    return "".join(map(chr, ids))


def test_text_waits_until_its_last_id_is_given_out() -> None:
    stream = new_stream()
    speech = speech_of(stream)
    stream.push(Span("  abc"))
    assert stream.waiting_characters == 5
    speech.accept_text()
    assert stream.waiting_characters == 5
    assert text_of(speech.text.take(2)) == "ab"
    speech.count_text()
    assert stream.waiting_characters == 0, "the letter that is held back came with these"
    stream.end_input()
    speech.accept_text()
    assert text_of(speech.text.take(1)) == "c"
    assert speech.spoken and not speech.go_on()


def test_a_stretch_that_is_long_enough_ends_with_its_sentence() -> None:
    stream = new_stream()
    speech = speech_of(stream)
    stream.push(Span("One sentence.   Another"))
    speech.accept_text()
    assert text_of(speech.text.take_all()) == "One sentence."
    assert speech.go_on()
    assert not speech.text.closed
    assert text_of(speech.text.take(6)) == "Anothe", "a stretch does not begin with white space"


def test_what_is_left_is_gone_on_with() -> None:
    stream = new_stream()
    speech = speech_of(stream)
    stream.push(Span("abc"))
    stream.end_input()
    speech.accept_text()
    speech.text.take(1)
    assert speech.go_on()
    assert text_of(speech.text.take(2)) == "bc"
    assert not speech.go_on()


def test_a_book_is_taken_in_parts() -> None:
    stream = new_stream()
    speech = speech_of(stream)
    stream.push(Span("a" * 5000))
    stream.end_input()
    for left in (5000 - 2048, 5000 - 4096, 0):
        speech.accept_text()
        assert sum(map(len, stream._text)) == left
        assert stream.has_text == (left > 0)


def test_half_of_a_surrogate_pair_is_no_text_and_harms_nobody() -> None:
    stream = new_stream()
    speech = speech_of(stream)
    stream.push(Span("a\ud800b"))
    stream.end_input()
    speech.accept_text()
    assert text_of(speech.text.take_all()) == "a?b"


def test_a_reader_gets_packets_in_order_then_the_end() -> None:
    stream = new_stream()
    for level in (1, 2):
        stream.give(FRAME * level)
    assert stream.unread_samples == 3840
    stream.end()
    assert [round(float(chunk.samples[0]), 3) for chunk in stream.chunks()] == [0.1, 0.2]
    assert stream.unread_samples == 0


def test_a_reader_gets_what_there_is_before_a_fault() -> None:
    stream = new_stream()
    stream.give(FRAME)
    stream.end(ValueError("no such voice"))
    chunks = stream.chunks()
    assert len(next(chunks).samples) == 1920
    with pytest.raises(ValueError, match="no such voice"):
        next(chunks)


def test_a_cancel_ends_a_reader_who_waits() -> None:
    stream, heard = new_stream(), list[SpeechChunk]()
    reader = threading.Thread(target=lambda: heard.extend(stream.chunks()))
    reader.start()
    stream.cancel()
    reader.join(PATIENCE_S)
    assert not reader.is_alive() and not heard


def test_a_cancel_drops_what_was_not_read() -> None:
    stream = new_stream()
    for _ in range(3):
        stream.give(FRAME)
    chunks = stream.chunks()
    next(chunks)
    stream.cancel()
    assert list(chunks) == []


def test_everything_that_is_told_wakes_the_engine() -> None:
    woken = []
    stream = SpeechStream(lambda: woken.append(1))
    stream.push(Span("a"))
    stream.end_input()
    stream.give(FRAME)
    next(stream.chunks())
    stream.cancel()
    assert len(woken) == 4


def test_stages_change_what_is_read() -> None:
    stream = SpeechStream(lambda: None, timbre(24_000, speed=2.0, pitch=1.0, formant=1.0))
    for _ in range(20):
        stream.give(FRAME)
    stream.end()
    assert sum(len(chunk.samples) for chunk in stream.chunks()) == pytest.approx(10 * 1920, rel=0.1)
