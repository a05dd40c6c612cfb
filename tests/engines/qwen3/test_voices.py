from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from saystream.engines.qwen3.voices import VoiceCache


@dataclass(frozen=True)
class Voice:
    num_bytes: int


def test_the_voice_used_longest_ago_makes_room() -> None:
    cache: VoiceCache[Voice] = VoiceCache(10)
    kept = {name: cache.get(name, lambda: Voice(4)) for name in "ab"}
    assert cache.get("a", lambda: Voice(4)) is kept["a"]
    cache.get("c", lambda: Voice(4))
    assert cache.get("a", lambda: Voice(4)) is kept["a"]
    assert cache.get("b", lambda: Voice(4)) is not kept["b"]


def test_a_voice_larger_than_the_bound_is_given_and_not_kept() -> None:
    cache: VoiceCache[Voice] = VoiceCache(10)
    cache.get("a", lambda: Voice(4))
    assert cache.get("large", lambda: Voice(11)).num_bytes == 11
    assert (len(cache), cache.num_bytes) == (1, 4)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12)), max_size=50))
def test_the_bound_holds_and_the_count_is_right(uses: list[tuple[int, int]]) -> None:
    cache: VoiceCache[Voice] = VoiceCache(30)
    made: dict[int, Voice] = {}
    for key, size in uses:
        voice = cache.get(key, partial(Voice, size))
        assert voice is made.get(key) or voice.num_bytes == size
        made[key] = voice
        assert cache.num_bytes <= 30
    assert cache.num_bytes == sum(voice.num_bytes for voice in cache._voices.values())
