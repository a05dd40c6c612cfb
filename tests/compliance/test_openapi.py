"""Requests made from our own OpenAPI document: no 500, no status and no body that it does not describe."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from saystream.bench import ServerProcess
from saystream.config import Settings
from saystream.server.app import DOORS
from saystream.server.doors.base import Services
from saystream.server.web.openapi import DocumentedRoute

pytestmark = pytest.mark.slow

ROUTES = [
    route
    for door in DOORS
    for route in door(cast(Services, SimpleNamespace(settings=Settings()))).routes()
    if isinstance(route, DocumentedRoute)
]


@schemathesis.serializer("application/zip")
def _archive(context: schemathesis.SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


EXAMPLES = 30
"""For each operation: some of them speak."""


@pytest.fixture(scope="module")
def base_url(start_server: Callable[..., ServerProcess]) -> str:
    return start_server("tone").url.replace("ws://", "http://")


@pytest.fixture(scope="module")
def described(base_url: str) -> Any:
    return schemathesis.openapi.from_url(f"{base_url}/openapi.json")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation.name)
def test_what_is_answered_is_what_is_described(route: Any, described: Any) -> None:
    operation = described[route.path_format][route.method]

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(
        case=st.one_of(
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE),
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE).map(made_sensible),
        )
    )
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(timeout=90, excluded_checks=[positive_data_acceptance])

    check()


# What is left out: that all which the schema allows is accepted. No schema says which voice goes with which model.


def made_sensible(case: schemathesis.Case[Any]) -> schemathesis.Case[Any]:
    """With names that exist and a text that can be spoken, which are not found by chance."""
    body: Any = case.body
    if isinstance(body, dict) and not isinstance(body["input"], dict):
        body.update(model="tts-1", voice="alloy", input="Hello.", response_format="wav", speed=1.0)
    elif isinstance(body, dict) and case.path.endswith("/customization"):
        described = {"voice_prompt": "A deep voice.", "preview_text": "Hello."}
        body["model"] = "qwen-voice-design"
        body["input"] = {"action": "create", "target_model": "qwen3-tts-vd-2026-01-26", **described}
    elif isinstance(body, dict):
        of_cosyvoice = case.path.endswith("/SpeechSynthesizer")
        body["model"] = "cosyvoice-v3-flash" if of_cosyvoice else "qwen3-tts-flash"
        body["input"].update(text="Hello.", voice="longanyang" if of_cosyvoice else "Cherry")
        if case.headers:
            case.headers["X-DashScope-SSE"] = "enable"
    return case


def test_every_operation_has_a_name_of_its_own(base_url: str) -> None:
    with urllib.request.urlopen(f"{base_url}/openapi.json", timeout=60) as answer:
        document = json.load(answer)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names) == 16
