from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.engines.kokoro.voices import clear_in_english, gain, is_british, parse_voice
from saystream.errors import InvalidValue
from saystream.models import load_manifest

VOICES = ("af_heart", "bf_emma", "zf_xiaoxiao", "zm_yunxi", "jf_alpha")


def test_a_name_is_that_voice_alone() -> None:
    assert parse_voice("af_heart", VOICES) == {"af_heart": 1.0}


def test_weights_are_shares_whatever_they_add_up_to() -> None:
    assert parse_voice("zf_xiaoxiao:3+af_heart:1", VOICES) == {"zf_xiaoxiao": 0.75, "af_heart": 0.25}
    assert parse_voice("zf_xiaoxiao+af_heart", VOICES) == {"zf_xiaoxiao": 0.5, "af_heart": 0.5}


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "af_heart"),
        ("nobody", "af_heart"),
        ("af_heart+nobody", "af_heart"),
        ("af_heart:", "or a mix"),
        ("af_heart:0", "or a mix"),
        ("af_heart:-1", "or a mix"),
        ("af_heart:nan", "or a mix"),
        ("af_heart:inf", "or a mix"),
        ("af_heart:much", "or a mix"),
        ("af_heart:0.5+af_heart:0.5", "each voice once"),
        ("+".join(VOICES), "at most 4"),
        ("af_heart ", "af_heart"),
    ],
)
def test_what_is_no_mix_is_refused_with_what_would_be(expression: str, reason: str) -> None:
    with pytest.raises(InvalidValue, match=reason):
        parse_voice(expression, VOICES)


@given(st.dictionaries(st.sampled_from(VOICES), st.floats(1e-3, 1e3), min_size=1, max_size=4))
def test_the_shares_add_up_to_one(weights: dict[str, float]) -> None:
    shares = parse_voice("+".join(f"{name}:{weight}" for name, weight in weights.items()), VOICES)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert list(shares) == list(weights)


def test_a_mix_is_british_when_most_of_it_is() -> None:
    assert is_british({"bf_emma": 1.0})
    assert is_british({"bf_emma": 0.6, "af_heart": 0.4})
    assert not is_british({"bf_emma": 0.5, "af_heart": 0.5})


def test_a_voice_of_another_language_gets_a_part_of_an_english_one_of_its_sex_for_english_words() -> None:
    voices = (*VOICES, "am_michael")
    timbre, rhythm = clear_in_english({"zf_xiaoxiao": 1.0}, voices)
    assert timbre == pytest.approx({"zf_xiaoxiao": 0.4, "af_heart": 0.6})
    assert rhythm == pytest.approx({"zf_xiaoxiao": 0.6, "af_heart": 0.4})
    timbre, _ = clear_in_english({"zm_yunxi": 1.0}, voices)
    assert timbre == pytest.approx({"zm_yunxi": 0.4, "am_michael": 0.6})


def test_what_is_english_in_a_mix_already_counts() -> None:
    timbre, rhythm = clear_in_english({"zf_xiaoxiao": 0.5, "bf_emma": 0.5}, VOICES)
    assert timbre == pytest.approx({"zf_xiaoxiao": 0.4, "bf_emma": 0.4, "af_heart": 0.2})
    assert rhythm == {"zf_xiaoxiao": 0.5, "bf_emma": 0.5}
    timbre, _ = clear_in_english({"zf_xiaoxiao": 0.9, "af_heart": 0.1}, VOICES)
    assert timbre == pytest.approx({"zf_xiaoxiao": 0.4, "af_heart": 0.6})


def test_an_english_voice_and_one_without_a_helper_stay_as_they_are() -> None:
    for weights in ({"bf_emma": 1.0}, {"zf_xiaoxiao": 0.4, "af_heart": 0.6}, {"zm_yunxi": 1.0}):
        assert clear_in_english(weights, VOICES) == (weights, weights)


def test_a_loud_voice_is_lowered_and_a_soft_one_raised() -> None:
    assert gain({"zf_xiaoxiao": 1.0}) == pytest.approx(10 ** ((-24.0 + 16.1) / 20))
    assert gain({"af_nova": 1.0}) == pytest.approx(10 ** ((-24.0 + 25.9) / 20))


def test_the_gain_of_a_mix_lies_between_those_of_its_voices() -> None:
    mix = gain({"zf_xiaoxiao": 0.5, "af_nova": 0.5})
    assert mix == pytest.approx((gain({"zf_xiaoxiao": 1.0}) * gain({"af_nova": 1.0})) ** 0.5)


def test_a_voice_of_unknown_loudness_stays_as_it_is() -> None:
    assert gain({"my_own": 1.0}) == 1.0


def test_the_loudness_of_every_published_voice_is_known() -> None:
    files = dict(load_manifest().model("kokoro").files())
    voices = [Path(path).stem for path in files if path.startswith("voices/")]
    assert len(voices) == 54
    assert all(gain({voice: 1.0}) != 1.0 for voice in voices)
