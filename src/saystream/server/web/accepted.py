"""The language that whoever asks is likely to use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saystream.languages import LANGUAGE_CODES, language_type_of

if TYPE_CHECKING:
    from starlette.datastructures import Headers

__all__ = ["accepted_language"]

_MOST_NAMED = 20


def accepted_language(headers: Headers) -> str:
    """The code (ISO 639-1) of the language that ``Accept-Language`` puts first, of those that a session can ask for;
    "" if there is none. What is not as it should be is passed over."""
    named: list[tuple[float, str]] = []
    for entry in headers.get("accept-language", "").split(",")[:_MOST_NAMED]:
        name, _, weight = entry.partition(";")
        language = LANGUAGE_CODES.get(language_type_of(name) or "")
        if language is not None and (share := _share(weight)) > 0:
            named.append((share, language))
    return max(named, key=lambda each: each[0], default=(0.0, ""))[1]


def _share(weight: str) -> float:
    """The value of ``q=0.5``; 1 without one."""
    name, _, value = weight.partition("=")
    try:
        return min(1.0, float(value)) if name.strip().lower() == "q" else 1.0
    except ValueError:
        return 0.0
