"""The error bodies of the HTTP doors."""

from __future__ import annotations

import msgspec

__all__ = ["DashScopeError", "OpenAIError", "OpenAIErrorDetails"]


class DashScopeError(msgspec.Struct, frozen=True):
    """The error body of DashScope (protocol reference, http §1)."""

    code: str
    message: str
    request_id: str


class OpenAIErrorDetails(msgspec.Struct, frozen=True):
    message: str
    type: str
    """``invalid_request_error`` or ``server_error``."""
    param: str | None
    """Path of the field at fault."""
    code: str | None


class OpenAIError(msgspec.Struct, frozen=True):
    """The error body of OpenAI's interface."""

    error: OpenAIErrorDetails
