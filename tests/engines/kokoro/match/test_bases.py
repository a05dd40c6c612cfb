from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from saystream.dsp.analysis.spectrum import BANDS_HZ
from saystream.engines.kokoro.match.bases import Bases, Speaker

KNOWN = {"af_heart": 200.0, "am_adam": 110.0, "zf_xiaoxiao": 231.0, "zm_yunyang": 107.0}
FLAT = np.zeros(len(BANDS_HZ))


@pytest.fixture(scope="module")
def bases() -> Bases:
    return Bases([*KNOWN, "a voice of one's own"])


def speaker(hertz: float, embedding: np.ndarray | None = None) -> Speaker:
    return Speaker(hertz, 6.0, 4.3, FLAT, embedding)


def test_the_data_are_those_of_the_voices_that_are_there(bases: Bases) -> None:
    assert set(bases.names) == set(KNOWN)
    assert Bases(["a voice of one's own"]).names == ()


@pytest.mark.parametrize(("hertz", "sex"), [(100, "m"), (220, "f")])
def test_without_an_embedding_the_likeliest_are_of_the_speakers_sex(
    bases: Bases, hertz: float, sex: str
) -> None:
    mix = bases.mix(speaker(hertz), 2)
    assert {name[1] for name in mix} == {sex}
    assert sum(mix.values()) == pytest.approx(1)
    assert {name[1] for name in bases.likeliest(speaker(hertz), 2)} == {sex}


@pytest.mark.parametrize("name", KNOWN)
def test_a_voice_is_most_like_itself(bases: Bases, name: str) -> None:
    embedding = bases.embeddings[bases.names.index(name)]
    mix = bases.mix(speaker(150, embedding), 4)
    assert max(mix, key=lambda each: mix[each]) == name
    assert mix[name] > 0.8


def test_a_mix_of_two_embeddings_is_found(bases: Bases) -> None:
    both = bases.embeddings[0] * 0.5 + bases.embeddings[1] * 0.5
    mix = bases.mix(speaker(200, both), 4)
    assert mix[bases.names[0]] == pytest.approx(0.5, abs=0.1)
    assert mix[bases.names[1]] == pytest.approx(0.5, abs=0.1)


def test_one_who_is_like_nobody_gets_the_likeliest_voice(bases: Bases) -> None:
    against = -bases.embeddings.sum(axis=0)
    stranger = speaker(100, against / np.linalg.norm(against))
    assert bases.mix(stranger, 4) == {bases.likeliest(stranger, 1)[0]: 1.0}


def test_a_recording_without_a_known_spectrum_is_judged_by_the_rest(bases: Bases) -> None:
    unknown = replace(speaker(220), levels_db=np.full(len(BANDS_HZ), np.nan))
    assert bases.likeliest(unknown, 1)[0][1] == "f"


def test_the_rhythm_is_that_of_voices_that_are_as_high(bases: Bases) -> None:
    assert {name[1] for name in bases.rhythm(speaker(105))} == {"m"}
