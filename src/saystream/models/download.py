"""Downloads one address into a file, and resumes where an earlier attempt stopped."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import httpx

from saystream.errors import quote
from saystream.models.manifest import FileEntry
from saystream.models.staging import SourceFailed, SourceUnreachable, Staging, Stopped, check_path

__all__ = ["download", "open_client"]

_CONNECT_TIMEOUT_S = 5.0
"""Short: a machine without a network should move on to its next source."""
_READ_TIMEOUT_S = 15.0
_MAX_RESUMES = 20
_MAX_REDIRECTS = 10


def open_client() -> httpx.Client:
    """The HTTP client of one pull. It uses the proxy variables of the environment, as every client here does.

    It follows redirects, but neither from ``https`` to ``http`` nor into a network that its own machine alone can
    reach: that raises SourceFailed.
    """
    return httpx.Client(
        timeout=httpx.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
        follow_redirects=True,
        max_redirects=_MAX_REDIRECTS,
        headers={"accept-encoding": "identity"},  # a resumed download counts bytes of the file itself
        event_hooks={"response": [_check_redirect]},
    )


def download(
    client: httpx.Client,
    url: str,
    staging: Staging,
    *,
    path: str,
    entry: FileEntry,
    version: str,
    source: str,
    headers: dict[str, str] | None = None,
) -> None:
    """Deliver the file ``path`` from ``url``, resuming an earlier download of the same ``version``.

    Raises SourceFailed if the file is missing or is another one, SourceUnreachable if nothing answers, Stopped.
    """
    check_path(path)
    if entry.size is None:
        raise SourceFailed(f"the size of {path} is not known")
    part = staging.part(path, version)
    resumed = part.exists()
    try:
        _complete(client, url, part, staging, name=path, size=entry.size, headers=headers or {})
        staging.deliver(path, entry, part, source)
    except SourceUnreachable:
        raise
    except SourceFailed:
        if not resumed:
            raise
        # The part that was resumed may have been wrong from the beginning.
        part.unlink(missing_ok=True)
        _complete(client, url, part, staging, name=path, size=entry.size, headers=headers or {})
        staging.deliver(path, entry, part, source)


def _complete(
    client: httpx.Client,
    url: str,
    part: Path,
    staging: Staging,
    *,
    name: str,
    size: int,
    headers: dict[str, str],
) -> None:
    """A broken connection is made again as long as that helps."""
    staging.watcher.begins(name, size)
    try:
        for _ in range(_MAX_RESUMES):
            before = _size(part)
            if before >= size:
                return  # complete, or too long, which the check of its content will report
            try:
                _continue(client, url, part, staging, name=name, size=size, headers=headers)
                return
            except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects) as error:
                raise SourceFailed(f"{name}: {type(error).__name__}: {error}") from error
            except httpx.TransportError as error:
                if _size(part) <= before:
                    raise SourceUnreachable(f"{type(error).__name__}: {error}") from error
        raise SourceUnreachable(f"the connection broke {_MAX_RESUMES} times")
    finally:
        staging.watcher.ends(name)


def _continue(
    client: httpx.Client,
    url: str,
    part: Path,
    staging: Staging,
    *,
    name: str,
    size: int,
    headers: dict[str, str],
) -> None:
    received = _size(part)
    wanted = {**headers, "range": f"bytes={received}-"} if received else headers
    with client.stream("GET", url, headers=wanted) as answer:
        if answer.status_code >= 500:
            raise SourceUnreachable(f"HTTP {answer.status_code}")
        if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise SourceFailed(f"HTTP {answer.status_code} for {name}")
        if answer.status_code != httpx.codes.PARTIAL_CONTENT:
            received = 0
        staging.need(size - received)
        with part.open("ab" if received else "wb") as file:
            # Unbuffered: larger blocks still being filled would be lost if the connection breaks.
            for block in answer.iter_raw():
                if staging.stopped.is_set():
                    raise Stopped
                received += len(block)
                if received > size:
                    raise SourceFailed(f"{name} does not end after its {size} bytes")
                file.write(block)
                staging.watcher.reached(name, received)


def _check_redirect(answer: httpx.Response) -> None:
    if not answer.has_redirect_location:
        return
    before = answer.request.url
    try:
        after = before.join(answer.headers["location"])
    except (httpx.InvalidURL, ValueError):
        raise SourceFailed("it redirects to something that is no address") from None
    if after.scheme not in ("http", "https") or (before.scheme, after.scheme) == ("https", "http"):
        raise SourceFailed(f"it redirects from {before.scheme} to {quote(after.scheme)}")
    if after.host != before.host and _is_private(after.host) and not _is_private(before.host):
        raise SourceFailed(f"it redirects into a private network, to {quote(after.host)}")


def _is_private(host: str) -> bool:
    """Whether a host is on this machine or in a network that is not public; a name that cannot be resolved is not."""
    try:
        found = {str(address[4][0]) for address in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return any(not ipaddress.ip_address(address.partition("%")[0]).is_global for address in found)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
