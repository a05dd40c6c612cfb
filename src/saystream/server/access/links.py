"""Links to audio files, signed and valid until a time that is part of the link."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saystream.errors import AccessDenied, ConfigurationError, InvalidRequest
from saystream.server.web.forwarded import PREFIX_IN_SCOPE
from saystream.storage.private import close_to_others

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from starlette.requests import Request

    from saystream.config import Settings

__all__ = ["SECRET_FILE", "Link", "LinkSigner", "Links", "base_url", "read_secret"]

SECRET_FILE = "files.key"

_EXPIRES = re.compile(r"\d{1,12}")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")


class LinkSigner:
    """Gives paths an expiry time and a signature, and checks them.

    Anyone who has a link may read its file; nothing else is needed. Without the secret, nobody can make a link, or
    change its path or expiry time.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def query(self, path: str, expires_at: int) -> str:
        """The part after the ``?``; ``expires_at`` is in Unix seconds."""
        return f"expires={expires_at}&signature={self._signature(path, str(expires_at))}"

    def check(self, path: str, query: Mapping[str, str], *, now_s: float) -> None:
        """Raises AccessDenied unless ``query`` belongs to this path and is still valid at ``now_s`` (Unix seconds)."""
        expires, signature = query.get("expires", ""), query.get("signature", "")
        expected = self._signature(path, expires)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass")):
            raise AccessDenied("The signature does not belong to this link.", param="signature")
        if not _EXPIRES.fullmatch(expires) or now_s >= int(expires):
            raise AccessDenied("The link has expired.", param="expires")

    def _signature(self, path: str, expires: str) -> str:
        signed = f"{path}\n{expires}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._secret, signed, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Link:
    """Where a file will be once it is stored."""

    path: str
    """Path in the file store."""
    url: str
    expires_at: int
    """Unix seconds."""


class Links:
    """The links that one server issues and accepts."""

    def __init__(
        self,
        signer: LinkSigner,
        *,
        ttl_s: float,
        public_url: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock`` gives Unix seconds."""
        self.ttl_s = ttl_s
        self._signer = signer
        self._public_url = public_url
        self._clock = clock

    @classmethod
    def of(cls, settings: Settings) -> Links:
        """Raises ConfigurationError if the secret can be neither read nor created."""
        own = settings.files
        secret = read_secret(settings.data_dir) if own.secret is None else own.secret.encode()
        return cls(LinkSigner(secret), ttl_s=own.url_ttl_s, public_url=settings.public_url)

    def link(self, request: Request, path: str) -> Link:
        """The link to the file at ``path`` for the client that sent ``request``.

        Raises InvalidRequest if ``Host`` is not a host name.
        """
        expires_at = int(self._clock() + self.ttl_s)
        query = self._signer.query(path, expires_at)
        return Link(path, f"{base_url(request, self._public_url)}/files/{path}?{query}", expires_at)

    def check(self, path: str, query: Mapping[str, str]) -> None:
        """Raises AccessDenied unless ``query`` belongs to this path and is still valid."""
        self._signer.check(path, query, now_s=self._clock())


def read_secret(data_dir: Path) -> bytes:
    """The secret in ``data_dir``, created if there is none. Its file is closed to other users.

    Processes that start at the same time get the same one. Raises ConfigurationError if it can be neither read nor
    created.
    """
    path = data_dir / SECRET_FILE
    try:
        if not path.exists():
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            _make_secret(path)
        close_to_others(path)
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(
            f"cannot keep a secret in {path}: {error.strerror}", param="data_dir"
        ) from error
    if len(secret) < 32:
        raise ConfigurationError(
            f"{path} is too short for a secret; delete it, and a new one is created", param="data_dir"
        )
    return secret


def _make_secret(path: Path) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
        os.link(draft, path)  # fails if another process was first, and never exposes half a secret
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def base_url(request: Request, public_url: str | None) -> str:
    """The URL at which the client reached this server, without a final slash: ``public_url`` if it is set, else what
    the request says.

    Raises InvalidRequest if ``Host`` is not a host name.
    """
    if public_url:
        return public_url.rstrip("/")
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        # Not quoted: it comes from outside and would end up in a log.
        raise InvalidRequest("The header Host is missing or is not a host name.", param="Host")
    return f"{request.url.scheme}://{host}{request.scope.get(PREFIX_IN_SCOPE, '')}"
