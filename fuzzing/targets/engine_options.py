"""The configuration section of an engine: options or a ConfigurationError that names no secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fuzzing.reading import Reader, json_object
from saystream.config import _passed_on
from saystream.engines import hibari, supertonic
from saystream.engines.kokoro import engine as kokoro
from saystream.engines.options import read_options
from saystream.engines.piper import engine as piper
from saystream.engines.tone import ToneOptions
from saystream.engines.upstream.options import read_upstream_options
from saystream.errors import ConfigurationError
from saystream.hosting.environment import engine_environment

MAX_BYTES = 512
DICTIONARY = "options"

_ENVIRONMENT = {"PATH": "/bin", "KEY": "1", "PASSWORD": "2", "https_proxy": "http://proxy"}
_SECRET = "sk-secret-of-mine"


def one(data: bytes) -> None:
    reader = Reader(data)
    read = reader.choice(_READERS)
    options = json_object(reader.rest())
    try:
        _passed_on(options)
    except ValueError as refusal:
        assert str(refusal).startswith("an option holds")
        return
    if "key" in options:
        options["key"] = _SECRET
    if "PASSWORD" not in str(options):
        assert "PASSWORD" not in engine_environment(_ENVIRONMENT, options)
    try:
        read(options)
    except ConfigurationError as refusal:
        assert _SECRET not in refusal.message
        assert len(refusal.message) < 2000


def _reads(name: str, kind: type[Any]) -> Callable[[Mapping[str, object]], Any]:
    return lambda options: read_options(name, kind, options)


_READERS: tuple[Callable[[Mapping[str, object]], Any], ...] = (
    read_upstream_options,
    read_upstream_options,
    _reads("tone", ToneOptions),
    _reads("piper", piper._Options),
    _reads("kokoro", kokoro._Options),
    _reads("supertonic", supertonic._Options),
    _reads("hibari", hibari._Options),
)
