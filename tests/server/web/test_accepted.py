"""The language of ``Accept-Language``."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from saystream.server.web.accepted import accepted_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en;q=0.5, fr ; q=0.7", "fr"),
        ("nl, pt-BR;q=0.3", "pt"),
        ("zh-CN", "zh"),
        ("*", ""),
        ("de;q=0, es;q=x", ""),
        ("it;level=1", "it"),
        ("", ""),
        ("Auto", ""),
        ("," * 30 + "de", ""),
    ],
)
def test_the_first_language_that_can_be_spoken_is_taken(header: str, language: str) -> None:
    assert accepted_language(Headers({"Accept-Language": header})) == language


def test_without_the_header_there_is_none() -> None:
    assert accepted_language(Headers()) == ""
