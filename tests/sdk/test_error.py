from __future__ import annotations

from saystream.errors import ConnectionFailed, ConnectionLost, HandshakeRefused, SaystreamError
from saystream.sdk.common.error import ConnectFailed, DashScopeException, ModelRequired, NotConnected


def test_a_failed_connect_is_caught_by_every_name_a_caller_may_use() -> None:
    failed = ConnectFailed.from_failure(
        HandshakeRefused("no", status=429, remote_code="Throttling", retry_after_s=2)
    )
    for caught in (TimeoutError, ConnectionError, OSError, ConnectionFailed, SaystreamError):
        assert isinstance(failed, caught)
    assert (failed.status, failed.remote_code, failed.retry_after_s) == (429, "Throttling", 2)
    assert str(failed) == failed.message == "no"


def test_a_lost_connection_is_a_connection_error() -> None:
    lost = NotConnected.from_lost(ConnectionLost("gone", remote_close_code=1011, remote_close_reason="x"))
    assert isinstance(lost, ConnectionError)
    assert (str(lost), lost.remote_close_code, lost.remote_close_reason) == ("gone", 1011, "x")


def test_a_missing_model_is_an_error_of_the_vendors_tree() -> None:
    assert issubclass(ModelRequired, DashScopeException)
