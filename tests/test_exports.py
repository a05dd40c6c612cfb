"""``__all__`` says what a module is for: it is in order, and a package's leaves out nothing public."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
NOT_IMPORTED = {"__main__", "migrations"}
"""Run as programs: the first by Python, the second by Alembic."""

MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if not NOT_IMPORTED & {path.stem, *path.parts}
)
PACKAGES = [name for name in MODULES if (SOURCE / name.replace(".", "/")).is_dir()]


def place(name: str) -> tuple[int, str]:
    """Constants come first, then classes, then the rest; each kind by the alphabet."""
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, name


@pytest.mark.parametrize("name", MODULES)
def test_exports_are_in_order_and_exist(name: str) -> None:
    module = importlib.import_module(name)
    exports = getattr(module, "__all__", [])
    assert list(exports) == sorted(set(exports), key=place)
    assert [export for export in exports if not hasattr(module, export)] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_exports_every_public_class_and_function_it_defines(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    definitions = {
        node.name
        for node in ast.parse(Path(module.__file__).read_text("utf-8")).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    public = {definition for definition in definitions if not definition.startswith("_")}
    assert public <= set(getattr(module, "__all__", ()))
