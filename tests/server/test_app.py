from __future__ import annotations

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from server.live import live_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_at_its_start_it_says_who_speaks_each_language_and_what_would_make_it_better(
    tmp_path: Path,
) -> None:
    order = ("kokoro", "supertonic", "tone")
    with capture_logs() as logs:
        async with live_server(tmp_path, engine="auto", engine_order=order, models_dir=tmp_path) as live:
            status, body = await live.get("/v1/voices")
    said = {line["language"]: line for line in logs if line["event"] == "speaks"}
    assert len(said) == 10
    assert {(line["engine"], line["quality"]) for line in said.values()} == {("tone", "robotic")}
    assert said["Chinese"]["remedy"] == "saystream models pull kokoro"
    assert said["German"]["remedy"] == "saystream models pull supertonic-3"
    assert {line["log_level"] for line in said.values()} == {"warning"}
    assert said["Chinese"]["reason"] == "kokoro cannot run"
    assert said["Chinese"]["native_voices"] == 0

    assert status == 200
    advice = {spoken["code"]: spoken["advice"] for spoken in json.loads(body)["data"][0]["languages"]}
    assert (advice["zh"], advice["ko"]) == (
        "saystream models pull kokoro",
        "saystream models pull supertonic-3",
    )
