from __future__ import annotations

from saystream.audio import Mark, PhonemeMark
from saystream.protocol.task.events import Phoneme, Word
from saystream.protocol.task.parameters import HotFix, TaskParameters
from saystream.server.doors.task_sentences import Sentences
from saystream.server.doors.task_speech import Preparation
from saystream.speech.events import ResponseAudio, SegmentBegun


class Notes:
    """What a client would be told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def sentence_begins(self, text: str) -> None:
        self.told.append(("begin", text))

    def sentence_audio(self, audio: bytes, words: tuple[Word, ...]) -> None:
        self.told.append((audio, *(word.text for word in words)))

    def sentence_ends(
        self, text: str, words: tuple[Word, ...], *, characters: int, begin_ms: float, end_ms: float
    ) -> None:
        self.told.append(("end", text, characters, begin_ms, end_ms))
        self.words = words


def sentences(text: str, *, absolute_times: bool = False, with_words: bool = True) -> tuple[Sentences, Notes]:
    preparation = Preparation(TaskParameters(), inline_pauses=False)
    preparation.push(text)
    notes = Notes()
    return Sentences(preparation, notes, absolute_times=absolute_times, with_words=with_words), notes


def audio(name: bytes, duration_ms: float = 100.0, *marks: Mark) -> ResponseAudio:
    return ResponseAudio(name, duration_ms, 0.0, marks)


def test_audio_in_which_two_sentences_meet_belongs_to_the_second() -> None:
    said, notes = sentences("Oh no. Ah yes.")
    said.begun(SegmentBegun(0, 6, True))
    said.audio(audio(b"1", 100.0, Mark(0, 2, 10.0, 60.0)))
    said.begun(SegmentBegun(6, 14, True))
    said.audio(audio(b"2", 100.0, Mark(3, 5, 110.0, 150.0), Mark(7, 9, 160.0, 190.0)))
    first = notes.words
    said.finish()
    assert notes.told == [
        ("begin", "Oh no."),
        (b"1", "Oh"),
        ("end", "Oh no.", 6, 0.0, 100.0),
        ("begin", " Ah yes."),
        (b"2", "Ah"),
        ("end", " Ah yes.", 14, 100.0, 200.0),
    ]
    assert first == (
        Word(text="Oh", begin_index=0, end_index=2, begin_time=10, end_time=60),
        Word(text="no", begin_index=3, end_index=5, begin_time=110, end_time=150),
    )
    assert notes.words == (Word(text="Ah", begin_index=1, end_index=3, begin_time=60, end_time=90),)


def test_times_of_sambert_count_from_the_begin_of_the_task() -> None:
    said, notes = sentences("Oh. Ah.", absolute_times=True)
    said.begun(SegmentBegun(0, 3, True))
    said.audio(audio(b"1"))
    said.begun(SegmentBegun(3, 7, True))
    said.audio(audio(b"2", 100.0, Mark(4, 6, 130.0, 180.0)))
    said.finish()
    assert notes.words == (Word(text="Ah", begin_time=130, end_time=180),)


def test_sambert_tells_of_phonemes_when_asked() -> None:
    preparation = Preparation(TaskParameters(), inline_pauses=False)
    preparation.push("天。")
    notes = Notes()
    said = Sentences(preparation, notes, absolute_times=True, with_words=True, with_phonemes=True)
    said.begun(SegmentBegun(0, 2, True))
    said.audio(audio(b"1", 100.0, Mark(0, 1, 10.2, 80.0, (PhonemeMark("t_c", 10.2, 40.0, "1"),))))
    said.finish()
    phoneme = Phoneme(begin_time=10, end_time=40, text="t_c", tone="1")
    assert notes.words == (Word(text="天", begin_time=10, end_time=80, phonemes=(phoneme,)),)


def test_a_sentence_goes_on_in_the_next_segment() -> None:
    said, notes = sentences("Oh well, oh no.")
    said.begun(SegmentBegun(0, 8, False))
    said.audio(audio(b"1"))
    assert said.reached == 8
    assert said.characters == 8
    said.begun(SegmentBegun(8, 15, True))
    said.audio(audio(b"2"))
    said.finish()
    assert notes.told == [
        ("begin", "Oh well,"),
        (b"1",),
        (b"2",),
        ("end", "Oh well, oh no.", 15, 0.0, 200.0),
    ]
    assert said.reached == 15


def test_sentences_without_audio_are_told_as_well() -> None:
    said, notes = sentences("Oh. Ah.", with_words=False)
    said.begun(SegmentBegun(0, 3, True))
    said.begun(SegmentBegun(3, 7, True))
    said.finish()
    assert [told[:2] for told in notes.told if isinstance(told, tuple)] == [
        ("begin", "Oh."),
        ("end", "Oh."),
        ("begin", " Ah."),
        ("end", " Ah."),
    ]


def test_audio_before_any_text_and_without_bytes_is_no_mistake() -> None:
    said, notes = sentences("Oh.", with_words=False)
    said.audio(audio(b"noise", 50.0, Mark(0, 1, 0.0, 1.0)))
    said.begun(SegmentBegun(0, 3, True))
    said.audio(audio(b""))
    said.finish()
    assert notes.told == [("begin", ""), (b"noise",), ("end", "Oh.", 3, 0.0, 150.0)]
    said.finish()
    assert len(notes.told) == 3


def test_what_was_replaced_is_told_as_it_was_sent() -> None:
    preparation = Preparation(
        TaskParameters(hot_fix=HotFix(replace=(("天气", "气象"),))), inline_pauses=False
    )
    preparation.push("今天天气好。")
    preparation.flush()
    notes = Notes()
    said = Sentences(preparation, notes, absolute_times=False, with_words=True)
    said.begun(SegmentBegun(0, 6, True))
    said.audio(audio(b"1", 100.0, Mark(2, 4, 0.0, 50.0)))
    said.finish()
    assert notes.told[-1] == ("end", "今天天气好。", 11, 0.0, 100.0)
    assert notes.words[0].text == "天气"
