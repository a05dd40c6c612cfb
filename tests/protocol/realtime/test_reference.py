"""The reference page says what the code says."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest

from saystream import errors
from saystream.parameters import PARAMETERS
from saystream.protocol.realtime.events import (
    ClientEvent,
    ContentPart,
    ErrorBody,
    Item,
    Response,
    ServerEvent,
    wire_type,
)
from saystream.protocol.realtime.server import UPDATE_REFUSED
from saystream.protocol.realtime.state import CLIENT_TABLE, RESPONSE_TABLE, SERVER_TABLE

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "realtime.md").read_text("utf-8")
CODES: dict[str, Any] = {
    error.code: error for error in vars(errors).values() if isinstance(error, type) and hasattr(error, "code")
}


def table(first: str, second: str) -> list[list[str]]:
    """The rows of the table whose heading begins with these two words."""
    lines = iter(PAGE.splitlines())
    for line in lines:
        if line.startswith(f"| {first} | {second} |"):
            break
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows[1:]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize(
    ("heading", "states"), [("Client", CLIENT_TABLE), ("Server", SERVER_TABLE), ("Response", RESPONSE_TABLE)]
)
def test_a_state_table_is_that_of_the_code(heading: str, states: dict[Enum, dict[str, Enum]]) -> None:
    assert table(heading, "Event") == [
        [state.value, f"`{kind}`", following.value]
        for state, row in states.items()
        for kind, following in row.items()
    ]


@pytest.mark.parametrize(
    ("section", "union"), [("Client events", ClientEvent), ("Server events", ServerEvent)]
)
def test_the_events_and_their_fields_are_those_of_the_code(section: str, union: Any) -> None:
    (text,) = re.findall(rf"^## {section}\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    events = text[text.index("| Event |") :].split("\n\n")[0]
    listed = {
        kind: words(cell) for kind, cell in re.findall(r"^\| `([^`]+)` \|([^|]*)\|", events, re.MULTILINE)
    }
    assert listed == {
        wire_type(event): [name for name in event.__struct_fields__ if name != "event_id"]
        for event in union.__args__
    }


def test_the_objects_and_their_fields_are_those_of_the_code() -> None:
    listed = {words(row[0])[0]: words(row[1].split(";")[0]) for row in table("Object", "Fields")}
    assert listed["response"] == list(Response.__struct_fields__)
    assert listed["item"] == list(Item.__struct_fields__)
    assert listed["error"] == list(ErrorBody.__struct_fields__)
    assert [*listed["part"], "transcript"] == list(ContentPart.__struct_fields__)


def test_the_session_fields_are_those_of_the_code() -> None:
    rows = table("Field", "Type")
    assert [words(row[0])[0] for row in rows] == list(PARAMETERS)
    for (_, wire_type_words, allowed, default), parameter in zip(rows, PARAMETERS.values(), strict=True):
        assert wire_type_words == parameter.wire_type
        assert allowed == parameter.allowed or words(allowed) == [str(value) for value in parameter.allowed]
        if parameter.default != "":
            assert words(default) == [msgspec.json.encode(parameter.default).decode().strip('"')]


def test_errors_that_the_session_survives_are_mistakes_of_the_client() -> None:
    for cell, _ in table("Code", "When"):
        assert issubclass(CODES[words(cell)[0]], errors.InvalidRequest)


def test_errors_that_end_the_connection_have_their_close_codes() -> None:
    for cell, close_code, _ in table("Code", "Close"):
        assert CODES[words(cell)[0]].close_code == int(close_code)


def test_the_documented_refusal_of_a_late_update_is_quoted() -> None:
    assert UPDATE_REFUSED in " ".join(PAGE.split())
