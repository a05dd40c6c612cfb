"""The document that routes give of themselves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from saystream.server.web.faults import DASHSCOPE, OPENAI, ErrorShape
from saystream.server.web.openapi import BINARY, Answer, DocumentedRoute, Operation, Parameter, document


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    colour: Literal["red", "blue"]
    size: Annotated[int, Meta(ge=1, le=9)] = 3


class Gift(msgspec.Struct):
    name: str


async def endpoint(request: Request) -> Response:
    return Response()


def described(path: str = "/v1/gifts/{name}", errors: ErrorShape = OPENAI) -> dict[str, Any]:
    operation = Operation(
        "give",
        "Gives",
        {200: Answer("It.", {"application/json": Gift, "image/png": BINARY}, {"x-ribbon": "Its colour."})},
        request=Wish,
        parameters=(Parameter("name", "path", "Whose.", {"type": "string"}),),
        refusals=(404,),
    )
    return document([DocumentedRoute(path, endpoint, method="POST", operation=operation, errors=errors)])


def test_a_body_has_the_schema_that_it_is_checked_by() -> None:
    schemas = described()["components"]["schemas"]
    assert schemas["Wish"]["required"] == ["colour"]
    assert schemas["Wish"]["additionalProperties"] is False
    assert schemas["Wish"]["properties"]["size"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
        "default": 3,
    }
    give = described()["paths"]["/v1/gifts/{name}"]["post"]
    reference = {"$ref": "#/components/schemas/Wish"}
    assert give["requestBody"] == {"required": True, "content": {"application/json": {"schema": reference}}}


def test_each_status_has_its_contents_and_headers() -> None:
    answers = described()["paths"]["/v1/gifts/{name}"]["post"]["responses"]
    assert list(answers) == ["200", "404", "500"]
    assert set(answers["200"]["content"]) == {"application/json", "image/png"}
    assert set(answers["200"]["headers"]) == {"x-request-id", "x-ribbon"}


def test_a_refusal_has_the_error_body_of_its_door() -> None:
    for errors, name in ((OPENAI, "OpenAIError"), (DASHSCOPE, "DashScopeError")):
        answers = described("/gifts/{name}", errors)["paths"]["/gifts/{name}"]["post"]["responses"]
        reference = {"$ref": f"#/components/schemas/{name}"}
        assert answers["404"]["content"]["application/json"]["schema"] == reference
        assert answers["500"]["content"]["application/json"]["schema"] == reference


def test_two_methods_of_one_path_stand_together() -> None:
    operation = Operation("see", "Sees", {200: Answer("It.", {"application/json": Gift})}, needs_key=False)
    other = Operation("take", "Takes", {200: Answer("It.", {"application/json": Gift})})
    written = document(
        [
            DocumentedRoute("/gift", endpoint, operation=operation, errors=OPENAI),
            DocumentedRoute("/gift", endpoint, method="POST", operation=other, errors=OPENAI),
        ]
    )["paths"]["/gift"]
    assert set(written) == {"get", "post"}
    assert "security" not in written["get"]
    assert written["post"]["security"]
