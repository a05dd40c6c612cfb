"""Fields of a request that decide who may do what: hosts, origins and signed links are accepted or refused."""

from __future__ import annotations

from urllib.parse import parse_qs

from fuzzing.reading import Reader
from saystream.errors import AccessDenied, HostRefused, OriginRefused
from saystream.server.access.hosts import check_host
from saystream.server.access.links import LinkSigner
from saystream.server.access.origins import check_origin

MAX_BYTES = 300
DICTIONARY = "access"

_SIGNER = LinkSigner(b"a secret of thirty-two characters")
_NOW_S = 1_000_000.0


def one(data: bytes) -> None:
    reader = Reader(data)
    reader.choice((_host, _origin, _link))(reader.rest().decode("latin-1"))


def _host(host: str) -> None:
    try:
        check_host(host, frozenset({"speech.example"}))
    except HostRefused as refusal:
        assert len(refusal.message) < 500


def _origin(header: str) -> None:
    origin, _, host = header.partition("\n")
    try:
        check_origin(
            {"origin": origin, "host": host},
            allowed=("https://page.example",),
            loopback_only=not host,
        )
    except OriginRefused as refusal:
        assert len(refusal.message) < 500


def _link(query: str) -> None:
    fields = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    signed = _SIGNER.query("/files/a.wav", int(_NOW_S) + 10)
    try:
        _SIGNER.check("/files/a.wav", fields, now_s=_NOW_S)
    except AccessDenied:
        return
    assert "&".join(f"{name}={fields[name]}" for name in ("expires", "signature")) == signed
