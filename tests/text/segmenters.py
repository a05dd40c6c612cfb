"""A segmenter as most tests want it."""

from __future__ import annotations

from typing import Any

from saystream.text import Segmenter


def make_segmenter(**options: Any) -> Segmenter:
    sizes = {"first_min_characters": 12, "max_characters": 240, "max_wait_ms": 600.0}
    return Segmenter(**{**sizes, **options})


def texts(segments: list[Any]) -> list[str]:
    return [segment.text for segment in segments]


def fed_whole(segmenter: Segmenter, text: str) -> list[str]:
    return texts(segmenter.push(text, 0.0) + segmenter.flush())
