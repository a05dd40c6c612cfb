"""Documents that are almost right. ``scripts/fuzz ssml`` tries more of them."""

from __future__ import annotations

from fuzzing.targets.ssml import check, document


def test_a_document_is_spoken_or_refused() -> None:
    spoken = sum(check(document(seed), ("", "zh", "en")[seed % 3]) for seed in range(500))
    assert 50 < spoken < 450
