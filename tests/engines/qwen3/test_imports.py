"""The engine runs without the published package and what that needs."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import saystream.engines.qwen3

SERVER = {"msgspec", "numpy", "structlog"}
EXTRA = {"safetensors", "tokenizers", "torch"}


def test_only_what_the_extra_brings_is_imported() -> None:
    imported = set()
    for path in Path(saystream.engines.qwen3.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").split(".")[0])
    others = imported - set(sys.stdlib_module_names) - {"saystream"}
    assert others - SERVER == EXTRA
