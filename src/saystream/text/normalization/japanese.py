"""Japanese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from saystream.text.normalization.han import GROUPED, Han

__all__ = ["Japanese"]


class Japanese(Han):
    code, tables = "ja", "japanese.toml"
    units: ClassVar[Mapping[str, str]] = {
        "Hz": "ヘルツ",
        "kHz": "キロヘルツ",
        "MHz": "メガヘルツ",
        "GHz": "ギガヘルツ",
        "V": "ボルト",
        "W": "ワット",
    }
    before = (
        (r"[¥￥]\s?" + GROUPED, r"\1円"),
        (r"\$\s?" + GROUPED, r"\1ドル"),
        (r"(?<=\d)\s?[x×*]\s?(?=\d)", "かける"),
        (r"(?<=[%％])\s?[-~–—～]\s?(?=\d)", "から"),
        (r"(?<![\d.])[-−](?=\d+(?:\.\d+)?\s?(?:℃|°))", "マイナス"),
        (r"(?<=\d)\s?(?:℃|°\s?C(?![A-Za-z]))", "度"),
    )
