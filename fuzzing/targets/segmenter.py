"""Text that arrives in pieces: its segments, joined, are the text, and do not depend on the pieces."""

from __future__ import annotations

from fuzzing.reading import Reader, pieces
from saystream.text.segmenter import Segment, Segmenter

MAX_BYTES = 120
DICTIONARY = "text"

_MAX_WAIT_MS = 100.0


def one(data: bytes) -> None:
    reader = Reader(data)
    first, most, seed = 1 + reader.byte() % 60, 20 + reader.byte(), reader.byte()
    text = reader.text()
    if seed % 2:
        _late(text, seed, first, most)
    else:
        _dripped(text, seed, first, most)


def _dripped(text: str, seed: int, first: int, most: int) -> None:
    whole = Segmenter(first_min_characters=first, max_characters=most, max_wait_ms=_MAX_WAIT_MS)
    segments = whole.push(text, 0.0) + whole.flush()
    _check(segments, text, most)
    dripped = Segmenter(first_min_characters=first, max_characters=most, max_wait_ms=_MAX_WAIT_MS)
    in_pieces: list[Segment] = []
    for piece in pieces(text, seed):
        in_pieces += dripped.push(piece, 0.0)
        assert dripped.pending_characters <= most
    in_pieces += dripped.flush()
    # Whether a sentence goes on is known only of what has come.
    assert [segment.text for segment in in_pieces] == [segment.text for segment in segments]


def _check(segments: list[Segment], text: str, most: int) -> None:
    assert "".join(segment.text for segment in segments) == text
    assert [segment.index for segment in segments] == list(range(len(segments)))
    assert all(0 < len(segment.text) <= most for segment in segments)


def _late(text: str, seed: int, first: int, most: int) -> None:
    """Text that comes too slowly is cut by the clock, and never waits longer than it may."""
    segmenter = Segmenter(first_min_characters=first, max_characters=most, max_wait_ms=_MAX_WAIT_MS)
    now_ms, segments = 0.0, []
    for piece in pieces(text, seed):
        segments += segmenter.push(piece, now_ms)
        now_ms += seed * 0.7
        while (deadline := segmenter.deadline_ms()) is not None and deadline <= now_ms:
            late = segmenter.poll(deadline)
            assert late, "what is due is cut"
            segments += late
    while (deadline := segmenter.deadline_ms()) is not None:
        assert deadline <= now_ms + 2 * _MAX_WAIT_MS
        late = segmenter.poll(deadline)
        assert late
        segments += late
    _check(segments + segmenter.flush(), text, most)
