"""``saystream voices``: the system voices, and voices of one's own at a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from saystream.cli.listings import list_system_voices
from saystream.cli.shared import errors_in_one_line, print_rows, settings_with
from saystream.cli.sinks import open_sink
from saystream.client.voices import BlockingVoices, MadeVoice
from saystream.errors import ConfigurationError
from saystream.server.running import running_server

__all__ = ["app"]

app = typer.Typer(
    name="voices",
    help="List the system voices; make, list and keep voices of one's own at a server.",
    invoke_without_command=True,
)
app.callback()(list_system_voices)

_Url = Annotated[
    str | None,
    typer.Option(
        help="A server, such as http://127.0.0.1:8321. Default: one of yours that runs on this machine with the same"
        " settings."
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Name = Annotated[str, typer.Argument(help="Of the voice, as in `saystream voices list`.")]
_Part = Annotated[str, typer.Option(help="Becomes a part of the voice's name: letters and digits.")]
_Language = Annotated[str, typer.Option(help="Of the speaker or the description, such as en.")]
_CLONING = "qwen3-tts-vc-realtime-2026-01-15"
_DESIGNING = "qwen3-tts-vd-realtime-2026-01-15"

_SAMPLE_RATE = 24000
_Result = TypeVar("_Result")


@app.command()
def create(
    recording: Annotated[
        str,
        typer.Argument(help="10 to 20 s of one speaker: a file, or an address that the server can reach."),
    ],
    name: _Part = "voice",
    model: Annotated[str, typer.Option(help="The only model that will take the voice.")] = _CLONING,
    transcript: Annotated[str, typer.Option(help="What the recording says.")] = "",
    language: _Language = "",
    consent: Annotated[str, typer.Option(help="A note of who agreed to the use of the recording.")] = "",
    url: _Url = None,
    as_json: _Json = False,
) -> None:
    """Clone a voice from a recording."""
    source = recording if recording.startswith(("http://", "https://")) else Path(recording)

    def clone(voices: BlockingVoices) -> MadeVoice:
        return voices.clone(
            source,
            target_model=model,
            name=name,
            transcript=transcript,
            language=language,
            consent=consent,
        )

    _tell(_at_server(url, clone), as_json)


@app.command()
def design(
    description: Annotated[str, typer.Argument(help="What the voice is like, in Chinese or English.")],
    name: _Part = "voice",
    model: Annotated[str, typer.Option(help="The only model that will take the voice.")] = _DESIGNING,
    preview_text: Annotated[str, typer.Option(help="What the preview says.")] = (
        "Hello, this is how I sound when I read a sentence."
    ),
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A .wav file for the preview.")
    ] = None,
    language: _Language = "en",
    url: _Url = None,
    as_json: _Json = False,
) -> None:
    """Design a voice from a description."""

    def make(voices: BlockingVoices) -> MadeVoice:
        return voices.design(
            description, target_model=model, preview_text=preview_text, name=name, language=language
        )

    made = _at_server(url, make)
    if output is not None:
        output.write_bytes(made.preview)
    _tell(made, as_json)


@app.command("list")
def list_own(url: _Url = None, as_json: _Json = False) -> None:
    """List the voices of one's own."""
    voices = _at_server(url, lambda voices: voices.list())
    columns = ("name", "origin", "target_model", "description")
    rows = [{column: getattr(voice, column) for column in columns} for voice in voices]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        print_rows(rows)


@app.command()
def show(name: _Name, url: _Url = None) -> None:
    """Print what is known of a voice, as JSON."""
    voice = _at_server(url, lambda voices: voices.show(name))
    typer.echo(json.dumps(msgspec.to_builtins(voice), ensure_ascii=False, indent=2))


@app.command()
def play(
    name: _Name,
    text: Annotated[str, typer.Argument(help="What to say.")] = "Hello, this is how I sound.",
    output: Annotated[str | None, typer.Option("-o", "--output", help="A file instead.")] = None,
    url: _Url = None,
) -> None:
    """Hear a voice."""
    with errors_in_one_line(), open_sink(output, wanted=None, sample_rate=_SAMPLE_RATE) as sink:
        sink.write(_at_server(url, lambda voices: voices.say(name, text, response_format=sink.stream_format)))


@app.command("export")
def export_voice(
    name: _Name,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Default: NAME.zip here.")] = None,
    url: _Url = None,
) -> None:
    """Write a voice into one file, with its recording."""
    archive = _at_server(url, lambda voices: voices.export(name))
    file = output or Path(f"{name}.zip")
    file.write_bytes(archive)
    typer.echo(str(file))


@app.command("import")
def import_voice(
    file: Annotated[
        Path, typer.Argument(help="From `saystream voices export`.", exists=True, dir_okay=False)
    ],
    url: _Url = None,
) -> None:
    """Bring a voice that was exported, with its name."""
    typer.echo(_at_server(url, lambda voices: voices.restore(file.read_bytes())).name)


@app.command("rm")
def remove(name: _Name, url: _Url = None) -> None:
    """Delete a voice, with its recording."""
    _at_server(url, lambda voices: voices.delete(name))


def _at_server(url: str | None, work: Callable[[BlockingVoices], _Result]) -> _Result:
    with errors_in_one_line():
        return work(BlockingVoices(_base(url)))


def _base(url: str | None) -> str:
    """The server's address for HTTP. Raises ConfigurationError if none is named and none runs here."""
    found = url or running_server(settings_with())
    if found is None:
        raise ConfigurationError(
            "No server of yours runs here with these settings: start `saystream serve`, or name one with --url."
        )
    return found.replace("ws://", "http://", 1).replace("wss://", "https://", 1)


def _tell(made: MadeVoice, as_json: bool) -> None:
    if as_json:
        told = msgspec.to_builtins(made)
        del told["preview"]
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    typer.echo(made.name)
    if made.fallback_mode:
        likeness = "" if made.similarity is None else f", similarity {made.similarity:.2f}"
        typer.echo(f"not the speaker's own voice: {made.fallback_mode}{likeness}", err=True)
    for warning in made.warnings:
        typer.echo(warning, err=True)
