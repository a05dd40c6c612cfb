"""Our own faults."""

from collections.abc import Mapping
from typing import ClassVar

from saystream.errors.base import SaystreamError


class ServerFault(SaystreamError, close_code=1011):
    """Our fault."""

    close_code: ClassVar[int]


class EngineFault(ServerFault, code="engine_error"):
    """An engine could not speak a segment."""


class EngineCrashed(EngineFault, code="engine_crashed", retryable=True):
    """The engine's process ended while it was speaking."""


class EngineStalled(EngineFault, code="engine_stalled", retryable=True):
    """The engine produced no audio for longer than the limit and was stopped."""


class EngineOutputInvalid(EngineFault, code="engine_output_invalid"):
    """The engine produced something other than float32 mono audio at its rate."""


class EngineFailed(EngineFault, code="engine_failed"):
    """The engine raised an error while it was speaking; its process keeps running."""


class EngineUnavailable(ServerFault, code="engine_unavailable", http_status=503):
    """No engine is installed that can do what was asked; the message says what would provide one.

    ``remedy`` is the one command that would help ("" if none is known), and ``languages`` what would then be spoken
    and how well, as in ``EngineInfo``.
    """

    def __init__(self, message: str, *, remedy: str = "", languages: Mapping[str, str] = {}) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.languages = languages


class Overloaded(
    ServerFault,
    code="server_overloaded",
    http_status=503,
    http_code="Throttling",
    close_code=1013,
    retryable=True,
):
    """The server has as much work as it admits; try again later."""


class Draining(
    ServerFault,
    code="server_draining",
    http_status=503,
    http_code="Throttling",
    close_code=1012,
    retryable=True,
):
    """The server is about to stop and accepts no new work."""


class AudioReaderUnavailable(ServerFault, code="audio_reader_unavailable", http_status=503):
    """The reader of uploaded audio is not installed or does not start; the message says what is missing."""


class StoreUnavailable(
    ServerFault, code="store_unavailable", http_status=503, close_code=1013, retryable=True
):
    """The database or the file store does not answer; nothing is admitted without it."""
