from __future__ import annotations

import hashlib
import socket

import httpx
import pytest

from saystream.models.download import download, open_client
from saystream.models.manifest import FileEntry
from saystream.models.staging import SourceFailed, SourceUnreachable, Staging, Stopped

from .conftest import Notes
from .servers import FileServer, sha256

CONTENT = bytes(range(256)) * 4000
KNOWN = FileEntry(len(CONTENT), sha256(CONTENT))
SMALL = FileEntry(len(CONTENT), git_blob=hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest())
"""As the hub states small files."""


@pytest.fixture
def at(server: FileServer) -> FileServer:
    server.files["/m"] = CONTENT
    return server


def fetch(client: httpx.Client, server: FileServer, staging: Staging, entry: FileEntry = KNOWN) -> None:
    download(client, f"{server.address}/m", staging, path="m", entry=entry, version="1", source="a test")


def assert_delivered(staging: Staging) -> None:
    assert (staging.files / "m").read_bytes() == CONTENT
    assert not staging.part("m", "1").exists()


@pytest.mark.parametrize("entry", [KNOWN, SMALL])
def test_a_file_is_delivered(
    at: FileServer, client: httpx.Client, staging: Staging, entry: FileEntry, notes: Notes
) -> None:
    fetch(client, at, staging, entry)
    assert_delivered(staging)
    assert (notes.begun, notes.ended) == ({"m": entry.size}, ["m"])
    assert notes.sizes["m"] == len(CONTENT)


@pytest.mark.parametrize("entry", [KNOWN, SMALL])
@pytest.mark.parametrize("begun", [1, 5000, len(CONTENT) - 1])
def test_a_download_goes_on_where_it_was_interrupted(
    at: FileServer, client: httpx.Client, staging: Staging, begun: int, entry: FileEntry
) -> None:
    staging.part("m", "1").write_bytes(CONTENT[:begun])
    fetch(client, at, staging, entry)
    assert_delivered(staging)
    assert at.requested("m") == [begun]


def test_a_complete_part_needs_no_request(at: FileServer, client: httpx.Client, staging: Staging) -> None:
    staging.part("m", "1").write_bytes(CONTENT)
    fetch(client, at, staging)
    assert_delivered(staging)
    assert at.requests == []


def test_a_connection_that_breaks_is_made_again(
    at: FileServer, client: httpx.Client, staging: Staging
) -> None:
    at.breaks_after["/m"] = [10_000, 20_000, 1]
    fetch(client, at, staging)
    assert_delivered(staging)
    assert at.requested("m") == [0, 10_000, 30_000, 30_001]


def test_a_connection_that_gives_nothing_is_given_up(
    at: FileServer, client: httpx.Client, staging: Staging
) -> None:
    at.breaks_after["/m"] = [10_000, 0]
    with pytest.raises(SourceUnreachable):
        fetch(client, at, staging)
    assert staging.part("m", "1").read_bytes() == CONTENT[:10_000], "the next pull goes on with it"


def test_a_server_that_knows_no_ranges_begins_anew(
    at: FileServer, client: httpx.Client, staging: Staging
) -> None:
    at.resumes = False
    staging.part("m", "1").write_bytes(CONTENT[:5000])
    fetch(client, at, staging)
    assert_delivered(staging)


@pytest.mark.parametrize("stale", [b"\xff" * 5000, b"\xff" * len(CONTENT), b"\xff" * (len(CONTENT) + 5)])
def test_a_part_that_was_bad_is_thrown_away_and_fetched_once_more(
    at: FileServer, client: httpx.Client, staging: Staging, stale: bytes
) -> None:
    staging.part("m", "1").write_bytes(stale)
    fetch(client, at, staging)
    assert_delivered(staging)


@pytest.mark.parametrize("bad", [CONTENT[:-1] + b"\x00\x01", CONTENT[:-1], bytes(len(CONTENT))])
def test_a_file_that_is_bad_there_is_refused(
    at: FileServer, client: httpx.Client, staging: Staging, bad: bytes
) -> None:
    at.files["/m"] = bad
    with pytest.raises(SourceFailed):
        fetch(client, at, staging)
    assert not (staging.files / "m").exists()


def test_a_file_that_is_not_there_is_told_from_a_server_that_fails(
    at: FileServer, client: httpx.Client, staging: Staging
) -> None:
    at.refusals["/m"] = 404
    with pytest.raises(SourceFailed, match="HTTP 404 for m") as raised:
        fetch(client, at, staging)
    assert not isinstance(raised.value, SourceUnreachable)
    at.refusals["/m"] = 503
    with pytest.raises(SourceUnreachable, match="HTTP 503"):
        fetch(client, at, staging)


def test_nobody_there_is_unreachable(client: httpx.Client, staging: Staging) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SourceUnreachable, match="ConnectError"):
        fetch(client, FileServer(address=f"http://127.0.0.1:{port}"), staging)


def test_a_download_ends_when_the_pull_is_over(
    at: FileServer, client: httpx.Client, staging: Staging
) -> None:
    staging.stopped.set()
    with pytest.raises(Stopped):
        fetch(client, at, staging)


@pytest.mark.parametrize("entry", [FileEntry(), FileEntry(len(CONTENT)), FileEntry(sha256=sha256(CONTENT))])
def test_a_file_that_cannot_be_checked_is_not_taken(
    at: FileServer, client: httpx.Client, staging: Staging, entry: FileEntry
) -> None:
    with pytest.raises(SourceFailed, match="not known|no known checksum"):
        fetch(client, at, staging, entry)
    assert not staging.delivered


@pytest.mark.parametrize("begun", [0, 10])
def test_a_download_stops_at_its_size(
    at: FileServer, client: httpx.Client, staging: Staging, begun: int
) -> None:
    at.endless.add("/m")
    staging.part("m", "1").write_bytes(CONTENT[:begun])
    with pytest.raises(SourceFailed, match=f"m does not end after its {len(CONTENT)} bytes"):
        fetch(client, at, staging)
    assert staging.part("m", "1").stat().st_size <= len(CONTENT)


@pytest.mark.parametrize("status", [201, 204, 300, 304, 418])
def test_any_other_answer_than_the_file_is_refused(
    at: FileServer, client: httpx.Client, staging: Staging, status: int
) -> None:
    at.refusals["/m"] = status
    with pytest.raises(SourceFailed, match=f"HTTP {status} for m"):
        fetch(client, at, staging)


def test_a_redirect_to_the_file_is_followed(at: FileServer, client: httpx.Client, staging: Staging) -> None:
    at.redirects["/m"] = "/there"
    at.files["/there"] = CONTENT
    fetch(client, at, staging)
    assert_delivered(staging)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("/m", "TooManyRedirects"),
        ("file:///etc/passwd", "from http to file"),
        ("ftp://example.com/m", "from http to ftp"),
        ("http://host:port/m", "no address"),
        ("http://\u202e", "no address"),
        ("", "TooManyRedirects"),
    ],
)
def test_a_redirect_elsewhere_is_refused_in_one_line(
    at: FileServer, client: httpx.Client, staging: Staging, location: str, reason: str
) -> None:
    at.redirects["/m"] = location
    with pytest.raises(SourceFailed, match=reason) as refused:
        fetch(client, at, staging)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("https://93.184.215.14/m", "http://93.184.215.14/m", "from https to http"),
        ("https://93.184.215.14/m", "https://127.0.0.1/m", "into a private network"),
        ("https://93.184.215.14/m", "https://localhost/m", "into a private network"),
        ("https://93.184.215.14/m", "https://169.254.169.254/latest", "into a private network"),
        ("https://93.184.215.14/m", "https://[fd00::1]/m", "into a private network"),
    ],
)
def test_a_redirect_never_loses_encryption_or_enters_a_private_network(
    staging: Staging, before: str, after: str, reason: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == before, "the redirect was followed"
        return httpx.Response(302, headers={"location": after})

    with open_client() as real:
        transport = httpx.MockTransport(answer)
        with httpx.Client(transport=transport, follow_redirects=True, event_hooks=real.event_hooks) as client:
            with pytest.raises(SourceFailed, match=reason):
                download(client, before, staging, path="m", entry=KNOWN, version="1", source="a test")
