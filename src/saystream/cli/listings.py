"""``saystream voices``, ``catalog`` and ``engines``: what there is to choose from."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from saystream import catalog
from saystream.catalog import Voice
from saystream.cli.shared import errors_in_one_line, print_rows, settings_with
from saystream.config import LogSettings, Settings
from saystream.dsp.tempo import TEMPO_LIBRARY
from saystream.engines.registry import engine_names
from saystream.errors import EngineUnavailable, InvalidValue
from saystream.hosting.front import Hosting
from saystream.hosting.local import hosting_of
from saystream.languages import LANGUAGE_CODES
from saystream.logs import configure
from saystream.speech.synthesizer import casting_of
from saystream.voices.casting import Casting, Choice

__all__ = ["catalog_models", "engines", "list_system_voices"]

_SHOWN_LANGUAGES = 16

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def list_system_voices(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(help="Only voices that this model takes.")] = None,
    family: Annotated[
        str, typer.Option(help="qwen, cosyvoice-v3, cosyvoice-v2, cosyvoice-v1, qwen-audio, sambert or all.")
    ] = "qwen",
    language: Annotated[
        str, typer.Option(help="Only voices made for this language, such as en-GB or ja.")
    ] = "",
    sex: Annotated[str, typer.Option(help="Only voices of this sex: female or male.")] = "",
    as_json: _Json = False,
) -> None:
    """List the system voices, and how good each is in its languages on this machine.

    Without options these are the voices of Qwen-TTS; there are 339 others.

    Starts the engines that the server would start, to ask them.
    """
    if context.invoked_subcommand is not None:
        return
    with errors_in_one_line():
        listed = _chosen(model, family, language, sex)
        casting = asyncio.run(_casting(_quiet_settings()))
    choices = casting.describe()
    rows = [_voice_row(voice, choices, casting) for voice in listed]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    print_rows([{**row, "languages": _by_quality(row["languages"])} for row in rows])
    _print_advice(choices)


def _chosen(model: str | None, family: str, language: str, sex: str) -> list[Voice]:
    """Raises InvalidValue for a family or sex that there is not, ModelNotFound for such a model."""
    known = catalog.load()
    families = [*dict.fromkeys(voice.family for voice in known.all_voices), "all"]
    if family not in families:
        raise InvalidValue("--family", family, families)
    if sex not in ("", "female", "male"):
        raise InvalidValue("--sex", sex, ("female", "male"))
    listed = known.voices(model) if model else known.all_voices
    return [
        voice
        for voice in listed
        if model or family in ("all", voice.family)
        if sex in ("", voice.sex)
        if not language or _is_made_for(voice, language.lower())
    ]


def _is_made_for(voice: Voice, language: str) -> bool:
    """Voices of Qwen-TTS are made for all languages that they speak."""
    if voice.family == "qwen":
        return language in [LANGUAGE_CODES[name] for name in voice.languages]
    own = (voice.language or "zh").lower()
    return language in (own, own.partition("-")[0])


def _voice_row(voice: Voice, choices: Iterable[Choice], casting: Casting) -> dict[str, Any]:
    return {
        "voice": voice.name,
        "name": voice.chinese_name,
        "sex": voice.sex,
        "age": voice.age,
        "character": voice.character,
        "dialect": voice.dialect or "",
        "made for": voice.language,
        "languages": [
            _spoken_row(voice, choice, casting)
            for choice in choices
            if choice.language_type in voice.languages
        ],
    }


def _spoken_row(voice: Voice, choice: Choice, casting: Casting) -> dict[str, str | None]:
    role = casting.role(voice=voice.name, language=choice.language) if choice.engine else None
    return {
        "code": choice.language,
        "engine": choice.engine,
        "quality": role.quality if role else None,
        "made_from": role.made_from if role else None,
        "advice": choice.advice,
    }


def catalog_models(as_json: _Json = False) -> None:
    """List the models that clients may request, and what they are."""
    rows = [
        {"model": model.name, "door": model.door, "what": model.summary} for model in catalog.load().models
    ]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        print_rows(rows)


def engines(as_json: _Json = False) -> None:
    """Start every installed engine and show what it can do or why it does not start, and which one speaks which
    language.

    Also names the library that changes speed and pitch.
    """
    with errors_in_one_line():
        settings = _quiet_settings()
        rows, choices = asyncio.run(_examine(settings, engine_names()))
    if as_json:
        languages = [asdict(choice) for choice in choices]
        typer.echo(json.dumps({"engines": rows, "languages": languages, "tempo": TEMPO_LIBRARY}))
        return
    print_rows(rows)
    console = Console()
    console.print(f"\nengine = {settings.engine}:")
    for choice in choices:
        console.print(f"  {choice.language_type}: {_speaker(choice)}", highlight=False, soft_wrap=True)
    _print_advice(choices)
    console.print(f"\nspeed and pitch: {TEMPO_LIBRARY}", highlight=False)


def _speaker(choice: Choice) -> str:
    if choice.engine is None:
        return "nobody"
    voices = f", {choice.native_voices} voices" if choice.quality == "native" else ""
    return f"{choice.engine} ({choice.quality}{voices}): {choice.reason}"


def _quiet_settings() -> Settings:
    """The settings, with a log of errors only: nobody asked for the log of starting engines."""
    configure(LogSettings(level="error"))
    return settings_with()


@asynccontextmanager
async def _started(settings: Settings, names: Sequence[str]) -> AsyncIterator[Hosting]:
    async with hosting_of(settings) as hosting:
        await hosting.start(names)
        yield hosting


async def _casting(settings: Settings) -> Casting:
    """Which engine speaks what on the server."""
    async with _started(settings, settings.wanted_engines) as hosting:
        return casting_of(settings, hosting, catalog.load())


async def _examine(
    settings: Settings, installed: Sequence[str]
) -> tuple[list[dict[str, Any]], tuple[Choice, ...]]:
    async with _started(settings, installed) as hosting:
        rows = [_engine_row(hosting, name) for name in installed]
        return rows, casting_of(settings, hosting, catalog.load()).describe()


def _by_quality(languages: Sequence[Mapping[str, Any]]) -> str:
    """``native en zh (kokoro), robotic de (espeak)``."""
    groups: dict[tuple[str | None, str | None], list[str]] = {}
    for spoken in languages:
        groups.setdefault((spoken["quality"], spoken["engine"]), []).append(spoken["code"])
    order = ["native", "approximate", "robotic", None]
    return ", ".join(
        f"{quality} {' '.join(codes)} ({engine})" if engine else f"nobody speaks {' '.join(codes)}"
        for (quality, engine), codes in sorted(groups.items(), key=lambda group: order.index(group[0][0]))
    )


def _print_advice(choices: Iterable[Choice]) -> None:
    """Each command that helps, with the languages that it improves."""
    advice: dict[str, list[str]] = {}
    for choice in choices:
        if choice.advice:
            advice.setdefault(choice.advice, []).append(choice.language_type)
    for command, languages in advice.items():
        Console().print(
            f"\nBetter {', '.join(languages)}: {command}", highlight=False, markup=False, soft_wrap=True
        )


def _engine_row(hosting: Hosting, name: str) -> dict[str, Any]:
    try:
        about = hosting.engine(name)
    except EngineUnavailable as error:
        return {
            "engine": name,
            "speech": "",
            "rate": "",
            "voices": "",
            "realtime factor": "",
            "runtime": "",
            "languages": error.message,
        }
    languages = " ".join(list(about.languages)[:_SHOWN_LANGUAGES])
    more = len(about.languages) - _SHOWN_LANGUAGES
    return {
        "engine": name,
        "speech": next(iter(about.languages.values())),
        "rate": about.sample_rate,
        "voices": len(about.voices),
        "realtime factor": "" if about.realtime_factor is None else round(about.realtime_factor, 2),
        "runtime": about.runtime,
        "languages": "any" if languages == "*" else languages + (f" and {more} more" if more > 0 else ""),
    }
