"""Japanese."""

from __future__ import annotations

from saystream.text.normalization.han import GROUPED, Han
from saystream.text.normalization.han_signs import RoleWords

__all__ = ["Japanese"]


class Japanese(Han):
    code, tables = "ja", "japanese.toml"
    role_words = RoleWords(
        to="から",
        score="対",
        minus="引く",
        negative="マイナス",
        about="約",
        numbered=r"番号\1",
        comma="、",
        between_names="から",
        scores="スコア|試合|勝|負け|敗|引き分け|得点|ゴール|下し|破っ",
    )
    before = (
        (r"[¥￥]\s?" + GROUPED, r"\1円"),
        (r"\$\s?" + GROUPED, r"\1ドル"),
        (r"(?<=\d)\s?[x×*]\s?(?=\d)", "かける"),
        (r"(?<![\d.])[-−](?=\d+(?:\.\d+)?\s?(?:℃|°))", "マイナス"),
        (r"(?<=\d)\s?(?:℃|°\s?C(?![A-Za-z]))", "度"),
    )
