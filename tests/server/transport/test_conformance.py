"""The cases of Autobahn's test suite at the realtime door, under their numbers.

Autobahn talks to a server that sends back what it gets. The door answers a bad event with an error that names its
``event_id``: here that is the echo. Where the door differs from an echo, and where it is less strict than Autobahn
would like, docs/reference/realtime.md says so.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from server.live import Live

from .frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, chopped, frame, frame_peer

pytestmark = pytest.mark.asyncio(loop_scope="module")

Heard = list[tuple[str, Any]]

MEBIBYTE = 1 << 20
NORMAL = (1000).to_bytes(2)
GREEK = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
"""From Markus Kuhn's test of UTF-8 decoders, as all of sections 6.5 and up."""


def event(echo: str, num_bytes: int = 0) -> bytes:
    """Text that is answered with ``echoed(echo)``; padded to a length, if one is given."""
    written = json.dumps({"type": "none", "event_id": echo}, ensure_ascii=False).encode()
    return written + b" " * (num_bytes - len(written))


def echoed(*echoes: str) -> Heard:
    return [("invalid_event", echo) for echo in echoes]


def parts(text: bytes, size: int) -> list[bytes]:
    """One text message in frames of ``size``."""
    pieces = chopped(text, size)
    return [
        frame(CONT if number else TEXT, piece, fin=number == len(pieces) - 1)
        for number, piece in enumerate(pieces)
    ]


def by_octet(*frames: bytes) -> list[bytes]:
    return chopped(b"".join(frames), 1)


def in_one(*frames: bytes) -> list[bytes]:
    return [b"".join(frames)]


@pytest.fixture(autouse=True)
def no_error_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


# --- legal: everything is answered, and the connection stays until its peer closes it --------------------------------

HELLO = frame(TEXT, event("Hello"))
TWO = [frame(TEXT, event("two parts")[:9], fin=False), frame(CONT, event("two parts")[9:])]
FIVE = parts(event("five parts of a text"), 11)
assert len(FIVE) == 5
PING_1, PING_2 = frame(PING, b"pongme 1!"), frame(PING, b"pongme 2!")
PINGS = [frame(PING, b"payload-%d" % number) for number in range(10)]
PONGS: Heard = [("pong", b"payload-%d" % number) for number in range(10)]
MIXED = "Hello-µ@ßöäüàá-UTF-8!!"

LEGAL: dict[str, tuple[list[bytes], Heard]] = {
    "1.1.1": ([frame(TEXT)], echoed("")),
    **{
        f"1.1.{number}": ([frame(TEXT, event("x", length))], echoed("x"))
        for number, length in enumerate((125, 126, 127, 128, 65535, 65536), 2)
    },
    "1.1.8": (chopped(frame(TEXT, event("x", 65536)), 997), echoed("x")),
    "2.1": ([frame(PING)], [("pong", b"")]),
    "2.2": ([frame(PING, b"Hello, world!")], [("pong", b"Hello, world!")]),
    "2.3": ([frame(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")], [("pong", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")]),
    "2.4": ([frame(PING, b"\xfe" * 125)], [("pong", b"\xfe" * 125)]),
    "2.6": (by_octet(frame(PING, b"\xfe" * 125)), [("pong", b"\xfe" * 125)]),
    "2.7": ([frame(PONG)], []),
    "2.8": ([frame(PONG, b"unsolicited")], []),
    "2.9": ([frame(PONG, b"unsolicited"), frame(PING, b"ping")], [("pong", b"ping")]),
    "2.10": (in_one(*PINGS), PONGS),
    "2.11": (by_octet(*PINGS), PONGS),
    "5.3": (in_one(*TWO), echoed("two parts")),
    "5.4": (TWO, echoed("two parts")),
    "5.5": (by_octet(*TWO), echoed("two parts")),
    "5.6": (in_one(TWO[0], PING_1, TWO[1]), [("pong", b"pongme 1!"), *echoed("two parts")]),
    "5.7": ([TWO[0], PING_1, TWO[1]], [("pong", b"pongme 1!"), *echoed("two parts")]),
    "5.8": (by_octet(TWO[0], PING_1, TWO[1]), [("pong", b"pongme 1!"), *echoed("two parts")]),
    "6.1.1": ([frame(TEXT)], echoed("")),
    "6.1.2": ([frame(TEXT, fin=False), frame(CONT, fin=False), frame(CONT)], echoed("")),
    "6.1.3": ([frame(TEXT, fin=False), frame(CONT, event("middle"), fin=False), frame(CONT)], echoed("middle")),
    "6.2.1": ([frame(TEXT, event(MIXED))], echoed(MIXED)),
    "6.2.2": (parts(event(MIXED), event(MIXED).index("ü".encode())), echoed(MIXED)),
    "6.2.3": (parts(event(MIXED), 1), echoed(MIXED)),
    "6.2.4": (parts(event("κόσμε"), 1), echoed("κόσμε")),
    "7.1.1": ([HELLO], echoed("Hello")),
    **{
        f"9.1.{number}": ([frame(TEXT, event("long", length))], echoed("long"))
        for number, length in enumerate((MEBIBYTE // 16, MEBIBYTE // 4, MEBIBYTE), 1)
    },
    **{
        f"9.3.{number}": (in_one(*parts(event("long", MEBIBYTE), size)), echoed("long"))
        for number, size in enumerate((1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, MEBIBYTE), 3)
    },
    **{
        f"9.5.{number}": (chopped(frame(TEXT, event("long", MEBIBYTE // 4)), size), echoed("long"))
        for number, size in enumerate((64, 128, 256, 512, 1024, 2048), 1)
    },
    "10.1.1": (parts(event("x", 65536), 1300), echoed("x")),
}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "wanted"), [pytest.param(*case, id=name) for name, case in LEGAL.items()]
)
async def test_what_is_legal_is_answered(server: Live, written: list[bytes], wanted: Heard) -> None:
    async with frame_peer(server) as (peer, _):
        for octets in written:
            await peer.send(octets)
        await peer.hear(len(wanted))
        await peer.send(frame(CLOSE, NORMAL))
        await peer.hear_close()
    assert peer.heard == wanted
    assert peer.closed == (1000, b"")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(in_one(*FIVE[:2], PING_1), in_one(*FIVE[2:4], PING_2, FIVE[4]), id="5.19"),
        pytest.param([*FIVE[:2], PING_1], [*FIVE[2:4], PING_2, FIVE[4]], id="5.20"),
    ],
)
async def test_pings_are_answered_between_the_parts_of_a_message(
    server: Live, before: list[bytes], after: list[bytes]
) -> None:
    async with frame_peer(server) as (peer, _):
        for octets in before:
            await peer.send(octets)
        await peer.hear(1)
        for octets in after:
            await peer.send(octets)
        await peer.hear(3)
    assert peer.heard == [("pong", b"pongme 1!"), ("pong", b"pongme 2!"), *echoed("five parts of a text")]


@pytest.mark.parametrize("length", [pytest.param(0, id="9.7.1"), 64, 256, 1024, 4096])
async def test_many_messages_each_get_their_answer(server: Live, length: int) -> None:
    async with frame_peer(server) as (peer, _):
        for number in range(90):
            await peer.send(frame(TEXT, event(str(number), length) if length else b""))
            await peer.hear(number + 1)
    assert peer.heard == echoed(*[str(number) if length else "" for number in range(90)])


# --- illegal: the connection fails -----------------------------------------------------------------------------------

ILLEGAL: dict[str, list[bytes]] = {
    "2.5": [frame(PING, b"\xfe" * 126)],
    "3.1": [frame(TEXT, b"Hello", rsv=1)],
    "3.2": in_one(HELLO, frame(TEXT, b"Hello", rsv=2), frame(PING)),
    "3.3": [HELLO, frame(TEXT, b"Hello", rsv=3), frame(PING)],
    "3.4": by_octet(HELLO, frame(TEXT, b"Hello", rsv=4), frame(PING)),
    "3.5": [frame(BINARY, b"Hello", rsv=5)],
    "3.6": [frame(PING, b"Hello", rsv=6)],
    "3.7": [frame(CLOSE, rsv=7)],
    "4.1.1": [frame(3)],
    "4.1.2": [frame(4, b"reserved")],
    "4.1.3": in_one(HELLO, frame(5), frame(PING)),
    "4.1.4": in_one(HELLO, frame(6, b"reserved"), frame(PING)),
    "4.1.5": by_octet(HELLO, frame(7, b"reserved"), frame(PING)),
    "4.2.1": [frame(11)],
    "4.2.2": [frame(12, b"reserved")],
    "4.2.3": in_one(HELLO, frame(13), frame(PING)),
    "4.2.4": in_one(HELLO, frame(14, b"reserved"), frame(PING)),
    "4.2.5": by_octet(HELLO, frame(15, b"reserved"), frame(PING)),
    "5.1": in_one(frame(PING, b"1", fin=False), frame(CONT, b"2")),
    "5.2": in_one(frame(PONG, b"1", fin=False), frame(CONT, b"2")),
    "5.9": in_one(frame(CONT, b"nothing"), HELLO),
    "5.10": [frame(CONT, b"nothing"), HELLO],
    "5.11": by_octet(frame(CONT, b"nothing"), HELLO),
    "5.12": in_one(frame(CONT, b"nothing", fin=False), HELLO),
    "5.13": [frame(CONT, b"nothing", fin=False), HELLO],
    "5.14": by_octet(frame(CONT, b"nothing", fin=False), HELLO),
    "5.15": in_one(*parts(event("Hello"), 20), frame(CONT, b"nothing", fin=False), HELLO),
    "5.16": in_one(*[frame(CONT, b"1", fin=False), frame(TEXT, b"2", fin=False), frame(CONT, b"3")] * 2),
    "5.17": in_one(*[frame(CONT, b"1"), frame(TEXT, b"2", fin=False), frame(CONT, b"3")] * 2),
    "5.18": in_one(frame(TEXT, b"1", fin=False), frame(TEXT, b"2")),
    "not masked": [frame(TEXT, event("Hello"), masked=False)],
}


@pytest.mark.parametrize("written", [pytest.param(case, id=name) for name, case in ILLEGAL.items()])
async def test_what_is_illegal_ends_the_connection_with_1002(server: Live, written: list[bytes]) -> None:
    async with frame_peer(server) as (peer, _):
        for octets in written:
            await peer.send(octets)
        await peer.hear_close()
    assert peer.heard in ([], echoed("Hello"))
    assert peer.closed is not None
    assert peer.closed[0] == 1002


@pytest.mark.parametrize(
    "written",
    [
        *[
            pytest.param([frame(BINARY, b"\xfe" * length)], id=f"1.2.{number}")
            for number, length in enumerate((0, 125, 126, 127, 128, 65535, 65536), 1)
        ],
        pytest.param(chopped(frame(BINARY, b"\xfe" * 65536), 997), id="1.2.8"),
        pytest.param([frame(BINARY, b"\xfe" * MEBIBYTE)], id="9.2.3"),
        pytest.param([frame(BINARY, b"\xfe", fin=False), frame(CONT, b"\xfe")], id="9.4"),
    ],
)
async def test_binary_messages_are_refused_with_1003(server: Live, written: list[bytes]) -> None:
    async with frame_peer(server) as (peer, _):
        for octets in written:
            await peer.send(octets)
        await peer.hear_close()
    assert [code for code, _ in peer.heard] == ["binary_frame"]
    assert peer.closed is not None
    assert peer.closed[0] == 1003


@pytest.mark.parametrize(
    "written",
    [
        *[
            pytest.param([frame(TEXT, b"*" * (size * MEBIBYTE))[: MEBIBYTE // 2]], id=f"9.1.{number}")
            for number, size in enumerate((4, 8, 16), 4)
        ],
        pytest.param(parts(b"*" * (MEBIBYTE + 1), 1 << 16), id="9.3.6, one byte over the limit"),
        pytest.param([frame(TEXT, b"*" * (4 * MEBIBYTE))[:14]], id="9.3.9, only its head"),
    ],
)
async def test_messages_over_the_limit_are_refused_with_1009(server: Live, written: list[bytes]) -> None:
    async with frame_peer(server) as (peer, _):
        for octets in written:
            await peer.send(octets)
        await peer.hear_close()
    assert [code for code, _ in peer.heard] == ["frame_too_large"]
    assert peer.closed is not None
    assert peer.closed[0] == 1009


# --- 6: UTF-8 --------------------------------------------------------------------------------------------------------

_CUT_OFF = [b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80",
            b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"]  # fmt: skip

UTF8: dict[str, list[bytes]] = {
    "6.5": [b"hello\x24world", b"hello\xc2\xa2world", b"hello\xe2\x82\xacworld", b"hello\xf0\xa4\xad\xa2world",
            GREEK],
    "6.6": [GREEK[:length] for length in range(1, len(GREEK) + 1)],
    "6.7": [b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"],
    "6.8": [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
    "6.9": [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"],
    "6.10": [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
    "6.11": [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"],
    "6.12": [b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80", b"\x80\xbf\x80\xbf", b"\x80\xbf\x80\xbf\x80",
             b"\x80\xbf\x80\xbf\x80\xbf", bytes(range(0x80, 0xBF))],
    "6.13": [b"".join(bytes([start, 0x20]) for start in range(*ends))
             for ends in ((0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD))],
    "6.14": _CUT_OFF,
    "6.15": [b"".join(_CUT_OFF)],
    "6.16": [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"],
    "6.17": [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"],
    "6.18": [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf"],
    "6.19": [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"],
    "6.20": [b"\xed" + rest for rest in
             (b"\xa0\x80", b"\xad\xbf", b"\xae\x80", b"\xaf\xbf", b"\xb0\x80", b"\xbe\x80", b"\xbf\xbf")],
    "6.21": [b"\xed" + high + b"\xed" + low
             for high in (b"\xa0\x80", b"\xad\xbf", b"\xae\x80", b"\xaf\xbf") for low in (b"\xb0\x80", b"\xbf\xbf")],
    "6.22": [chr(plane << 16 | last).encode() for plane in range(17) for last in (0xFFFE, 0xFFFF)],
    "6.23": [chr(code).encode() for code in range(0xFFF9, 0x10000)],
}  # fmt: skip
VALID = {"6.5", "6.6.2", "6.6.5", "6.6.7", "6.6.9", "6.6.11", "6.7", "6.9",
         "6.11.1", "6.11.2", "6.11.3", "6.11.4", "6.22", "6.23"}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        pytest.param(text, bool({section, f"{section}.{number}"} & VALID), id=f"{section}.{number}")
        for section, texts in UTF8.items()
        for number, text in enumerate(texts, 1)
    ],
)
async def test_text_is_utf8(server: Live, text: bytes, valid: bool) -> None:
    async with frame_peer(server) as (peer, _):
        await peer.send(frame(TEXT, text))
        if valid:
            await peer.send(frame(TEXT, event(text.decode())))
            await peer.hear(2)
            await peer.send(frame(CLOSE, NORMAL))
        await peer.hear_close()
    assert peer.heard == (echoed("", text.decode()) if valid else [])
    assert peer.closed is not None
    assert peer.closed[0] == (1000 if valid else 1007)


SURROGATE, BEYOND = b"\xed\xa0\x80", b"\xf4\x90\x80\x80"


@pytest.mark.parametrize(
    "written",
    [
        pytest.param([frame(TEXT, GREEK + SURROGATE + b"edited")], id="6.3.1"),
        pytest.param(parts(GREEK + SURROGATE + b"edited", 1), id="6.3.2"),
        pytest.param([frame(TEXT, GREEK, fin=False), frame(CONT, BEYOND, fin=False)], id="6.4.1"),
        pytest.param(
            [frame(TEXT, GREEK + BEYOND[:1], fin=False), frame(CONT, BEYOND[1:2], fin=False)], id="6.4.2"
        ),
        pytest.param(chopped(frame(TEXT, GREEK + BEYOND + b"edited"), 17), id="6.4.3"),
        pytest.param(chopped(frame(TEXT, GREEK + BEYOND + b"edited"), 18), id="6.4.4"),
        pytest.param([frame(TEXT, GREEK[:1], fin=False), frame(CONT)], id="cut off at the end"),
    ],
)
async def test_text_that_is_not_utf8_is_refused_with_the_frame_that_shows_it(
    server: Live, written: list[bytes]
) -> None:
    async with frame_peer(server) as (peer, _):
        for octets in written:
            await peer.send(octets)
        await peer.hear_close()
    assert peer.heard == []
    assert peer.closed is not None
    assert peer.closed[0] == 1007


async def test_a_character_may_be_cut_by_a_ping(server: Live) -> None:
    text = event("κόσμε")
    middle = text.index("ό".encode()) + 1
    async with frame_peer(server) as (peer, _):
        await peer.send(frame(TEXT, text[:middle], fin=False) + PING_1 + frame(CONT, text[middle:]))
        await peer.hear(2)
    assert peer.heard == [("pong", b"pongme 1!"), *echoed("κόσμε")]


# --- 7: the close ----------------------------------------------------------------------------------------------------


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2) + reason)


CLOSES: dict[str, tuple[list[bytes], int, bytes | None]] = {
    "7.1.2": (in_one(close(1000), frame(CLOSE)), 1000, b""),
    "7.1.3": (in_one(close(1000), frame(PING)), 1000, b""),
    "7.1.4": (in_one(close(1000), HELLO), 1000, b""),
    "7.1.5": (in_one(TWO[0], close(1000), TWO[1]), 1000, b""),
    "7.1.5, in parts": ([TWO[0], close(1000), TWO[1]], 1000, b""),
    "7.3.1": ([frame(CLOSE)], 1005, b""),
    "7.3.2": ([frame(CLOSE, b"a")], 1002, None),
    "7.3.3": ([close(1000)], 1000, b""),
    "7.3.4": ([close(1000, b"Hello World!")], 1000, b"Hello World!"),
    "7.3.5": ([close(1000, b"*" * 123)], 1000, b"*" * 123),
    "7.3.6": ([close(1000, b"*" * 124)], 1002, None),
    "7.5.1": ([close(1000, GREEK + SURROGATE)], 1007, None),
    **{
        f"7.7.{number}": ([close(code)], code, b"")
        for number, code in enumerate(
            (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999), 1
        )
    },
    **{
        f"7.9.{number}": ([close(code)], 1002, None)
        for number, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1)
    },
    "7.13.1": ([close(5000)], 1002, None),
    "7.13.2": ([close(65535)], 1002, None),
}


@pytest.mark.parametrize(
    ("written", "code", "reason"), [pytest.param(*case, id=name) for name, case in CLOSES.items()]
)
async def test_a_close_is_echoed_if_it_is_legal(
    server: Live, written: list[bytes], code: int, reason: bytes | None
) -> None:
    async with frame_peer(server) as (peer, _):
        for octets in written:
            await peer.send(octets)
        await peer.hear_close()
    assert peer.heard == []
    assert peer.closed is not None
    assert peer.closed[0] == code
    assert reason in (None, peer.closed[1])


async def test_a_close_after_much_text_is_answered(server: Live) -> None:
    """Case 7.1.6."""
    async with frame_peer(server) as (peer, _):
        await peer.send(frame(TEXT, event("long", 1 << 18)) + HELLO + close(1000) + frame(PING))
        await peer.hear_close()
    assert peer.heard in ([], echoed("long"), echoed("long", "Hello"))
    assert peer.closed == (1000, b"")


@pytest.mark.parametrize(
    "octets", [pytest.param(close(1000), id="legal"), pytest.param(frame(3), id="illegal")]
)
async def test_after_its_close_the_server_ends_the_connection(server: Live, octets: bytes) -> None:
    async with frame_peer(server) as (peer, _):
        await peer.send(octets)
        await peer.hear_close()
        assert await peer.raw.rest() == b""


# --- 12 and 13: compression is not offered ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param(b"", id="12"),
        pytest.param(b"; client_no_context_takeover; client_max_window_bits", id="13.1"),
        pytest.param(b"; server_no_context_takeover; client_max_window_bits", id="13.2"),
        pytest.param(b"; server_max_window_bits=9; client_max_window_bits", id="13.3"),
        pytest.param(b"; server_max_window_bits=15; client_max_window_bits", id="13.4"),
        pytest.param(b"; server_no_context_takeover; server_max_window_bits=9", id="13.5"),
        pytest.param(b"; server_no_context_takeover; server_max_window_bits=15", id="13.6"),
        pytest.param(b"; server_max_window_bits=9, permessage-deflate", id="13.7"),
    ],
)
async def test_compression_is_declined_and_a_compressed_frame_refused(
    server: Live, parameters: bytes
) -> None:
    offer = b"Sec-WebSocket-Extensions: permessage-deflate" + parameters
    async with frame_peer(server, offer) as (peer, answered):
        assert "sec-websocket-extensions" not in answered
        await peer.send(HELLO)
        await peer.hear(1)
        assert peer.heard == echoed("Hello")
        await peer.send(frame(TEXT, event("Hello"), rsv=0b100))
        await peer.hear_close()
    assert peer.closed is not None
    assert peer.closed[0] == 1002
