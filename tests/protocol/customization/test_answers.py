from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from saystream.protocol.customization.answers import (
    CustomizationAnswer,
    Likeness,
    Preview,
    changed,
    created,
    deleted,
    listed,
    queried,
)
from saystream.protocol.customization.names import Family, Origin, Status

CREATED, MODIFIED = datetime(2030, 1, 2, tzinfo=UTC), datetime(2030, 1, 3, 4, 5, 6, tzinfo=UTC)
TIMES = {"gmt_create": "2030-01-02 00:00:00", "gmt_modified": "2030-01-03 04:05:06"}


@dataclass
class Voice:
    family: Family
    origin: Origin = "cloned"
    name: str = "n"
    target_model: str = "m"
    language: str = "en"
    description: str = "deep"
    preview_text: str = "Hello."
    status: Status = "OK"
    created_at: datetime = CREATED
    modified_at: datetime = MODIFIED


def told(answer: CustomizationAnswer) -> tuple[Any, int]:
    body = json.loads(answer.encode())
    assert body.keys() == {"output", "usage", "request_id"} and body["request_id"] == "r"
    return body["output"], body["usage"]["count"]


def test_a_clone_is_told_by_its_name_and_model() -> None:
    likeness = Likeness()
    voice = Voice("qwen-voice-enrollment")
    assert told(created(voice, request_id="r", likeness=likeness)) == ({"voice": "n", "target_model": "m"}, 1)
    assert told(created(Voice("voice-enrollment"), request_id="r", likeness=likeness)) == (
        {"voice_id": "n"},
        1,
    )


def test_a_clone_that_is_no_clone_is_called_what_it_is() -> None:
    likeness = Likeness("voice_match", 0.43219, ["Two people speak."])
    facts = {
        "fallback_mode": "voice_match",
        "fallback_reason": "no_cloning_engine",
        "similarity": 0.432,
        "warnings": ["Two people speak."],
    }
    output, _ = told(created(Voice("voice-enrollment"), request_id="r", likeness=likeness))
    assert output == {"voice_id": "n", **facts}
    assert told(changed(likeness, request_id="r")) == (facts, 1)


def test_a_design_is_told_with_its_preview() -> None:
    preview = Preview(b"\x00\x01\x00", 24000, "wav")
    audio = {"data": "AAEA", "sample_rate": 24000, "response_format": "wav"}
    for family, name in (("qwen-voice-design", "voice"), ("voice-enrollment", "voice_id")):
        voice = Voice(family, "designed")  # type: ignore[arg-type]
        output, _ = told(created(voice, request_id="r", preview=preview))
        assert output == {name: "n", "target_model": "m", "preview_audio": audio}


def test_a_page_of_qwen_is_told_with_its_place() -> None:
    page = {"page_index": 3, "page_size": 5, "total_count": 16}
    clone, design = Voice("qwen-voice-enrollment"), Voice("qwen-voice-design", "designed")
    entry = {"voice": "n", **TIMES, "language": "en", "target_model": "m"}
    described = {**entry, "voice_prompt": "deep", "preview_text": "Hello."}
    assert told(listed("qwen-voice-enrollment", [clone], **page, request_id="r")) == (
        {**page, "voice_list": [entry]},
        0,
    )
    assert told(listed("qwen-voice-design", [design], **page, request_id="r")) == (
        {**page, "voice_list": [described]},
        0,
    )


def test_a_page_of_cosyvoice_is_only_a_list() -> None:
    voices = [Voice("voice-enrollment"), Voice("voice-enrollment", "designed", status="DEPLOYING")]
    page = listed("voice-enrollment", voices, page_index=0, page_size=10, total_count=2, request_id="r")
    clone = {"voice_id": "n", **TIMES, "status": "OK"}
    design = {**clone, "voice_prompt": "deep", "preview_text": "Hello.", "status": "DEPLOYING"}
    assert told(page) == ({"voice_list": [clone, design]}, 1)


def test_one_voice_is_told_as_its_family_does() -> None:
    design = Voice("qwen-voice-design", "designed")
    described = {"voice_prompt": "deep", "preview_text": "Hello."}
    assert told(queried(design, request_id="r")) == (
        {"voice": "n", "target_model": "m", **TIMES, "language": "en", **described},
        0,
    )
    cosy = queried(Voice("voice-enrollment"), request_id="r", resource_link="http://x")
    assert told(cosy) == (
        {"voice_id": "n", "target_model": "m", **TIMES, "resource_link": "http://x", "status": "OK"},
        1,
    )


def test_a_deletion_is_told_by_name_or_not_at_all() -> None:
    assert told(deleted("qwen-voice-design", "n", request_id="r")) == ({"voice": "n"}, 0)
    assert told(deleted("voice-enrollment", "n", request_id="r")) == ({}, 1)
