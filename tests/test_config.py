from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from saystream.config import Settings


@pytest.mark.parametrize("option", ["secret\udcff", {"secret\udcff": 1}, ["secret\udcff"]])
def test_an_option_that_cannot_go_to_the_process_of_an_engine_is_refused_at_the_start(option: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(engines={"upstream": {"model": option}})
    error = refused.value.errors()[0]
    assert error["loc"] == ("engines", "upstream")
    assert "text that is not UTF-8" in error["msg"]
    assert "secret" not in error["msg"]


def test_other_options_stay_as_they_are() -> None:
    options = {"url": "http://a", "voices": {"A": {"name": "ä"}}, "servers": [1, 2.5, True]}
    assert Settings(engines={"upstream": options}).engines == {"upstream": options}
