"""What goes wrong is said in the words of the door, with the request's id, and nothing more."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from saystream.errors import BodyTooLarge, InvalidValue, LimitReached, Overloaded, QuotaExhausted
from saystream.server.web.faults import DASHSCOPE, EXCEPTION_HANDLERS, OPENAI, UnforeseenErrors
from saystream.server.web.openapi import DocumentedRoute, Operation
from saystream.server.web.request_ids import HEADER, RequestIds, request_id

ERRORS = {
    "value": InvalidValue("input.voice", "Chery", ["Cherry"]),
    "large": BodyTooLarge("too large"),
    "busy": Overloaded("come back later"),
    "rate": LimitReached("too fast", retry_after_s=12.3),
    "soon": LimitReached("too fast", retry_after_s=0.0),
    "month": QuotaExhausted("used up", retry_after_s=86_400.0),
    "bug": RuntimeError("a secret"),
}


async def fail(request: Request) -> Response:
    raise ERRORS[request.path_params["error"]]


async def tell_id(request: Request) -> Response:
    return Response(request_id())


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    failing = Operation("fail", "Fails", {})
    app = Starlette(
        routes=[
            DocumentedRoute("/v1/{error}", fail, operation=failing, errors=OPENAI),
            DocumentedRoute("/api/v1/{error}", fail, operation=failing, errors=DASHSCOPE),
            Route("/id", tell_id),
        ],
        middleware=[Middleware(RequestIds), Middleware(UnforeseenErrors, {"/v1/": OPENAI})],
        exception_handlers=EXCEPTION_HANDLERS,
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        yield client


async def test_a_route_with_openais_errors_has_openais_body(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/value")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"], error["code"]) == (
        "invalid_request_error",
        "input.voice",
        "invalid_value",
    )
    assert "Cherry" in error["message"]


async def test_a_route_with_dashscopes_errors_has_its_body_with_the_id_of_the_header(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/api/v1/value")
    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == "InvalidParameter"
    assert body["request_id"] == answer.headers[HEADER]


async def test_too_large_a_body_has_the_status_that_each_interface_documents(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/v1/large")).status_code == 413
    answer = await client.get("/api/v1/large")
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest.TooLarge")


async def test_what_may_work_later_says_when(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/busy")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "retry-after" not in (await client.get("/v1/value")).headers


@pytest.mark.parametrize("door", ["/v1", "/api/v1"])
async def test_a_limit_says_when_it_has_room_again(client: httpx.AsyncClient, door: str) -> None:
    answer = await client.get(f"{door}/rate")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "13")
    assert "x-should-retry" not in answer.headers
    assert (await client.get(f"{door}/soon")).headers["retry-after"] == "1"


@pytest.mark.parametrize("door", ["/v1", "/api/v1"])
async def test_a_month_that_is_used_up_is_not_tried_again_by_the_sdks(
    client: httpx.AsyncClient, door: str
) -> None:
    answer = await client.get(f"{door}/month")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "86400")
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("path", "field"),
    [("/nowhere", "code"), ("/v1/", "error"), ("/v1/a/b", "error"), ("/api/v1/a/b", "code")],
)
async def test_an_unknown_path_is_a_404_in_the_words_of_the_door_that_owns_it(
    client: httpx.AsyncClient, path: str, field: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert field in answer.json()


async def test_another_method_is_a_405_that_names_the_right_one(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/v1/value")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/v1/bug", "/api/v1/bug"])
async def test_a_mistake_of_ours_is_a_500_that_tells_nothing(
    client: httpx.AsyncClient, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL):
        answer = await client.get(path)
    assert answer.status_code == 500
    assert answer.headers[HEADER]
    assert "secret" not in answer.text and "Traceback" not in answer.text
    assert answer.headers["content-type"] == "application/json"


async def test_a_peer_that_leaves_before_its_body_has_come_is_one_line_of_the_log() -> None:
    async def read(request: Request) -> Response:
        return Response(await request.body())

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError("there is nobody to answer")

    app = Starlette(routes=[Route("/", read)], middleware=[Middleware(UnforeseenErrors)])
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    with structlog.testing.capture_logs() as lines:
        await app(scope, receive, send)
    assert [(line["event"], line["log_level"]) for line in lines] == [("peer gone", "info")]


async def test_every_request_has_an_id_of_its_own_and_a_sent_one_is_not_believed(
    client: httpx.AsyncClient,
) -> None:
    answers = [await client.get("/id", headers={HEADER: "mine"}) for _ in range(2)]
    ids = [answer.headers[HEADER] for answer in answers]
    assert ids == [answer.text for answer in answers]
    assert len({*ids, "mine"}) == 3
