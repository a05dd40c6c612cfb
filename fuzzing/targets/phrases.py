"""What is found in a text: its phrases, words and runs of one language have places in order and lose nothing."""

from __future__ import annotations

from fuzzing.reading import Reader
from saystream.languages import LANGUAGE_NAMES
from saystream.text.characters import describe
from saystream.text.counting import billed_characters, estimated_text_tokens
from saystream.text.pauses import is_unmarked, pause_after_ms
from saystream.text.phrases import phrase_starts
from saystream.text.runs import language_runs
from saystream.text.words import complete_length, word_spans

MAX_BYTES = 120
DICTIONARY = "text"


def one(data: bytes) -> None:
    reader = Reader(data)
    language = reader.choice(tuple(LANGUAGE_NAMES))
    text = reader.text()
    before = 0
    for start in phrase_starts(text, lambda _: language):
        assert before <= start.position <= len(text)
        assert start.position <= start.certain + 1 <= len(text) + 1
        before = start.position
    runs = language_runs(text, language)
    assert "".join(run.text for run in runs) == text
    assert all(left.language != right.language for left, right in zip(runs, runs[1:], strict=False))
    _check_words(text)
    assert len(text) <= billed_characters(text) <= 2 * len(text)
    assert 0 <= estimated_text_tokens(text) <= len(text)
    assert pause_after_ms(text) >= 0
    is_unmarked(text)


def _check_words(text: str) -> None:
    spans = list(word_spans(text))
    end = 0
    for start, stop in spans:
        assert end <= start < stop <= len(text)
        end = stop
    spoken = sum(describe(character).is_spoken for character in text)
    assert spoken == sum(describe(text[at]).is_spoken for span in spans for at in range(*span))
    length = complete_length(text)
    assert 0 <= length <= len(text)
    # What is complete stays what it is when more comes.
    assert list(word_spans(text[:length])) == [span for span in spans if span[1] <= length]
