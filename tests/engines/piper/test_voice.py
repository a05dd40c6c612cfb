from pathlib import Path

import numpy as np
import onnx
import pytest

from saystream.dsp.pitch import median_pitch_hz
from saystream.engines.piper.voice import PiperVoice
from saystream.errors import EngineUnavailable

from .tiny_voice import HOP, make_voice

SENTENCE = "The train to the airport leaves at half past nine tomorrow morning."


def spoken(voice: PiperVoice, text: str = SENTENCE, *, speaker: str = "") -> np.ndarray:
    return np.concatenate(
        [*(each.sound for each in voice.speak(text, speaker=speaker)), np.zeros(0, np.float32)]
    )


def loudness(samples: np.ndarray) -> float:
    return float(np.sqrt((samples[np.abs(samples) > 0.001] ** 2).mean()))


def without_chance(path: Path) -> PiperVoice:
    return PiperVoice(path, threads=1, noise_scale=0, noise_w=0)


def test_it_says_what_its_file_says(tiny: Path) -> None:
    voice = PiperVoice(tiny, threads=1)
    assert (voice.name, voice.language, voice.sample_rate) == ("en_US-tiny-medium", "en", 22050)


def test_it_knows_its_pitch(tiny: Path) -> None:
    assert PiperVoice(tiny, threads=1).pitch_hz == pytest.approx(120, rel=0.03)


def test_each_sentence_is_a_pass_of_whole_frames(tiny: Path) -> None:
    sounds = [each.sound for each in PiperVoice(tiny, threads=1).speak("One. Two! Three?")]
    assert len(sounds) == 3
    assert all(len(sound) > 0 and len(sound) % HOP == 0 for sound in sounds)
    assert all(sound.dtype == np.float32 and sound.ndim == 1 for sound in sounds)


@pytest.mark.parametrize("text", ["", " \n", "…?! -- ,;", "\x00"])
def test_what_has_no_sound_is_silent(tiny: Path, text: str) -> None:
    assert list(PiperVoice(tiny, threads=1).speak(text)) == []


def test_the_length_follows_the_phonemes_and_the_scale_of_the_file(tmp_path: Path, tiny: Path) -> None:
    usual = len(spoken(without_chance(tiny)))
    assert len(spoken(without_chance(tiny), f"{SENTENCE} {SENTENCE}")) == 2 * usual
    slow = make_voice(tmp_path, inference={"length_scale": 2.0})
    assert len(spoken(without_chance(slow))) == pytest.approx(2 * usual, rel=0.1)


def test_with_no_noise_the_same_text_always_sounds_the_same(tiny: Path) -> None:
    voice = without_chance(tiny)
    assert np.array_equal(spoken(voice), spoken(voice))
    assert np.array_equal(spoken(voice), spoken(without_chance(tiny)))


def test_a_seed_repeats_the_noise_and_another_has_another(tiny: Path) -> None:
    voice = PiperVoice(tiny, threads=1)
    first, again, other = (
        np.concatenate([each.sound for each in voice.speak(SENTENCE, seed=seed)]) for seed in (7, 7, 8)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, spoken(without_chance(tiny)))


def test_a_voice_that_draws_in_its_own_way_repeats_itself_without_noise(tmp_path: Path) -> None:
    path = make_voice(tmp_path)
    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type == "RandomNormalLike":
            node.attribute.append(onnx.helper.make_attribute("mean", 0.0))
    onnx.save(model, path)
    voice = PiperVoice(path, threads=1)
    first, other = (
        np.concatenate([each.sound for each in voice.speak(SENTENCE, seed=seed)]) for seed in (7, 8)
    )
    assert np.array_equal(first, other)
    assert not np.array_equal(spoken(voice), spoken(voice))


@pytest.mark.parametrize("noise", [{"noise_scale": 0.0}, {"noise_w": 0.0}], ids=["rhythm", "sound"])
def test_without_a_seed_either_noise_is_another_each_time(tiny: Path, noise: dict[str, float]) -> None:
    voice = PiperVoice(tiny, threads=1, **noise)
    sounds = [spoken(voice) for _ in range(6)]
    assert not np.array_equal(sounds[0], sounds[1])
    assert (len({len(sound) for sound in sounds}) == 1) == ("noise_w" in noise)


def test_voices_are_as_loud_as_one_another(tmp_path: Path) -> None:
    quiet = make_voice(tmp_path, "en_US-quiet-medium", loudness=0.03)
    loud = make_voice(tmp_path, "en_US-loud-medium", loudness=0.3)
    levels = [loudness(spoken(without_chance(path))) for path in (quiet, loud)]
    assert levels == [pytest.approx(0.08, rel=0.1)] * 2


def test_a_voice_that_is_silent_is_not_turned_up_without_end(tmp_path: Path) -> None:
    silent = make_voice(tmp_path, "en_US-silent-medium", loudness=0.0)
    voice = without_chance(silent)
    assert voice.pitch_hz is None
    assert not spoken(voice).any()


def test_speakers_are_asked_for_by_name(tmp_path: Path) -> None:
    path = make_voice(tmp_path, pitches_hz=(100.0, 250.0), default_speaker_id=1)
    voice = without_chance(path)
    heard = {speaker: median_pitch_hz(spoken(voice, speaker=speaker), 22050) for speaker in ("p0", "p1", "")}
    assert heard == {
        "p0": pytest.approx(100, rel=0.03),
        "p1": pytest.approx(250, rel=0.03),
        "": pytest.approx(250, rel=0.03),
    }
    assert voice.pitch_hz == pytest.approx(250, rel=0.03)


def test_a_phoneme_without_a_sound_is_told_of_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = make_voice(tmp_path, symbols="_^$ .,aeiounstvfbdlmɹzk")
    voice = PiperVoice(path, threads=1)
    before = voice.unknown["θ"]  # it has counted to five to know itself
    for _ in range(3):
        spoken(voice, "three things.")
    assert voice.unknown["θ"] == before + 6
    told = capfd.readouterr().err.splitlines()
    assert (
        told.count("The Piper voice 'en_US-tiny-medium' has no sound for the phoneme U+03B8; left out.") == 1
    )
    assert len(told) == len(set(told)) == len(voice.unknown)


def test_a_model_that_is_damaged_or_missing_is_refused(tmp_path: Path) -> None:
    path = make_voice(tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(EngineUnavailable, match=r"tiny-medium\.onnx is not a usable model"):
        PiperVoice(path, threads=1)
    path.unlink()
    with pytest.raises(EngineUnavailable, match=r"tiny-medium\.onnx is not a usable model"):
        PiperVoice(path, threads=1)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = make_voice(tmp_path)
    model = onnx.load(path)
    model.graph.input[0].name = "tokens"
    model.graph.node[0].input[0] = "tokens"
    onnx.save(model, path)
    with pytest.raises(
        EngineUnavailable, match="not a Piper voice: its inputs are input_lengths, scales, tokens"
    ):
        PiperVoice(path, threads=1)


def test_a_voice_whose_phonemes_or_numbers_are_of_nobody_is_refused(tmp_path: Path) -> None:
    unknown = make_voice(tmp_path, espeak={"voice": "nobody"})
    with pytest.raises(EngineUnavailable, match="cannot speak: Invalid value for voice: 'nobody'"):
        PiperVoice(unknown, threads=1)
    too_high = make_voice(tmp_path, phoneme_id_map={symbol: [900] for symbol in "_^$ wntuθɹi"})
    with pytest.raises(EngineUnavailable, match="cannot speak: InvalidArgument"):
        PiperVoice(too_high, threads=1)


def test_letters_without_a_sound_are_told_of_by_their_script_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = make_voice(tmp_path, phoneme_type="text", symbols="_^$ .abcdefghijklmnopqrstuvwxyz123456789")
    voice = PiperVoice(path, threads=1)
    assert list(voice.speak("你好")) == list(voice.speak("世界")) == []
    spoken(voice, "ab я, c")
    assert sorted(capfd.readouterr().err.splitlines()) == [
        f"The Piper voice 'en_US-tiny-medium' has no sound for some characters of the kind {kind}; left out."
        for kind in ("CJK", "COMMA", "CYRILLIC")
    ]
    assert voice.unknown == {"你": 1, "好": 1, "世": 1, "界": 1, "я": 1, ",": 1}
