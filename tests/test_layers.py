"""Who may import whom, read from the source. The directions are those of ``docs/topics/architecture.md``."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "saystream"

GROUND = {"errors", "audio", "languages", "parameters", "paths"}
SECOND = GROUND | {"config", "logs", "catalog", "protocol", "text", "dsp"}
THIRD = SECOND | {"models", "storage", "engines"}
FOURTH = THIRD | {"hosting", "voices"}

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "audio": {"errors"},
    "languages": set(),
    "parameters": {"audio", "errors", "languages"},
    "paths": set(),
    # The second layer looks down, never sideways; only the log has settings.
    "config": GROUND,
    "logs": GROUND | {"config"},
    "catalog": GROUND,
    "protocol": GROUND,
    "text": GROUND,
    "dsp": GROUND,
    # An engine asks the store of weights for its own.
    "models": SECOND,
    "storage": SECOND,
    "engines": SECOND | {"models"},
    # Both know what an engine is; neither knows the other.
    "conformance": THIRD,
    "hosting": THIRD,
    "voices": THIRD,
    "speech": FOURTH,
    "server": FOURTH | {"speech"},
    "client": GROUND | {"protocol"},
    "sdk": GROUND | {"protocol", "client"},
    "bench": GROUND | {"protocol", "client"},
    "quality": FOURTH | {"speech", "client", "bench"},
    "cli": FOURTH | {"speech", "server", "client", "bench", "quality"},
    "__main__": {"cli"},
    "__init__": set(),
}
"""What each part may import of the others; a part may always import itself and the package's version."""

INPUT_AND_OUTPUT = {
    "aiosqlite", "asyncio", "concurrent", "http", "multiprocessing", "random", "secrets", "select",
    "selectors", "signal", "socket", "socketserver", "sqlalchemy", "sqlite3", "ssl", "starlette",
    "subprocess", "tempfile", "threading", "time", "urllib", "uuid", "uvicorn", "uvloop", "websockets",
}  # fmt: skip
"""Loops, threads, sockets, files, clocks and random sources: a pure module is given what it needs of them."""

PURE = (
    "protocol",
    "text",
    "dsp",
    "catalog",
    "hosting/admission.py",
    "hosting/playback.py",
    "hosting/scheduler.py",
    "hosting/turns.py",
)

FRONT_OF_HOSTING = {"front", "local", "playback"}
"""All that others know of where and how engines run."""

LIGHT_PARTS = ("errors", "audio", "languages", "parameters", "protocol", "client", "sdk", "__init__")
BASE_DEPENDENCIES = {"httpx", "msgspec", "pybase64", "websockets"}
"""What the base install brings. An optional package, such as one that plays, is imported where it is used."""


def modules_of(part: str) -> list[Path]:
    """The files of a folder or of a single module, by its path below ``saystream``."""
    path = SOURCE / part
    if path.is_dir():
        return sorted(path.rglob("*.py"))
    return [file for file in [path, path.with_suffix(".py")] if file.is_file()]


def parts() -> Iterator[str]:
    for path in sorted(SOURCE.iterdir()):
        if path.is_dir() and any(path.rglob("*.py")):
            yield path.name
        elif path.suffix == ".py":
            yield path.stem


def imports_of(path: Path, *, when_loaded: bool = False) -> Iterator[str]:
    """Absolute dotted names that a file imports: ``from saystream import errors`` gives ``saystream.errors``.

    With ``when_loaded`` only what importing the module itself imports: not the bodies of functions, and not
    what only a type checker reads.
    """
    package = ["saystream", *path.relative_to(SOURCE).parent.parts]
    pending: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while pending:
        node = pending.pop()
        if when_loaded and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if when_loaded and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))


def part_named(name: str) -> str | None:
    """The part of saystream that an imported name belongs to; None for another package or for the version."""
    package, _, rest = name.partition(".")
    if package != "saystream" or rest in ("", "__version__"):
        return None
    return rest.split(".")[0]


@pytest.mark.parametrize("part", list(parts()))
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    assert part in ALLOWED, f"say in ALLOWED what saystream.{part} may import"
    allowed = ALLOWED[part] | {part}
    breaches = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in modules_of(part)
        for name in imports_of(path)
        if (target := part_named(name)) is not None and target not in allowed
    ]
    assert not breaches


@pytest.mark.parametrize("part", [part for part in ALLOWED if "hosting" in ALLOWED[part]])
def test_others_know_only_the_front_of_hosting(part: str) -> None:
    breaches = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in modules_of(part)
        for name in imports_of(path)
        if name.startswith("saystream.hosting.") and name.split(".")[2] not in FRONT_OF_HOSTING
    ]
    assert not breaches


def test_only_one_place_makes_the_pool_of_engines() -> None:
    makers = {
        str(path.relative_to(SOURCE))
        for path in modules_of("")
        for name in imports_of(path)
        if name == "saystream.hosting.pool.EnginePool"
    }
    assert makers == {"hosting/local.py"}


@pytest.mark.parametrize("part", PURE)
def test_a_pure_part_imports_no_loop_thread_socket_clock_or_random_source(part: str) -> None:
    breaches = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in modules_of(part)
        for name in imports_of(path)
        if name.split(".")[0] in INPUT_AND_OUTPUT
    ]
    assert not breaches


@pytest.mark.parametrize("part", PURE)
def test_a_pure_part_awaits_nothing_and_opens_no_file(part: str) -> None:
    breaches = []
    for path in modules_of(part):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_async = isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await)
            is_open = (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
            )
            if is_async or is_open:
                breaches.append(f"{path.relative_to(SOURCE)}: {ast.unparse(node)}")
    assert not breaches


@pytest.mark.parametrize("part", LIGHT_PARTS)
def test_the_client_side_needs_nothing_but_the_base_install(part: str) -> None:
    allowed = set(sys.stdlib_module_names) | BASE_DEPENDENCIES | {"saystream"}
    breaches = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in modules_of(part)
        for name in imports_of(path, when_loaded=True)
        if name.split(".")[0] not in allowed
    ]
    assert not breaches


def modules() -> dict[str, Path]:
    """Every module by its dotted name."""
    return {
        ".".join(["saystream", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(
            ".__init__"
        ): path
        for path in SOURCE.rglob("*.py")
    }


def circle_of_imports() -> list[str]:
    """Modules that import each other in a circle, also for the type checker alone; empty where none do.

    A package is what it re-exports: a module of its own may be imported while the package is loaded.
    """
    known = modules()
    graph: dict[str, set[str]] = {}
    for name, path in known.items():
        imported = {target if target in known else target.rpartition(".")[0] for target in imports_of(path)}
        graph[name] = {
            target
            for target in imported
            if target in known and target != name and not name.startswith(f"{target}.")
        }
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def test_no_modules_import_each_other_not_even_for_the_type_checker() -> None:
    assert circle_of_imports() == []


def test_a_circle_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "server").mkdir()
    for name, content in (
        ("door", "from saystream.server import connection"),
        ("connection", "if TYPE_CHECKING:\n    from saystream.server.door import Door"),
    ):
        (tmp_path / "server" / f"{name}.py").write_text(content)
    monkeypatch.setattr("test_layers.SOURCE", tmp_path)
    assert set(circle_of_imports()) == {"saystream.server.door", "saystream.server.connection"}


def test_a_breach_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "protocol" / "realtime").mkdir(parents=True)
    module = tmp_path / "protocol" / "realtime" / "state.py"
    module.write_text(
        "from ...server import app\nfrom .events import Error\nimport time\ndef late():\n import numpy\n"
    )
    monkeypatch.setattr("test_layers.SOURCE", tmp_path)
    assert list(parts()) == ["protocol"]
    assert set(imports_of(module)) == {
        "saystream.server.app",
        "saystream.protocol.realtime.events.Error",
        "time",
        "numpy",
    }
    assert "numpy" not in set(imports_of(module, when_loaded=True))
    with pytest.raises(AssertionError, match=r"state\.py imports saystream\.server\.app"):
        test_a_part_imports_only_what_lies_below_it("protocol")
    with pytest.raises(AssertionError, match=r"state\.py imports time"):
        test_a_pure_part_imports_no_loop_thread_socket_clock_or_random_source("protocol")
