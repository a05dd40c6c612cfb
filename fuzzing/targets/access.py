"""Fields of a request that decide who may do what: hosts, origins, keys, signed links are accepted or refused."""

from __future__ import annotations

from urllib.parse import parse_qs

from fuzzing.reading import Reader
from saystream.errors import AccessDenied, AuthenticationFailed, HostRefused, InvalidValue, OriginRefused
from saystream.server.access.auth import _bearer, _workspace
from saystream.server.access.hosts import check_host
from saystream.server.access.links import LinkSigner
from saystream.server.access.origins import check_origin
from saystream.server.access.wrong_keys import _network

MAX_BYTES = 300
DICTIONARY = "access"

_SIGNER = LinkSigner(b"a secret of thirty-two characters")
_NOW_S = 1_000_000.0


def one(data: bytes) -> None:
    reader = Reader(data)
    reader.choice((_host, _origin, _link, _key))(reader.rest().decode("latin-1"))


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


def _key(header: str) -> None:
    _network(header)  # an address, as a proxy writes it
    try:
        secret = _bearer(header)
        _workspace(header)
    except (AuthenticationFailed, InvalidValue) as refusal:
        assert len(refusal.message) < 500
        return
    assert secret == secret.strip()
    assert header.lower().lstrip().startswith("bearer ")


def _link(query: str) -> None:
    fields = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    signed = _SIGNER.query("/files/a.wav", int(_NOW_S) + 10)
    try:
        _SIGNER.check("/files/a.wav", fields, now_s=_NOW_S)
    except AccessDenied:
        return
    assert "&".join(f"{name}={fields[name]}" for name in ("expires", "signature")) == signed
