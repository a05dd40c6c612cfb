"""Why a task of CosyVoice or Sambert failed. Clients compare these messages, so they are the documented ones
(protocol reference, inference §5)."""

from saystream.errors.requests import InvalidRequest


class TaskRefused(InvalidRequest, code="task_refused"):
    """A task failed for what it asked. ``reason`` says so in our own words, for the log."""

    def __init__(self, message: str, *, param: str | None = None, reason: str = "") -> None:
        super().__init__(message, param=param)
        self.reason = reason


class VoiceRefused(TaskRefused, code="voice_refused"):
    """The voice is unknown or another model's, or the text holds nothing to speak."""


class TaskTextInvalid(TaskRefused, code="task_text_invalid"):
    """A Sambert task has no text, or wants to send it in pieces."""

    def __init__(self, *, reason: str = "") -> None:
        super().__init__("Request text is invalid!", param="payload.input.text", reason=reason)


class TooManyTexts(TaskRefused, code="too_many_texts"):
    """More text came in a task that may send only one because it is SSML."""

    def __init__(self) -> None:
        super().__init__("Text request limit violated, expected 1.", param="payload.input.text")


class TaskModelUnknown(TaskRefused, code="task_model_unknown", http_status=404, http_code="ModelNotFound"):
    """There is no such model, or it is another door's."""

    def __init__(self, *, reason: str = "") -> None:
        super().__init__("Model not exist.", param="payload.model", reason=reason)


class TaskTimedOut(TaskRefused, code="task_timed_out", http_status=408, http_code="CLIENT_ERROR"):
    """No text came for too long."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"request timeout after {timeout_s:g} seconds.")
