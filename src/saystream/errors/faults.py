"""Our own faults."""

from collections.abc import Mapping

from saystream.errors.base import SaystreamError


class ServerFault(SaystreamError):
    """Our fault."""

    close_code = 1011


class EngineFault(ServerFault):
    """An engine could not speak a segment."""

    code = "engine_error"


class EngineCrashed(EngineFault):
    """The engine's process ended while it was speaking."""

    code = "engine_crashed"
    retryable = True


class EngineStalled(EngineFault):
    """The engine gave no audio for longer than the limit and was stopped."""

    code = "engine_stalled"
    retryable = True


class EngineOutputInvalid(EngineFault):
    """The engine gave something that is not float32 mono audio at its rate."""

    code = "engine_output_invalid"


class EngineFailed(EngineFault):
    """The engine raised an error while it was speaking; its process lives on."""

    code = "engine_failed"


class EngineUnavailable(ServerFault):
    """No engine is installed for what was asked; the message says what would provide one.

    ``remedy`` is the one command that would help, "" where none is known, and ``languages`` what would then be spoken
    and how well, as in ``EngineInfo``.
    """

    code = "engine_unavailable"
    http_status = 503
    http_code = "InternalError"

    def __init__(self, message: str, *, remedy: str = "", languages: Mapping[str, str] = {}) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.languages = languages


class Overloaded(ServerFault):
    """More work than the server admits; come back later."""

    code = "server_overloaded"
    http_status = 503
    http_code = "Throttling"
    close_code = 1013
    retryable = True


class Draining(ServerFault):
    """The server is about to stop and takes no new work."""

    code = "server_draining"
    http_status = 503
    http_code = "Throttling"
    close_code = 1012
    retryable = True


class AudioReaderUnavailable(ServerFault):
    """What reads uploaded audio is not installed or does not start; the message says what is missing."""

    code = "audio_reader_unavailable"
    http_status = 503
    http_code = "InternalError"


class StoreUnavailable(ServerFault):
    """The database, or the store of files, does not answer; nothing is let in without it."""

    code = "store_unavailable"
    http_status = 503
    http_code = "InternalError"
    close_code = 1013
    retryable = True
