"""Errors while scoring speech."""

from saystream.errors.base import SaystreamError


class ScoringUnavailable(SaystreamError, code="scoring_unavailable"):
    """The programs that score speech are not installed, or failed; the message says which, and what would help."""
