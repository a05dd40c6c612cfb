"""Downloads one address into a file, and resumes where an earlier attempt stopped."""

from __future__ import annotations

from pathlib import Path

import httpx

from saystream.models.manifest import FileEntry
from saystream.models.staging import SourceFailed, SourceUnreachable, Staging, Stopped

__all__ = ["download", "open_client"]

_CONNECT_TIMEOUT_S = 5.0
"""Short: a machine without a network should move on to its next source."""
_READ_TIMEOUT_S = 15.0
_MAX_RESUMES = 20


def open_client() -> httpx.Client:
    """The HTTP client of one pull. It uses the proxy variables of the environment, as every client here does."""
    timeout = httpx.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
    # A resumed download counts bytes of the file itself.
    return httpx.Client(timeout=timeout, follow_redirects=True, headers={"accept-encoding": "identity"})


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
    size: int | None,
    headers: dict[str, str],
) -> None:
    """A broken connection is made again as long as that helps."""
    staging.watcher.begins(name, size)
    try:
        for _ in range(_MAX_RESUMES):
            before = _size(part)
            if size is not None and before >= size:
                return  # complete, or too long, which the check of its content will report
            try:
                _continue(client, url, part, staging, name=name, headers=headers)
                return
            except httpx.TransportError as error:
                if _size(part) <= before:
                    raise SourceUnreachable(f"{type(error).__name__}: {error}") from error
        raise SourceUnreachable(f"the connection broke {_MAX_RESUMES} times")
    finally:
        staging.watcher.ends(name)


def _continue(
    client: httpx.Client, url: str, part: Path, staging: Staging, *, name: str, headers: dict[str, str]
) -> None:
    received = _size(part)
    wanted = {**headers, "range": f"bytes={received}-"} if received else headers
    with client.stream("GET", url, headers=wanted) as answer:
        if answer.status_code >= 500:
            raise SourceUnreachable(f"HTTP {answer.status_code}")
        if answer.status_code >= 400:
            raise SourceFailed(f"HTTP {answer.status_code} for {name}")
        if answer.status_code != httpx.codes.PARTIAL_CONTENT:
            received = 0
        staging.need(int(answer.headers.get("content-length", 0)))
        with part.open("ab" if received else "wb") as file:
            # Unbuffered: larger blocks still being filled would be lost if the connection breaks.
            for block in answer.iter_raw():
                if staging.stopped.is_set():
                    raise Stopped
                file.write(block)
                received += len(block)
                staging.watcher.reached(name, received)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
