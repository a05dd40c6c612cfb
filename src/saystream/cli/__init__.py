"""The command line. ``saystream --help`` lists the commands; each lives in a module of its name."""

from __future__ import annotations

from typing import Annotated

import typer

from saystream import __version__
from saystream.cli import bench, keys, listings, models, quality, say, serve, usage

__all__ = ["app", "main"]

app = typer.Typer(
    name="saystream",
    help="Self-hosted real-time speech synthesis that speaks the Qwen-TTS realtime protocol.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("say")(say.say)
app.command("voices")(listings.voices)
app.command("catalog")(listings.catalog_models)
app.command("engines")(listings.engines)
app.command("bench")(bench.bench)
app.command("quality")(quality.quality)
app.command("usage")(usage.usage)
app.add_typer(models.app)
app.add_typer(keys.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"saystream {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    app()
