from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from saystream.errors import InvalidValue
from saystream.protocol.task.parameters import PARAMETER_NAMES, decode_parameters
from saystream.server.doors.task_schema import PARAMETER_SCHEMAS


def test_every_parameter_is_described() -> None:
    assert set(PARAMETER_SCHEMAS) == set(PARAMETER_NAMES)


@pytest.mark.parametrize(("name", "schema"), [*PARAMETER_SCHEMAS.items()])
def test_what_is_described_is_taken(name: str, schema: Mapping[str, Any]) -> None:
    limits = [schema[key] for key in ("default", "minimum", "maximum") if key in schema]
    for value in [*limits, *schema.get("enum", []), *schema.get("examples", [])]:
        assert getattr(decode_parameters({name: value}), name) == value


@pytest.mark.parametrize("name", [name for name, schema in PARAMETER_SCHEMAS.items() if "maximum" in schema])
def test_what_is_beyond_the_described_range_is_refused(name: str) -> None:
    schema = PARAMETER_SCHEMAS[name]
    for value in (schema["minimum"] - 1, schema["maximum"] + 1):
        with pytest.raises(InvalidValue):
            decode_parameters({name: value})
