"""What a session is given: text as it is, and the parts of a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saystream.text.script import Passage, Pause, Sound
from saystream.text.segmenter import is_speakable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from saystream.text.script import Part

__all__ = ["is_audible", "length", "url_of", "with_joined_text"]


def length(part: str | Part) -> int:
    """In characters; a pause or sound counts as one."""
    if isinstance(part, Pause | Sound):
        return 1
    return len(part.text) if isinstance(part, Passage) else len(part)


def is_audible(part: str | Part) -> bool:
    """Whether there is something to hear in it: a pause is heard."""
    if isinstance(part, Pause | Sound):
        return True
    return is_speakable(part.text.text if isinstance(part, Passage) else part)


def url_of(part: str | Part) -> str | None:
    """What it plays."""
    if isinstance(part, Sound):
        return part.url
    if isinstance(part, Passage) and part.manner.background is not None:
        return part.manner.background.url
    return None


def with_joined_text(parts: Iterable[str | Part]) -> Iterator[str | Part]:
    """``parts`` with plain texts that follow each other as one."""
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        if texts:
            yield "".join(texts)
            texts.clear()
        yield part
    if texts:
        yield "".join(texts)
