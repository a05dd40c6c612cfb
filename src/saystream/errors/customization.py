"""Voices of one's own that are not there, or too many. Clients compare the codes and messages of the first
two, so they are the documented ones (protocol reference, http §5)."""

from saystream.errors.base import quote
from saystream.errors.requests import InvalidRequest, QuotaExhausted


class VoiceNotFound(InvalidRequest, code="voice_not_found", http_code="BadRequest.VoiceNotFound"):
    """The workspace has no voice of this name that was made by this family."""


class ResourceNotExist(InvalidRequest, code="resource_not_exist", http_code="BadRequest.ResourceNotExist"):
    """The same, as CosyVoice says it."""

    def __init__(self, *, param: str | None = None) -> None:
        super().__init__("The Required resource not exist.", param=param)


class OwnVoiceNotFound(VoiceNotFound, code="own_voice_not_found", http_status=404):
    """The workspace has no cloned or designed voice of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Voice '{quote(name)}' not found.", param="voice")


class OwnVoiceExists(InvalidRequest, code="voice_exists", http_status=409):
    """The workspace has a voice of that name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a voice '{quote(name)}' already; delete it first.", param="voice")


class OwnVoiceLimit(QuotaExhausted, code="too_many_voices"):
    """The workspace has as many voices as it may keep; deleting one makes room."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"Maximum voice storage limit exceeded: this workspace may keep {limit} voices.")


class ArchiveRefused(InvalidRequest, code="archive_refused"):
    """The file is not a voice that was exported, or was damaged; the message says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The file is not an exported voice: {reason}.")
