"""The reference page of OpenAI's interface says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from saystream import errors
from saystream.catalog import openai_names as openai
from saystream.protocol.http.speech_request import MAX_INPUT_CHARACTERS, SPEED_RANGE, SpeechRequest
from saystream.server.doors.openai import MEDIA_TYPES

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "openai.md").read_text("utf-8")
CELLS = re.findall(r"^\| `([\w.-]+)` \| (.*) \|$", PAGE, re.MULTILINE)


def test_every_field_is_described_with_its_limits() -> None:
    described = {name for name, _ in CELLS}
    assert set(SpeechRequest.__struct_fields__) <= described
    assert f"1 to {MAX_INPUT_CHARACTERS} characters" in PAGE
    assert "{} to {}".format(*SPEED_RANGE) in PAGE


def test_every_format_has_its_media_type() -> None:
    described = {name: rest for name, rest in CELLS if rest.startswith("`audio/")}
    assert {name: rest.split("`")[1] for name, rest in described.items()} == MEDIA_TYPES


def test_every_name_leads_where_the_page_says() -> None:
    for name, own in openai.model_names().items():
        assert f"| `{name}` | `{own}` |" in PAGE
    for name, own in openai.voice_names().items():
        assert f"`{name}` | {own} |" in PAGE


def test_every_named_code_is_one_of_an_error() -> None:
    known = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "code")}
    rows = re.findall(r"^\| \d{3} \| (.*?) \|", PAGE, re.MULTILINE)
    named = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    assert named and named <= known
