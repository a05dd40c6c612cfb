from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.errors import RemoteProtocolError
from saystream.protocol.http.sse import EventParser, ServerSentEvent, encode_frame


def parse(stream: bytes, *cuts: int, max_event_bytes: int = 1000) -> list[ServerSentEvent]:
    parser = EventParser(max_event_bytes=max_event_bytes)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    events = []
    for start, end in zip(edges, edges[1:], strict=False):
        events += parser.push(stream[start:end])
    return events + parser.flush()


def test_frames_are_those_of_the_service_to_the_letter() -> None:
    assert (
        encode_frame(1, "result", 200, b'{"a":1}')
        == b'id:1\nevent:result\n:HTTP_STATUS/200\ndata:{"a":1}\n\n'
    )
    assert encode_frame(12, "error", 400, b"{}") == b"id:12\nevent:error\n:HTTP_STATUS/400\ndata:{}\n\n"


def test_a_frame_is_read_as_it_was_written() -> None:
    assert parse(encode_frame(3, "error", 429, b"{}")) == [
        ServerSentEvent("{}", event="error", id="3", status=429)
    ]


@given(
    bodies=st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), min_size=1),
    cuts=st.lists(st.integers(0, 10_000)),
)
def test_the_events_do_not_depend_on_how_the_bytes_are_cut(bodies: list[str], cuts: list[int]) -> None:
    stream = b"".join(encode_frame(i, "result", 200, body.encode()) for i, body in enumerate(bodies, 1))
    events = parse(stream, *cuts, max_event_bytes=len(stream))
    assert [event.data for event in events] == [body.removeprefix(" ") for body in bodies]
    assert [event.id for event in events] == [str(i) for i in range(1, len(bodies) + 1)]


def test_spaces_line_ends_of_windows_comments_and_unknown_fields_are_taken() -> None:
    stream = b": hello\r\n\r\nid: 1\r\nretry: 5\r\nevent: result\r\ndata: a\r\ndata: b\r\n\r\n"
    assert parse(stream) == [ServerSentEvent("a\nb", event="result", id="1")]


def test_a_status_line_wins_over_the_one_in_the_comment() -> None:
    assert parse(b"event:error\nstatus:429\n:HTTP_STATUS/400\ndata:{}\n\n")[0].status == 429


@pytest.mark.parametrize("status", ["many", "", "-1", "4294967296", "9" * 5000, "\u0664\u0660\u0660"])
def test_a_status_that_is_none_is_passed_over(status: str) -> None:
    stream = f"status:{status}\ndata:{{}}\n\n".encode()
    assert parse(stream, max_event_bytes=10_000)[0].status == 200


def test_an_event_without_an_empty_line_at_its_end_is_given_by_flush() -> None:
    assert parse(b"data:{}") == [ServerSentEvent("{}")]


@pytest.mark.parametrize("stream", [b"data:" + b"x" * 1000, b"data:xxxxxxxx\n" * 100])
def test_an_endless_event_is_refused(stream: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="more than 1000 bytes"):
        parse(stream)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_whether_an_event_is_too_large_does_not_depend_on_how_the_bytes_are_cut(end: bytes) -> None:
    stream = b"id:1" + end + b"data:abcdefgh" + end + end
    for cuts in ((), tuple(range(len(stream)))):
        assert len(parse(stream * 2, *cuts, max_event_bytes=len(stream))) == 2
        with pytest.raises(RemoteProtocolError, match="more than"):
            parse(stream, *cuts, max_event_bytes=len(stream) - 1)


def test_what_is_no_utf8_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="UTF-8"):
        parse(b"data:\xff\n\n")
