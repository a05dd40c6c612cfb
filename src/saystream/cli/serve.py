"""``saystream serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saystream.cli.shared import errors_in_one_line, settings_with

__all__ = ["serve"]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 chooses a free one. [default: 8321]")] = None,
    engine: Annotated[
        str | None, typer.Option(help="'auto' or one engine for everything. [default: auto]")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder for keys, usage and audio files.")] = None,
    allow_anonymous: Annotated[
        bool | None, typer.Option("--allow-anonymous", help="Serve a network even though no key exists.")
    ] = None,
) -> None:
    """Start the server. On Ctrl-C or SIGTERM it lets open sessions finish, then stops."""
    with errors_in_one_line():
        settings = settings_with(
            host=host, port=port, engine=engine, data_dir=data_dir, allow_anonymous=allow_anonymous
        )
        # Imported here: `saystream --help` should not wait for the server's libraries.
        from saystream.logs import configure, written_apart
        from saystream.server.runner import run_server

        configure(settings.log)
        with written_apart():
            run_server(settings)
