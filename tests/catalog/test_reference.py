from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from saystream.catalog import load
from saystream.catalog.reference import markdown

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "models-and-voices.md"


def test_the_reference_page_is_made_from_the_present_data() -> None:
    made = "python -m saystream.catalog.reference > docs/reference/models-and-voices.md"

    assert PAGE.read_text(encoding="utf-8") == markdown(load()), f"stale; run: {made}"


def test_the_page_has_a_row_for_every_model_and_voice() -> None:
    page = markdown(load())

    assert all(f"\n| `{model.name}`" in page for model in load().models)
    assert all(f"\n| `{voice.name}` | {voice.chinese_name} |" in page for voice in load().system_voices)


def test_the_page_is_printed_by_its_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "saystream.catalog.reference")

    runpy.run_module("saystream.catalog.reference", run_name="__main__")

    assert capsys.readouterr().out == markdown(load())
