from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from saystream import catalog
from saystream.cli import app

PULL_KOKORO = "saystream models pull kokoro"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines that start at once; the first would speak Chinese and others, and has no weights."""
    monkeypatch.setenv("SAYSTREAM_ENGINE_ORDER", '["kokoro", "tone"]')


def run(*arguments: str) -> Result:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result


def test_voices_say_how_good_they_are_in_each_language_and_what_would_help() -> None:
    rows = json.loads(run("voices", "--json").stdout)
    assert [row["voice"] for row in rows] == [voice.name for voice in catalog.load().system_voices]
    spoken = {language["code"]: language for language in rows[0]["languages"]}
    assert len(spoken) == 10
    told = {"engine": "tone", "quality": "robotic", "made_from": "tone", "advice": PULL_KOKORO}
    assert spoken["zh"] == {"code": "zh", **told}
    assert spoken["ko"] == {"code": "ko", **told}


def test_the_table_of_voices_ends_with_the_command_that_makes_them_better() -> None:
    shown = run("voices", "--model", "qwen-tts-realtime").stdout
    assert "robotic zh en de it pt es ja ko fr ru (tone)" in shown and "native" not in shown
    languages = "Chinese, English, German, Italian, Portuguese, Spanish, Japanese, Korean, French, Russian"
    assert shown.rstrip().splitlines()[-1] == f"Better {languages}: {PULL_KOKORO}"


def test_engines_say_why_one_cannot_run_and_what_would_help() -> None:
    told = json.loads(run("engines", "--json").stdout)
    engines = {row["engine"]: row for row in told["engines"]}
    assert "Get it with: saystream models pull kokoro" in engines["kokoro"]["languages"]
    assert engines["tone"]["speech"] == "robotic"
    assert (engines["tone"]["realtime factor"], engines["tone"]["runtime"]) == ("", "")
    chinese = told["languages"][0]
    assert (chinese["language_type"], chinese["engine"], chinese["advice"]) == (
        "Chinese",
        "tone",
        PULL_KOKORO,
    )
    assert (chinese["native_voices"], chinese["reason"]) == (0, "kokoro cannot run")
    assert "Chinese: tone (robotic): kokoro cannot run" in run("engines").stdout


def test_a_woman_lowered_to_a_man_is_not_called_a_native_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYSTREAM_ENGINE_ORDER", '["kokoro", "hibari"]')
    rows = {row["voice"]: row for row in json.loads(run("voices", "--json").stdout)}
    english = {
        name: next(spoken for spoken in rows[name]["languages"] if spoken["code"] == "en")
        for name in ("Cherry", "Ethan")
    }
    assert (english["Cherry"]["quality"], english["Cherry"]["made_from"]) == ("native", "heart")
    assert english["Ethan"]["quality"] == "approximate"
    assert english["Ethan"]["made_from"] == "heart, speed 1.02, pitch 0.7, formant 0.88"


def test_the_catalogue_names_every_model_that_clients_may_ask_for() -> None:
    rows = json.loads(run("catalog", "--json").stdout)
    assert [row["model"] for row in rows] == [model.name for model in catalog.load().models]
    assert "qwen3-tts-flash-realtime" in run("catalog").stdout


def listed(*options: str) -> list[str]:
    return [row["voice"] for row in json.loads(run("voices", "--json", *options).stdout)]


def test_other_families_are_listed_on_request_and_voices_chosen_by_language_and_sex() -> None:
    assert listed("--model", "sambert-zhinan-v1") == ["sambert-zhinan-v1"]
    assert len(listed("--family", "cosyvoice-v2", "--sex", "male")) == 43
    british = listed("--family", "cosyvoice-v3", "--language", "en-GB")
    assert british == ["loongemily_v3", "loongeric_v3", "loongluna_v3", "loongluca_v3"]
    assert set(british) < set(listed("--family", "cosyvoice-v3", "--language", "en"))
    assert "longanyang" in listed("--family", "cosyvoice-v3", "--language", "zh")
    assert listed("--language", "th") == []


@pytest.mark.parametrize(
    ("option", "value", "allowed"), [("--family", "cosy", "cosyvoice-v2"), ("--sex", "woman", "female")]
)
def test_a_family_or_sex_that_there_is_not_is_refused_with_those_there_are(
    option: str, value: str, allowed: str
) -> None:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["voices", option, value])
    assert result.exit_code != 0 and allowed in result.output
