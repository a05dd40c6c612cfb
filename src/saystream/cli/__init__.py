"""The command line. ``saystream --help`` lists the commands; each lives in a module of its name."""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from saystream import __version__

__all__ = ["app", "main"]

_COMMANDS = MappingProxyType(
    {
        "serve": "serve",
        "say": "say",
        "voices": "voices",
        "catalog": "listings",
        "engines": "listings",
        "bench": "bench",
        "quality": "quality",
        "usage": "usage",
        "models": "models",
        "keys": "keys",
    }
)
"""The module of each command: a module is loaded when its command is used, because some of them load much."""

_FUNCTIONS = {"catalog": "catalog_models"}
"""Of the commands whose function has another name."""


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = _load(cmd_name)
        return self.commands[cmd_name]


def _load(name: str) -> Any:
    module = importlib.import_module(f"saystream.cli.{_COMMANDS[name]}")
    if hasattr(module, "app"):
        return typer.main.get_group(module.app)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(module, _FUNCTIONS.get(name, name)))
    return typer.main.get_command(alone)


app = typer.Typer(
    name="saystream",
    cls=_Commands,
    help="Self-hosted real-time speech synthesis that speaks the Qwen-TTS realtime protocol.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


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
