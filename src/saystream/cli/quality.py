"""``saystream quality``."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from saystream import catalog
from saystream.bench import ServerProcess
from saystream.cli.shared import circumstances, errors_in_one_line, settings_with
from saystream.errors import InvalidValue
from saystream.languages import LANGUAGE_CODES
from saystream.models import ModelStore
from saystream.quality import (
    SCORES,
    DirectSpeaker,
    Measurement,
    Scorer,
    Speaker,
    WireSpeaker,
    load_corpus,
    measure,
    scorer_python,
    spread,
)

__all__ = ["quality"]

_EVERYBODY = "all"
_COLUMNS = {
    "language": "language",
    "voice": "voice",
    "path": "path",
    "sentences": "sentences",
    "unit": "unit",
    "error_percent": "errors %",
    "exact": "exact",
    "mos": "DNSMOS",
    "pitch_hz": "pitch Hz",
    "loudness_lufs": "LUFS",
}


def quality(
    url: Annotated[
        str | None,
        typer.Option(help="The server to score. Default: start one with your settings."),
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="'auto' or one engine, for the server that is started.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="Chinese, English and so on; may be repeated. Default: all ten.")
    ] = None,
    voice: Annotated[
        list[str] | None, typer.Option(help="May be repeated; 'all' is every system voice. Default: Cherry.")
    ] = None,
    sentences: Annotated[
        int | None,
        typer.Option(min=1, help="At most this many sentences of each language, from the first on."),
    ] = None,
    together: Annotated[
        int,
        typer.Option(
            min=1, max=8, help="Put this many sentences into one recording: faster, slightly less exact."
        ),
    ] = 1,
    score: Annotated[
        list[str] | None,
        typer.Option(help="words, mos, speaker, pitch or loudness; may be repeated. Default: all."),
    ] = None,
    direct: Annotated[
        bool, typer.Option("--direct", help="Also score the engines without the server, for comparison.")
    ] = False,
    python: Annotated[
        Path | None,
        typer.Option(help="The interpreter that has the scoring programs. Default: that of .venvs/quality."),
    ] = None,
    whisper: Annotated[
        Path | None,
        typer.Option(help="A folder with Whisper-small, instead of the one of `saystream models`."),
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep the recordings in this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Also write the JSON to a file.")
    ] = None,
) -> None:
    """Have a server speak a corpus and score the speech: words, naturalness, pitch, likeness of voices.

    It is scored by programs of others: Whisper-small, DNSMOS, Resemblyzer and Praat.
    """
    with errors_in_one_line():
        codes, voices, scores = _languages(language or []), _voices(voice or []), _scores(score or [])
        settings = settings_with(engine=engine)
        with ExitStack() as stack:
            scorer = stack.enter_context(
                Scorer(scorer_python(python), whisper or ModelStore().path("whisper-small"))
            )
            if url is None:
                arguments = ["--engine", engine] if engine else []
                url = stack.enter_context(ServerProcess(arguments, os.environ)).url
            speakers: list[Speaker] = [WireSpeaker(url)]
            if direct:
                speakers.append(DirectSpeaker(settings))
            folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder.mkdir(parents=True, exist_ok=True)
            load_before = os.getloadavg()[0]
            found = _run(speakers, scorer, codes, voices, scores, sentences, together, folder)
            result = _result(found, scorer.versions, settings.engine, load_before)
    printed = json.dumps(result, indent=None if as_json else 1, ensure_ascii=False)
    if output is not None:
        output.write_text(printed + "\n", encoding="utf-8")
    if as_json:
        typer.echo(printed)
    else:
        _print(result)


def _run(
    speakers: Sequence[Speaker],
    scorer: Scorer,
    codes: Sequence[str],
    voices: Sequence[str],
    scores: Sequence[str],
    sentences: int | None,
    together: int,
    folder: Path,
) -> Measurement:
    corpus = {code: load_corpus()[code][:sentences] for code in codes}
    found = Measurement()
    total = sum(map(len, corpus.values())) * len(voices) * len(speakers)
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("scoring", total=total)
        for code, spoken in corpus.items():
            for name in voices:
                for speaker in speakers:
                    found.add(
                        measure(
                            speaker,
                            scorer,
                            spoken,
                            voice=name,
                            language=code,
                            scores=scores,
                            folder=folder,
                            together=together,
                            step=lambda: progress.advance(task),
                        )
                    )
    return found


def _result(found: Measurement, versions: dict[str, str], engine: str, load_before: float) -> dict[str, Any]:
    result: dict[str, Any] = {"rows": [asdict(row) for row in found.rows]}
    if len(found.embeddings) > 1:
        result["voices"] = asdict(spread(found.embeddings))
    result["differences"] = [asdict(heard) for heard in found.differences]
    result["scored_with"] = versions
    result["engine"] = engine
    return result | circumstances(load_before)


def _print(result: dict[str, Any]) -> None:
    console = Console()
    rows = result["rows"]
    shown = [name for name in _COLUMNS if any(row[name] is not None for row in rows)]
    table = Table(*(_COLUMNS[name] for name in shown), box=None)
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in shown))
    console.print(table)
    if "voices" in result:
        likeness = result["voices"]
        console.print(
            f"\n{likeness['voices']} voices: likeness {likeness['mean_similarity']} on average, at most"
            f" {likeness['max_similarity']} ({' and '.join(likeness['closest'])})",
            highlight=False,
        )


def _languages(wanted: Sequence[str]) -> list[str]:
    for name in wanted:
        if name not in LANGUAGE_CODES:
            raise InvalidValue("language", name, tuple(LANGUAGE_CODES))
    return [LANGUAGE_CODES[name] for name in wanted or LANGUAGE_CODES]


def _voices(wanted: Sequence[str]) -> list[str]:
    if _EVERYBODY in wanted:
        return [voice.name for voice in catalog.load().system_voices]
    return [catalog.load().voice(name).name for name in wanted] or ["Cherry"]


def _scores(wanted: Sequence[str]) -> list[str]:
    for name in wanted:
        if name not in SCORES:
            raise InvalidValue("score", name, SCORES)
    return list(wanted) or list(SCORES)
