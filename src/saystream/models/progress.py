"""What a pull tells whoever watches it."""

from __future__ import annotations

__all__ = ["PullWatcher"]


class PullWatcher:
    """Is told how a pull goes on, from several threads at once; this one does nothing with it."""

    def begins(self, name: str, size: int | None) -> None:
        """A download begins; ``size`` in bytes, ``None`` where nobody said."""

    def reached(self, name: str, size: int) -> None:
        """So many bytes of it are here."""

    def ends(self, name: str) -> None:
        """It is over, well or not."""

    def says(self, sentence: str) -> None:
        """Something that a person may want to know: a source that failed, a wait."""
