from __future__ import annotations

import pytest

from saystream.errors import HostRefused
from saystream.server.access.hosts import check_host

ALLOWED = frozenset({"speech.example.com"})


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:8321", "localhost.", "127.0.0.1:8321", "127.8.9.10", "[::1]:8321"),
        *("speech.example.com", "Speech.Example.com:443", None),
    ],
)
def test_names_of_this_machine_and_named_ones_are_served(host: str | None) -> None:
    check_host(host, ALLOWED)


@pytest.mark.parametrize(
    "host",
    [
        *("", ":8321", "rebound.example", "rebound.example:8321", "localhost.rebound.example", "192.168.1.2"),
        *(
            "localhost@rebound.example",
            "[::1",
            "127.0.0.1.rebound.example",
            "speech.example.com.rebound.example",
        ),
    ],
)
def test_any_other_name_is_refused(host: str) -> None:
    with pytest.raises(HostRefused, match="allowed_hosts"):
        check_host(host, ALLOWED)
