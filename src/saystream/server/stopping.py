"""The end of the process, whatever holds it up."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["STOPPED_AFTER_S", "end_process_in", "heed_signals_from_now"]

STOPPED_AFTER_S = 2.8
"""The process ends so long after its time to drain, even if a store hangs or a thread never returns."""

_LAST_LINE_S = 0.1
"""Time for the log to be written."""

_log = structlog.get_logger(__name__)


def heed_signals_from_now() -> None:
    """SIGTERM ends the process with code 0 from now on, also before there is anything to drain, and after it.

    Call it in the main thread. A server takes the signals over while it runs.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


def end_process_in(seconds: float, num_rows_lost: Callable[[], int]) -> None:
    """The process ends with code 0 after ``seconds``, unless it ended before. The log says how many usage rows are
    lost. Engine processes end by themselves when the server is gone."""

    def end() -> None:
        _log.error("ended while something did not answer", usage_rows_lost=num_rows_lost())
        time.sleep(_LAST_LINE_S)
        os._exit(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
