"""Japanese."""

from __future__ import annotations

from saystream.text.normalization.han import GROUPED, Han

__all__ = ["Japanese"]


class Japanese(Han):
    code, tables = "ja", "japanese.toml"
    before = (
        (r"[¥￥]\s?" + GROUPED, r"\1円"),
        (r"\$\s?" + GROUPED, r"\1ドル"),
        (r"(?<=\d)\s?[x×*]\s?(?=\d)", "かける"),
        (r"(?<=[%％])\s?[-~–—～]\s?(?=\d)", "から"),
        (r"(?<![\d.])[-−](?=\d+(?:\.\d+)?\s?(?:℃|°))", "マイナス"),
        (r"(?<=\d)\s?(?:℃|°\s?C(?![A-Za-z]))", "度"),
    )
