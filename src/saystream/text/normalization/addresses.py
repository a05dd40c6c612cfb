"""Web and mail addresses, read part by part, and signs that stand alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

__all__ = ["EMAIL", "URL", "named_signs", "signs_pattern", "spoken", "without_scheme"]

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})"
_ENDINGS = "com|org|net|edu|gov|info|io|ai|app|dev|de|fr|es|it|pt|br|ru|cn|jp|kr|uk|eu|ch|at|us|tv|me|co"
_TAIL = r"(?::\d{2,5})?(?:[/?#][A-Za-z0-9._~/?#@!$&()*+=%:-]{0,200}[A-Za-z0-9_~/=&%#+-])?/?"

EMAIL = (
    r"(?<![A-Za-z0-9_.+-])[A-Za-z0-9](?:[A-Za-z0-9_.+-]{0,62}[A-Za-z0-9_])?"
    rf"@(?:{_LABEL}\.){{1,4}}[A-Za-z]{{2,12}}(?![A-Za-z0-9@])"
)
URL = (
    rf"(?<![A-Za-z0-9_@.-])(?:(?:https?|ftp)://(?:{_LABEL}\.){{0,5}}{_LABEL}"
    rf"|www\.(?:{_LABEL}\.){{1,4}}[A-Za-z]{{2,12}}"
    rf"|(?:{_LABEL}\.){{1,4}}(?:{_ENDINGS})(?![A-Za-z0-9_-]|\.[A-Za-z0-9])){_TAIL}(?![A-Za-z0-9@])"
)
"""With a scheme, with "www.", or with one of the usual endings."""

_PARTS = re.compile(r"[^\W\d_]+|\d+|.", re.DOTALL)
_SCHEME = re.compile(r"^[a-z]+://")


_RULE_LENGTH = 3
"""This many of one sign in a row are not text but a line, as in "=====": it is not read."""


def signs_pattern(signs: Iterable[str]) -> str:
    """A regular expression for one of ``signs``, single characters, or several of the same."""
    return rf"([{re.escape(''.join(signs))}])\1*"


def named_signs(written: str, signs: Mapping[str, str], space: str) -> str:
    """The words for ``written``, which the pattern matched."""
    if len(written) >= _RULE_LENGTH:
        return space
    return "".join(f"{space}{signs[sign]}{space}" for sign in written)


def without_scheme(address: str) -> str:
    """The address without "https" and its slashes, which nobody reads aloud."""
    return _SCHEME.sub("", address)


def spoken(address: str, letters: Mapping[str, str], digits: Callable[[str], str], space: str = " ") -> str:
    """``letters`` names the signs; ``digits`` reads digits one by one; ``space`` separates words. "www" is spelled."""
    parts = (
        " ".join(part)
        if part.lower() == "www"
        else digits(part)
        if part.isdecimal()
        else letters.get(part, part)
        for part in _PARTS.findall(address)
    )
    return space.join(parts)
