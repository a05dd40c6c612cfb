"""What a pull reports as it runs."""

from __future__ import annotations

__all__ = ["PullWatcher"]


class PullWatcher:
    """Called as a pull proceeds, from several threads at once; this one ignores it."""

    def begins(self, name: str, size: int | None) -> None:
        """A download begins; ``size`` in bytes, ``None`` if not known."""

    def reached(self, name: str, size: int) -> None:
        """This many bytes of it are here."""

    def ends(self, name: str) -> None:
        """It has ended, with or without success."""

    def says(self, sentence: str) -> None:
        """Something that a person may want to know: a source that failed, a wait."""
