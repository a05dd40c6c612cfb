"""Fetches what a client names by its address, without being led where the client could not go itself.

A client may name any URL, and the server stands inside a network that the client does not reach: other machines, the
server itself, the metadata service of a cloud. So an address is connected to only after it was looked up and found
public, and it is that address which is connected to, not the name once more. Redirects are looked at in the same way.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Collection, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

import httpcore

from saystream.errors import DownloadFailed, InvalidRequest, quote

if TYPE_CHECKING:
    from saystream.audio import AudioChunk
    from saystream.config import FetchSettings
    from saystream.voices.upload import UploadReader

__all__ = ["MAX_SOUNDS", "Fetcher", "is_public"]

MAX_SOUNDS: Final = 16
"""In one text."""

_MIN_SAMPLE_RATE = 8000
_MAX_URL_CHARACTERS = 2048
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: str, allowed: Collection[_Network] = ()) -> bool:
    """Whether everybody can reach ``address``, or it is in an ``allowed`` network. An address of IPv6 that stands for
    one of IPv4 is judged as that."""
    known: _Address = ipaddress.ip_address(address.partition("%")[0])
    inner: _Address | None = None
    if isinstance(known, ipaddress.IPv6Address):
        inner = known.ipv4_mapped or known.sixtofour or (known.teredo[1] if known.teredo else None)
        if known in _NAT64:
            inner = ipaddress.IPv4Address(int(known) & 0xFFFFFFFF)
    judged = inner or known
    if any(judged in network for network in allowed):
        return True
    return judged.is_global and not judged.is_multicast


class Fetcher:
    """Fetches audio by its URL. One for the whole server; close it at the end."""

    def __init__(self, settings: FetchSettings, reader: UploadReader) -> None:
        self._settings = settings
        self._reader = reader
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=settings.max_connections,
            max_keepalive_connections=0,
            network_backend=_PublicOnly(settings.allowed_networks),
        )

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def sounds(self, urls: Iterable[str]) -> dict[str, AudioChunk]:
        """The recordings at ``urls``, decoded: mono, at their own rates.

        Raises DownloadFailed, AudioRefused for what is no recording, InvalidRequest for more than ``MAX_SOUNDS`` or for
        recordings that are longer together than the settings allow, or a ServerFault if the server cannot decode now.
        """
        wanted = list(dict.fromkeys(urls))
        if len(wanted) > MAX_SOUNDS:
            raise InvalidRequest(
                f"The text names {len(wanted)} recordings; at most {MAX_SOUNDS} are allowed."
            )
        length = _Length(self._settings.max_duration_s)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._sound(url, length)) for url in wanted]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return {url: task.result() for url, task in zip(wanted, tasks, strict=True)}

    async def _sound(self, url: str, length: _Length) -> AudioChunk:
        recording = await self.fetch(url)
        sound = await self._reader.read(recording, min_sample_rate=_MIN_SAMPLE_RATE, min_duration_s=0.0)
        length.add(len(sound.samples) / sound.sample_rate)
        return sound

    async def fetch(self, url: str, *, max_bytes: int = 0) -> bytes:
        """The bytes at ``url``; ``max_bytes`` where there may be more of them than the setting allows.

        Raises DownloadFailed, whose message has no more of the URL than its host.
        """
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await self._follow(url, max(self._settings.max_bytes, max_bytes))
        except TimeoutError:
            raise _failed(url, f"it did not arrive within {self._settings.timeout_s:g} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            raise _failed(url, f"the connection failed ({type(error).__name__})") from None

    async def _follow(self, url: str, limit: int) -> bytes:
        for _ in range(self._settings.max_redirects + 1):
            _check_url(url)
            request = httpcore.Request("GET", _encoded(url), headers=_headers(url))
            response = await self._pool.handle_async_request(request)
            try:
                if response.status not in _REDIRECTS:
                    return await self._body(url, response, limit)
                location = _field(response, b"location")
            finally:
                await response.aclose()
            url = urljoin(url, location)
        raise _failed(url, f"more than {self._settings.max_redirects} redirects")

    async def _body(self, url: str, response: httpcore.Response, limit: int) -> bytes:
        if response.status != 200:
            raise _failed(url, f"it was answered with status {response.status}")
        kind = _field(response, b"content-type").lower()
        if kind.startswith(("text/", "application/json", "application/xml")):
            raise _failed(url, f"it is '{quote(kind)}' and no recording")
        parts: list[bytes] = []
        num_bytes = 0
        async with aclosing(response.aiter_stream()) as stream:  # type: ignore[type-var]  # it is a generator
            async for part in stream:
                num_bytes += len(part)
                if num_bytes > limit:
                    raise _failed(url, f"it has more than {limit} bytes")
                parts.append(part)
        return b"".join(parts)


class _Length:
    """Of the recordings of one text together."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """One more. Raises InvalidRequest if they are too long: then those that are not decoded yet never are."""
        self._sum_s += duration_s
        if self._sum_s > self._most_s:
            raise InvalidRequest(
                f"The recordings that the text names last more than {self._most_s:g} s, which is the limit together."
            )


class _PublicOnly(httpcore.AsyncNetworkBackend):
    """Connects to public addresses, and to those that are allowed."""

    def __init__(self, allowed: Collection[_Network]) -> None:
        self._allowed = tuple(allowed)
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - its caller's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise DownloadFailed(
                f"The recording cannot be fetched: there is no host '{quote(host)}'."
            ) from None
        addresses = [str(address[0]) for *_, address in found]
        # All of them: a name with a public and a private address is a trap.
        if not all(is_public(address, self._allowed) for address in addresses):
            raise DownloadFailed(
                f"The recording cannot be fetched: '{quote(host)}' is not a public address. If it is meant, name its"
                " network in the setting fetching.allowed_networks."
            )
        return await self._inner.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if len(url) > _MAX_URL_CHARACTERS or parts.scheme not in ("http", "https") or not host:
        raise DownloadFailed("The recording cannot be fetched: its address must be a URL with http or https.")
    if parts.username is not None or port == 0:
        raise DownloadFailed(
            "The recording cannot be fetched: its URL must have no user name and a usable port."
        )


def _encoded(url: str) -> httpcore.URL:
    parts = urlsplit(url)
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    return httpcore.URL(
        scheme=parts.scheme.encode(),
        host=(parts.hostname or "").encode("idna"),
        port=parts.port,
        target=_quoted(target),
    )


def _quoted(target: str) -> bytes:
    """Characters that a request line cannot hold as percent and hexadecimal digits."""
    return b"".join(byte.to_bytes() if 0x21 <= byte <= 0x7E else b"%%%02X" % byte for byte in target.encode())


def _headers(url: str) -> list[tuple[bytes, bytes]]:
    host = urlsplit(url).netloc.encode("idna")
    return [(b"Host", host), (b"User-Agent", b"saystream"), (b"Accept", b"audio/*, */*;q=0.5")]


def _field(response: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), "")


def _failed(url: str, reason: str) -> DownloadFailed:
    host = urlsplit(url).hostname or ""
    return DownloadFailed(f"The recording at '{quote(host)}' cannot be fetched: {reason}.")
