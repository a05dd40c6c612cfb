"""The scoring programs themselves, in their own environment: what they hear in sounds that are known."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hibari import Hibari

from foreign import foreign_python
from saystream.dsp.effects import shaped, timbre
from saystream.errors import ScoringUnavailable
from saystream.quality import Scorer, load_corpus, write_wav

pytestmark = pytest.mark.asr

RATE = 24000
TEXT = "Could you please tell me where the nearest hospital is?"


@pytest.fixture(scope="module")
def python() -> Path:
    return foreign_python("quality")


@pytest.fixture(scope="module")
def scorer(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scorer]:
    """Without Whisper, which only ``words`` needs."""
    with Scorer(python, tmp_path_factory.mktemp("no-whisper")) as started:
        yield started


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return np.clip(Hibari()(TEXT), -1, 1)


def written(folder: Path, samples: np.ndarray, name: str = "sound") -> Path:
    path = folder / f"{name}.wav"
    write_wav(path, samples, RATE)
    return path


def changed(speech: np.ndarray, *, pitch: float, formant: float) -> np.ndarray:
    return np.concatenate(list(shaped([speech], timbre(RATE, speed=1.0, pitch=pitch, formant=formant))))


# What was heard, how it may be written, the language; then errors and length.
COMPARED = [
    ("The room is 42.", ["The room is forty-two."], "en", (0, 4)),
    ("the rume is 42", ["The room is 42."], "en", (1, 4)),
    ("我的生日是2001年10月8日。", ["我的生日是二零零一年十月八日。"], "zh", (0, 14)),
    ("我們在圖書館門口見面", ["我们在图书馆门口见面。"], "zh", (0, 10)),
    ("我们在图书馆门口", ["我们在图书馆门口见面。"], "zh", (2, 10)),
    ("Il y a 27 élèves dans la classe.", ["Il y a vingt-sept élèves dans la classe."], "fr", (0, 9)),
    ("Das kostet 1.200 Euro.", ["Das kostet eintausendzweihundert Euro."], "de", (0, 4)),
    ("切符は1枚300円です", ["切符は一枚三百円です。", "切符は1枚300円です。"], "ja", (0, 10)),
    ("표는 한 장에 3,000원입니다", ["표는 한 장에 3000원입니다."], "ko", (0, 13)),
    ("", ["Музей закрыт по понедельникам."], "ru", (4, 4)),
]


def test_numerals_punctuation_case_and_script_are_no_errors(python: Path) -> None:
    worker = Path(__file__).parents[2] / "src" / "saystream" / "quality"
    program = (
        f"import json, sys; sys.path.insert(0, {str(worker)!r}); import worker\n"
        "print(json.dumps([worker.compare(*each) for each in json.load(sys.stdin)]))"
    )
    questions = json.dumps([(heard, expected, language) for heard, expected, language, _ in COMPARED])
    run = subprocess.run(
        [python, "-c", program], input=questions, capture_output=True, text=True, timeout=300
    )

    assert run.returncode == 0, run.stderr
    found = dict(zip((heard for heard, *_ in COMPARED), json.loads(run.stdout), strict=True))
    assert found == {heard: list(counted) for heard, _, _, counted in COMPARED}


def test_the_pitch_of_a_voice_is_found(scorer: Scorer, tmp_path: Path, speech: np.ndarray) -> None:
    times = np.arange(RATE) / RATE
    harmonics = [np.sin(2 * np.pi * 150 * harmonic * times) / harmonic for harmonic in range(1, 9)]
    buzz = np.sum(harmonics, axis=0) / 3
    heard = scorer.score(written(tmp_path, buzz), language="en", scores=["pitch"])
    low = scorer.score(
        written(tmp_path, changed(speech, pitch=0.6, formant=0.85), "low"), language="en", scores=["pitch"]
    )
    as_it_is = scorer.score(written(tmp_path, speech, "plain"), language="en", scores=["pitch"])

    assert heard.pitch_hz == pytest.approx(150, rel=0.01)
    assert heard.pitch_spread == pytest.approx(0, abs=0.2)
    assert low.pitch_hz is not None and as_it_is.pitch_hz is not None
    assert low.pitch_hz / as_it_is.pitch_hz == pytest.approx(0.6, rel=0.05)


def test_silence_has_no_pitch(scorer: Scorer, tmp_path: Path) -> None:
    heard = scorer.score(written(tmp_path, np.zeros(RATE)), language="en", scores=["pitch"])

    assert heard.pitch_hz is None


def test_half_the_amplitude_is_six_lufs_less(scorer: Scorer, tmp_path: Path, speech: np.ndarray) -> None:
    loud, soft = (
        scorer.score(written(tmp_path, sound, name), language="en", scores=["loudness"]).loudness_lufs
        for name, sound in (("loud", speech), ("soft", speech / 2))
    )
    silence = scorer.score(written(tmp_path, np.zeros(RATE)), language="en", scores=["loudness"])

    assert loud is not None and soft is not None
    assert loud - soft == pytest.approx(6.02, abs=0.05)
    assert silence.loudness_lufs is None


def test_a_voice_is_more_like_itself_than_like_another(
    scorer: Scorer, tmp_path: Path, speech: np.ndarray
) -> None:
    sounds = {
        "plain": speech,
        "quiet": speech * 0.3,
        "man": changed(speech, pitch=0.55, formant=0.82),
    }
    vectors = {
        name: np.array(
            scorer.score(written(tmp_path, sound, name), language="en", scores=["speaker"]).speaker
        )
        for name, sound in sounds.items()
    }

    assert np.linalg.norm(vectors["plain"]) == pytest.approx(1, abs=1e-5)
    assert vectors["plain"] @ vectors["quiet"] > 0.95
    assert vectors["plain"] @ vectors["man"] < 0.85


def test_speech_sounds_better_than_speech_in_noise(
    scorer: Scorer, tmp_path: Path, speech: np.ndarray
) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, len(speech))
    clean, noisy = (
        scorer.score(written(tmp_path, sound, name), language="en", scores=["mos"]).mos
        for name, sound in (("clean", speech), ("noisy", np.clip(speech + noise, -1, 1)))
    )

    assert clean is not None and noisy is not None
    assert clean > 3 > noisy


def test_a_question_that_cannot_be_answered_leaves_the_next_one_answered(
    scorer: Scorer, tmp_path: Path, speech: np.ndarray
) -> None:
    with pytest.raises(ScoringUnavailable, match=r"FileNotFoundError"):
        scorer.score(tmp_path / "absent.wav", language="en", scores=["pitch"])

    assert scorer.score(written(tmp_path, speech), language="en", scores=["pitch"]).pitch_hz


def test_the_versions_of_what_scores_are_told(scorer: Scorer) -> None:
    assert {"onnx-asr", "speechmos", "Resemblyzer"} <= set(scorer.versions)


def test_what_is_said_is_heard_and_what_is_missing_is_missed(
    python: Path, whisper_folder: Path, tmp_path: Path, speech: np.ndarray
) -> None:
    with Scorer(python, whisper_folder) as scorer:
        whole = scorer.score(written(tmp_path, speech), language="en", expected=[TEXT], scores=["words"])
        cut = scorer.score(
            written(tmp_path, speech[: len(speech) // 3], "cut"),
            language="en",
            expected=[TEXT],
            scores=["words"],
        )

    assert (whole.errors, whole.length) == (0, 10)
    assert cut.errors is not None and cut.errors >= 4


def test_no_sentence_of_the_corpus_counts_as_wrong_when_it_is_heard_as_it_is_written(python: Path) -> None:
    worker = Path(__file__).parents[2] / "src" / "saystream" / "quality"
    program = (
        f"import json, sys; sys.path.insert(0, {str(worker)!r}); import worker\n"
        "print(json.dumps([worker.compare(*each)[0] for each in json.load(sys.stdin)]))"
    )
    questions = [
        (spelling, sentence.spellings, language)
        for language, sentences in load_corpus().items()
        for sentence in sentences
        for spelling in sentence.spellings
    ]
    run = subprocess.run(
        [python, "-c", program], input=json.dumps(questions), capture_output=True, text=True, timeout=300
    )

    assert run.returncode == 0, run.stderr
    assert not any(json.loads(run.stdout))
