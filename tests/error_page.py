"""The reference page of the errors, made from their classes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from saystream.errors import SaystreamError

INTRODUCTION = """\
# Errors

Every error is a class in `saystream.errors` that says whose fault it was. *Code* is its name in realtime error events
and in our own HTTP interfaces, *HTTP code* its name in Qwen-TTS over HTTP. *Close* is the WebSocket close code, if the
error ends the connection. If *Retry* says yes, the same call may work later. A table has no column for what none of its
errors has. This page is generated from `src/saystream/errors/` by `scripts/docs`.
"""

COLUMNS = {
    "http_status": "HTTP",
    "http_code": "HTTP code",
    "close_code": "Close",
    "retryable": "Retry",
}
"""Attributes of a class and their headings."""


def error_page() -> str:
    branches = sorted(children(SaystreamError), key=lambda branch: len(list(tree(branch))), reverse=True)
    lines = [INTRODUCTION]
    for branch in branches:
        if children(branch):
            lines += [f"## {branch.__name__}\n", f"{meaning(branch)}\n", *table(list(tree(branch))), ""]
    lines += ["## Others\n", *table([branch for branch in branches if not children(branch)])]
    return "\n".join(lines) + "\n"


def children(error: type[SaystreamError]) -> list[type[SaystreamError]]:
    """In the order of the source, without errors that tests derive."""
    return [child for child in error.__subclasses__() if child.__module__.startswith("saystream.errors.")]


def tree(error: type[SaystreamError]) -> Iterator[type[SaystreamError]]:
    """The class and all below it, each followed by its own."""
    yield error
    for child in children(error):
        yield from tree(child)


def table(errors: list[type[SaystreamError]]) -> Iterator[str]:
    shown = [
        name
        for name in COLUMNS
        if any(getattr(error, name) != getattr(SaystreamError, name) for error in errors)
    ]
    headings = ["Error", "Is a", "Code", *(COLUMNS[name] for name in shown), "Meaning"]
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    for error in errors:
        parent = error.__base__
        cells = [
            f"`{error.__name__}`",
            f"`{parent.__name__}`" if parent in errors else "",
            f"`{error.code}`",
            *(cell(getattr(error, name)) for name in shown),
            meaning(error),
        ]
        yield f"| {' | '.join(cells)} |"


def cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if value is None:
        return ""
    return f"`{value}`" if isinstance(value, str) else str(value)


def meaning(error: type[SaystreamError]) -> str:
    """The first paragraph of its docstring, in one line."""
    first = inspect.cleandoc(error.__doc__ or "").split("\n\n")[0]
    return " ".join(first.replace("``", "`").replace("|", "\\|").split())
