"""What clients name by its address is fetched only from where everybody may go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest

from saystream.config import FetchSettings, UploadSettings
from saystream.errors import AudioUndecodable, DownloadFailed, InvalidRequest
from saystream.server.web.fetching import MAX_SOUNDS, Fetcher, is_public
from saystream.voices.upload import UploadReader
from uploads import encoded

HERE = ip_network("127.0.0.0/8")


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::1"),
    ],
)
def test_no_other_address_is_unless_its_network_is_allowed(address: str) -> None:
    assert not is_public(address)
    assert is_public("::ffff:10.1.2.3", [ip_network("10.0.0.0/8")])


@asynccontextmanager
async def serving(answers: Mapping[str, bytes]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """An HTTP server with whole answers by their paths, and the heads of the requests that came."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        path = head.split()[1].decode()
        answer = answers.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        if answer:
            writer.write(answer)
            await writer.drain()
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads


def answer(body: bytes, **headers: str) -> bytes:
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


def redirect(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


def fetcher(**settings: Any) -> Any:
    known = FetchSettings(allowed_networks=(HERE,), **settings)
    return aclosing(Fetcher(known, UploadReader(UploadSettings())))


async def test_a_recording_is_fetched_and_decoded_once() -> None:
    wav = encoded("wav-16", 0.5)
    async with (
        serving({"/a%20b.wav?c=1": answer(wav, Content_Type="audio/wav")}) as (url, heads),
        fetcher() as own,
    ):
        address = f"{url}/a b.wav?c=1"
        sounds = await own.sounds([address, address])
    assert list(sounds) == [address]
    assert sounds[address].duration_ms == pytest.approx(500, abs=20)
    assert len(heads) == 1 and b"user-agent: saystream" in heads[0].lower()


async def test_a_redirect_is_followed_and_looked_at() -> None:
    moved = {"/a": redirect("/b"), "/b": answer(b"here"), "/inside": redirect("http://10.0.0.1/secret")}
    async with serving(moved) as (url, _), fetcher() as own:
        assert await own.fetch(f"{url}/a") == b"here"
        with pytest.raises(
            DownloadFailed, match=r"'10.0.0.1' is not a public address.*fetching.allowed_networks"
        ):
            await own.fetch(f"{url}/inside")


async def test_redirects_are_bounded() -> None:
    async with serving({"/a": redirect("/a")}) as (url, heads), fetcher(max_redirects=2) as own:
        with pytest.raises(DownloadFailed, match="more than 2 redirects"):
            await own.fetch(f"{url}/a")
    assert len(heads) == 3


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f000001"])
async def test_this_machine_is_not_fetched_from(host: str) -> None:
    async with serving({"/a": answer(b"secret")}) as (url, heads):
        port = url.rpartition(":")[2]
        async with aclosing(Fetcher(FetchSettings(), UploadReader(UploadSettings()))) as own:
            with pytest.raises(DownloadFailed):
                await own.fetch(f"http://{host}:{port}/a")
    assert heads == []


@pytest.mark.parametrize(
    "url",
    [
        *(
            "file:///etc/passwd",
            "ftp://a.example/b",
            "gopher://a.example",
            "data:audio/wav;base64,AA",
            "//a.example/b",
        ),
        *(
            "http://",
            "http://user:word@a.example/b",
            "http://a.example:0/",
            "http://[::1",
            "http://a.example:99999/",
        ),
        *("", "a.wav", "http://a.example/" + "a" * 3000),
    ],
)
async def test_what_is_no_plain_url_is_refused(url: str) -> None:
    async with fetcher() as own:
        with pytest.raises(DownloadFailed):
            await own.fetch(url)


async def test_a_host_that_there_is_not_is_named() -> None:
    async with fetcher() as own:
        with pytest.raises(DownloadFailed, match="no host 'nowhere.invalid'"):
            await own.fetch("http://nowhere.invalid/a.wav")


async def test_sizes_times_and_types_are_bounded() -> None:
    answers = {
        "/large": answer(b"a" * 5000),
        "/page": answer(b"<html>", Content_Type="text/html"),
        "/silent": b"",
        "/odd": b"no HTTP at all\r\n\r\n",
    }
    async with serving(answers) as (url, _), fetcher(max_bytes=4096, timeout_s=0.5) as own:
        for path, reason in {
            "large": "more than 4096 bytes",
            "page": "'text/html' and no recording",
            "silent": "did not arrive within 0.5 s",
            "odd": "the connection failed",
            "missing": "status 404",
        }.items():
            with pytest.raises(DownloadFailed, match=reason) as failed:
                await own.fetch(f"{url}/{path}")
            assert path not in failed.value.message.replace(reason, "")


async def test_more_is_fetched_where_more_is_allowed() -> None:
    async with serving({"/a": answer(b"a" * 5000)}) as (url, _), fetcher(max_bytes=1024) as own:
        assert len(await own.fetch(f"{url}/a", max_bytes=5000)) == 5000
        with pytest.raises(DownloadFailed, match="more than 4999 bytes"):
            await own.fetch(f"{url}/a", max_bytes=4999)


async def test_what_is_no_recording_is_refused_as_that() -> None:
    async with serving({"/a": answer(b"nothing to hear" * 100)}) as (url, _), fetcher() as own:
        with pytest.raises((AudioUndecodable, InvalidRequest)):
            await own.sounds([f"{url}/a"])


async def test_a_text_names_a_bounded_number_of_recordings() -> None:
    async with fetcher() as own:
        assert await own.sounds([]) == {}
        with pytest.raises(InvalidRequest, match=f"at most {MAX_SOUNDS}"):
            await own.sounds(f"http://a.example/{number}" for number in range(MAX_SOUNDS + 1))


async def test_recordings_are_bounded_together() -> None:
    wav = encoded("wav-16", 0.5)
    answers = {f"/{number}": answer(wav, Content_Type="audio/wav") for number in range(3)}
    async with serving(answers) as (url, _), fetcher(max_duration_s=1.2) as own:
        assert len(await own.sounds([f"{url}/0", f"{url}/1"])) == 2
        with pytest.raises(InvalidRequest, match=r"last more than 1.2 s"):
            await own.sounds(f"{url}{path}" for path in answers)
