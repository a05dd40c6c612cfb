from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from starlette.requests import Request

from saystream.config import Settings
from saystream.errors import AccessDenied, ConfigurationError, InvalidRequest
from saystream.server.access.links import SECRET_FILE, Links, LinkSigner, base_url, read_secret

SIGNER = LinkSigner(b"x" * 32)
PATH = "20260101/a.wav"


def query(path: str = PATH, expires_at: int = 1000) -> dict[str, str]:
    return {name: value[0] for name, value in parse_qs(SIGNER.query(path, expires_at)).items()}


def request(scheme: str = "http", **headers: str) -> Request:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "scheme": scheme, "path": "/", "headers": raw, "server": ("s", 1)})


def test_a_link_is_good_until_its_end() -> None:
    SIGNER.check(PATH, query(), now_s=999.9)
    with pytest.raises(AccessDenied, match="expired"):
        SIGNER.check(PATH, query(), now_s=1000)


def test_a_link_is_of_one_path_and_one_secret() -> None:
    with pytest.raises(AccessDenied, match="signature"):
        SIGNER.check("20260101/b.wav", query(), now_s=0)
    with pytest.raises(AccessDenied, match="signature"):
        LinkSigner(b"y" * 32).check(PATH, query(), now_s=0)


@pytest.mark.parametrize("missing", ["expires", "signature"])
def test_a_link_has_both_its_parts(missing: str) -> None:
    given = query()
    del given[missing]
    with pytest.raises(AccessDenied):
        SIGNER.check(PATH, given, now_s=0)


@given(
    expires=st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from(["1001", "01000", "1e9", "-1"]),
    signature=st.text() | st.just(query()["signature"]),
)
def test_nothing_else_opens_a_file(expires: str, signature: str) -> None:
    assume((expires, signature) != ("1000", query()["signature"]))
    with pytest.raises(AccessDenied):
        SIGNER.check(PATH, {"expires": expires, "signature": signature}, now_s=0)


def test_a_signed_end_that_is_no_number_is_refused() -> None:
    signature = SIGNER._signature(PATH, "for ever")
    with pytest.raises(AccessDenied):
        SIGNER.check(PATH, {"expires": "for ever", "signature": signature}, now_s=0)


def test_the_secret_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with ThreadPoolExecutor(8) as threads:
        secrets = set(threads.map(lambda _: read_secret(folder), range(8)))
    assert len(secrets) == 1
    assert stat.S_IMODE((folder / SECRET_FILE).stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == [SECRET_FILE]


def test_a_secret_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    secret = read_secret(tmp_path)
    (tmp_path / SECRET_FILE).chmod(0o644)
    assert read_secret(tmp_path) == secret
    assert stat.S_IMODE((tmp_path / SECRET_FILE).stat().st_mode) == 0o600


def test_a_secret_that_is_too_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / SECRET_FILE).write_bytes(b"short")
    with pytest.raises(ConfigurationError, match="delete it"):
        read_secret(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_matter_of_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="data_dir|secret"):
        read_secret(tmp_path / "file" / "folder")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8321", "a-b.example.com", "[::1]:8321", "my_host"])
def test_links_lead_where_the_request_was_sent(host: str) -> None:
    assert base_url(request("https", host=host), None) == f"https://{host}"


@pytest.mark.parametrize(
    "host",
    ["", "a/b", "a b", "a@b", 'a"b', "a\r\nx: y", "a:port", "é.example", "[::1", "a" * 300, "a?b", "a#b"],
)
def test_a_host_that_is_none_is_refused_and_not_repeated(host: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        base_url(request(host=host), None)
    assert raised.value.message == "The header Host is missing or is not a host name."


def test_the_public_url_stands_for_any_host() -> None:
    assert (
        base_url(request(host="a b"), "https://speech.example.com/tts/") == "https://speech.example.com/tts"
    )


def test_a_link_leads_to_the_file_for_as_long_as_it_says() -> None:
    now_s = 1000.0
    links = Links(SIGNER, ttl_s=60, clock=lambda: now_s)
    link = links.link(request(host="localhost:8000"), PATH)
    assert link.url.startswith(f"http://localhost:8000/files/{PATH}?expires=1060&signature=")
    assert (link.path, link.expires_at) == (PATH, 1060)
    good = {name: value[0] for name, value in parse_qs(link.url.partition("?")[2]).items()}
    links.check(PATH, good)
    now_s = 1060.0
    with pytest.raises(AccessDenied, match="expired"):
        links.check(PATH, good)


def test_links_of_one_data_directory_are_good_after_a_restart(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, public_url="https://speech.example/")
    link = Links.of(settings).link(request(), PATH)
    assert link.url.startswith("https://speech.example/files/")
    good = {name: value[0] for name, value in parse_qs(link.url.partition("?")[2]).items()}
    Links.of(settings).check(PATH, good)
