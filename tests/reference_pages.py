"""Reference pages made from the code: ``scripts/docs`` writes them, ``test_docs.py`` compares them."""

from __future__ import annotations

import ast
import html
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import rule_file
from error_page import error_page
from reference_models import models_page
from saystream import catalog, config
from saystream.audio import SAMPLE_RATES, AudioFormat, Container, Effects
from saystream.dsp.chain import Chain

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
AUDIO = REFERENCE.parent / "topics" / "audio.md"

SETTINGS_INTRODUCTION = """\
# Settings

A setting is taken from the first of these places that has it:

1. a command-line flag, see [cli.md](cli.md);
2. the environment: `SAYSTREAM_PORT=9000`, with two underscores after the name of a section,
   `SAYSTREAM_LIMITS__MAX_SESSIONS=50`;
3. the file `saystream.toml` in the folder where the server is started;
4. the default below.

```toml
port = 9000

[limits]
max_sessions = 50
```

The server does not start with an unknown or invalid setting, and names it. Times end in `_s` (seconds) or `_ms`
(milliseconds). This page is generated from `src/saystream/config.py` by `scripts/docs`.
"""


def settings_page() -> str:
    return "\n".join([SETTINGS_INTRODUCTION, *settings_tables(config.Settings, "")])


def settings_tables(section: type[BaseModel], prefix: str) -> Iterator[str]:
    """One table for the section's own settings, then one for each section inside it."""
    comments = attribute_docstrings(section)
    inner = {name: field for name, field in section.model_fields.items() if is_section(field)}
    yield f"## `[{prefix}]`\n" if prefix else "## Server\n"
    if prefix and "__doc__" in vars(section) and section.__doc__:
        yield f"{in_markdown(section.__doc__)}\n"
    yield "| Setting | Default | Allowed | Meaning |"
    yield "| --- | --- | --- | --- |"
    for name, field in section.model_fields.items():
        if name not in inner:
            meaning = in_markdown(comments.get(name, ""))
            yield f"| `{name}` | {default_of(field)} | {allowed_by(field)} | {meaning} |"
    yield ""
    for name, field in inner.items():
        assert isinstance(field.annotation, type)
        yield from settings_tables(field.annotation, f"{prefix}.{name}" if prefix else name)


def is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def attribute_docstrings(section: type[BaseModel]) -> dict[str, str]:
    """The string under each field of a class."""
    [definition] = ast.parse(inspect.getsource(section)).body
    assert isinstance(definition, ast.ClassDef)
    comments = {}
    for field, comment in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(comment, ast.Expr):
            comments[ast.unparse(field.target)] = inspect.cleandoc(ast.literal_eval(comment.value))
    return comments


def default_of(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Path) and value.is_relative_to(Path.home()):
        value = f"~/{value.relative_to(Path.home()).as_posix()}"
    if value is None or value == {}:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{value}`"


def allowed_by(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [
        f"{signs[name]} {getattr(limit, name)}"
        for limit in field.metadata
        for name in signs
        if getattr(limit, name, None) is not None
    ]
    if limits:
        return ", ".join(limits)
    choices = getattr(field.annotation, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(f"`{choice}`" for choice in choices)
    return ""


def in_markdown(text: str) -> str:
    """One line of Markdown from a docstring."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


def cli_page() -> str:
    """Typer's page of the commands' help."""
    options = ["utils", "docs", "--name", "saystream", "--title", "Command line"]
    command = [sys.executable, "-m", "typer", "saystream.cli", *options]
    page = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    return html.unescape(page).strip() + "\n"


def delays() -> str:
    """What each format holds back, in milliseconds of an engine's sound at 24 kHz."""
    rates = "".join(f" {rate / 1000:g} kHz |" for rate in SAMPLE_RATES)
    lines = [f"| Format |{rates}", f"| --- |{' ---: |' * len(SAMPLE_RATES)}"]
    for container in get_args(Container):
        cells = "".join(f" {_delay(container, rate)} |" for rate in SAMPLE_RATES)
        lines.append(f"| `{container}` |{cells}")
    return "\n".join(lines)


def _delay(container: Container, sample_rate: int) -> str:
    plain = _delay_ms(container, sample_rate, Effects())
    most = max(
        _delay_ms(container, sample_rate, Effects(speech_rate=speed, pitch_rate=pitch))
        for speed in (0.5, 1.0, 2.0)
        for pitch in (0.5, 1.0, 2.0)
    )
    return f"{plain:.1f}, {most:.0f}"


def _delay_ms(container: Container, sample_rate: int, effects: Effects) -> float:
    chain = Chain(AudioFormat(container, sample_rate), effects=effects, first_delta_ms=40, delta_ms=100)
    return chain.delay_ms(24000)


def audio_page() -> str:
    """The page as it is, with a new table of delays."""
    head, _, rest = AUDIO.read_text("utf-8").partition("<!-- delays -->\n")
    tail = rest.partition("<!-- /delays -->")[2]
    return f"{head}<!-- delays -->\n\n{delays()}\n\n<!-- /delays -->{tail}"


PAGES = {
    "cli.md": cli_page,
    "errors.md": error_page,
    "models-and-voices.md": lambda: models_page(catalog.load()),
    "settings.md": settings_page,
}


if __name__ == "__main__":
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), "utf-8")
        sys.stdout.write(f"docs/reference/{name}\n")
    rule_file.PATH.write_text(rule_file.written(), "utf-8")
    sys.stdout.write("src/saystream/voices/by_rule.json\n")
    AUDIO.write_text(audio_page(), "utf-8")
    sys.stdout.write("docs/topics/audio.md\n")
