from __future__ import annotations

import pytest

from saystream.protocol.close import Close


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("idle for 60 s", "idle for 60 s"),
        ("x" * 123, "x" * 123),
        ("All is taken. " + "Try again later. " * 10, "All is taken"),
        ("长" * 42, "长" * 41),
        ("é" * 62, "é" * 61),
    ],
)
def test_a_reason_fits_into_a_close_frame(reason: str, sent: str) -> None:
    close = Close.fitting(1000, reason)
    assert close == Close(1000, sent)
    assert len(close.reason.encode()) <= 123
