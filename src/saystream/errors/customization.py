"""Voices of one's own that are not there. Clients compare these codes and messages, so they are the documented ones
(protocol reference, http §5)."""

from saystream.errors.requests import InvalidRequest


class VoiceNotFound(InvalidRequest, code="voice_not_found", http_code="BadRequest.VoiceNotFound"):
    """The workspace has no voice of this name that was made by this family."""


class ResourceNotExist(InvalidRequest, code="resource_not_exist", http_code="BadRequest.ResourceNotExist"):
    """The same, as CosyVoice says it."""

    def __init__(self, *, param: str | None = None) -> None:
        super().__init__("The Required resource not exist.", param=param)
