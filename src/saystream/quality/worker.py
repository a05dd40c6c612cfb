"""Scores recorded speech with other people's programs. Runs in its own environment, not in saystream's.

    python worker.py WHISPER_FOLDER [--threads N]

``tests/environments/quality.txt`` lists what it imports; WHISPER_FOLDER holds the files of Whisper-small in ONNX. It
reads one JSON object per line and answers each with one:

    {"wav": PATH, "language": "fr", "expected": [TEXT, …], "scores": ["words", "mos", …]}

    words    ``transcript`` by Whisper, which is told the language, and ``errors`` of ``length`` against the expected
             spelling that fits best: characters for Chinese, Japanese and Korean, else words
    mos      ``mos``, DNSMOS overall (P.835), 1 to 5
    speaker  ``speaker``, the embedding of Resemblyzer's encoder: 256 numbers of length 1
    pitch    ``pitch_hz``, the median fundamental frequency by Praat, and ``pitch_spread``, the distance from the 10th
             to the 90th percentile in semitones; null if the recording has no voice
    loudness ``loudness_lufs``, integrated (ITU-R BS.1770-4); null if the recording is silent

Scoring programs are imported where they are used: each takes a while to load, and the type checker knows none of them.
A WAV file is mono and 16-bit. A request that fails is answered by ``{"error": TEXT}``. The first line of output, before
any request, names the versions of the programs: ``{"versions": {…}}``.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import pickle
import re
import sys
import types
import wave
from collections import OrderedDict
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import IO, Any, TextIO

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_RATE = 16000
"""Hz, for every program that listens here."""
_BY_CHARACTER = ("zh", "ja", "ko")
_PITCH_RANGE_HZ = (60.0, 600.0)
"""From the lowest man to the highest child."""
_PARTIAL_FRAMES = 160
_PARTIALS_PER_S = 1.3
_LEAST_COVERAGE = 0.75
_PACKAGES = ("onnx-asr", "onnxruntime", "speechmos", "Resemblyzer", "praat-parselmouth", "pyloudnorm", "jiwer",
             "whisper-normalizer", "opencc-python-reimplemented", "num2words", "cn2an")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Score recorded speech.")
    parser.add_argument("whisper", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    scorer = Scorer(arguments.whisper, arguments.threads)
    answers, sys.stdout = sys.stdout, sys.stderr  # what other people's programs print is not an answer
    _answer(answers, {"versions": {name: metadata.version(name) for name in _PACKAGES}})
    for line in sys.stdin:
        try:
            _answer(answers, scorer.score(**json.loads(line)))
        except Exception as error:  # whatever other people's programs raise is an answer too, not the end
            _answer(answers, {"error": f"{type(error).__name__}: {error}"})


def _answer(answers: TextIO, what: dict[str, Any]) -> None:
    answers.write(json.dumps(what) + "\n")
    answers.flush()


class Scorer:
    def __init__(self, whisper: Path, threads: int) -> None:
        self._whisper = whisper
        self._threads = threads

    def score(self, wav: str, language: str, expected: list[str], scores: list[str]) -> dict[str, Any]:
        samples = read_wav(Path(wav))
        makers: dict[str, Callable[[], dict[str, Any]]] = {
            "words": lambda: self._words(samples, language, expected),
            "mos": lambda: {"mos": mos(samples)},
            "speaker": lambda: {"speaker": speaker(samples).tolist()},
            "pitch": lambda: pitch(samples),
            "loudness": lambda: {"loudness_lufs": loudness(samples)},
        }
        return {name: value for score in scores for name, value in makers[score]().items()}

    def _words(self, samples: Samples, language: str, expected: list[str]) -> dict[str, Any]:
        transcript = str(self._recogniser.recognize(samples, sample_rate=_RATE, language=language))
        errors, length = compare(transcript, expected, language)
        return {"transcript": transcript, "errors": errors, "length": length}

    @functools.cached_property
    def _recogniser(self) -> Any:
        import onnx_asr
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        return onnx_asr.load_model("whisper", self._whisper, quantization="quantized", sess_options=options)


def read_wav(path: Path) -> Samples:
    """At 16 kHz, -1 to 1; if a file is shorter than its header says, what there is."""
    import librosa

    with wave.open(str(path)) as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            raise ValueError(f"{path}: mono 16-bit audio is needed")
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        return np.asarray(librosa.resample(samples, orig_sr=file.getframerate(), target_sr=_RATE), np.float32)


def compare(heard: str, expected: list[str], language: str) -> tuple[int, int]:
    """Errors and length against the spelling with the fewest errors.

    The transcript counts both as written and with its numerals in words: Whisper uses either, and both sound the same.
    """
    import jiwer

    process = jiwer.process_characters if language in _BY_CHARACTER else jiwer.process_words
    candidates = []
    for spelling in expected:
        wanted = normalised(spelling, language)
        for written in {heard, in_words(heard, language)}:
            result = process(wanted, normalised(written, language) or "-")
            length = result.hits + result.substitutions + result.deletions
            candidates.append((result.substitutions + result.deletions + result.insertions, length))
    return min(candidates, key=lambda counted: counted[0] / counted[1])


def normalised(text: str, language: str) -> str:
    """Without case, punctuation and, where characters are counted, spaces; Chinese in simplified characters."""
    if language == "en":
        return str(_english()(text))
    if language == "zh":
        text = str(_simplified().convert(text))
    plain = str(_basic()(text))
    return plain.replace(" ", "") if language in _BY_CHARACTER else plain.strip()


def in_words(text: str, language: str) -> str:
    """With numerals as words of the language, as a person reads them aloud."""
    if language == "zh":
        import cn2an

        return str(cn2an.transform(text, "an2cn"))
    without_groups = re.sub(r"(?<=\d)[., \u00a0](?=\d{3}(?!\d))", "", text)
    return re.sub(r"\d+(?:[.,]\d+)?", lambda found: _read_out(found[0], language), without_groups)


def _read_out(numeral: str, language: str) -> str:
    from num2words import num2words

    number = float(numeral.replace(",", "."))
    return str(num2words(int(number) if number.is_integer() else number, lang=language))


@functools.cache
def _english() -> Callable[[str], str]:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()  # type: ignore[no-any-return]


@functools.cache
def _basic() -> Callable[[str], str]:
    from whisper_normalizer.basic import BasicTextNormalizer

    return BasicTextNormalizer()  # type: ignore[no-any-return]


@functools.cache
def _simplified() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


def mos(samples: Samples) -> float:
    from speechmos import dnsmos

    return float(dnsmos.run(np.clip(samples, -1, 1), _RATE)["ovrl_mos"])


def pitch(samples: Samples) -> dict[str, float | None]:
    import parselmouth

    floor, ceiling = _PITCH_RANGE_HZ
    contour = parselmouth.Sound(samples.astype(np.float64), _RATE).to_pitch(
        pitch_floor=floor, pitch_ceiling=ceiling
    )
    hertz = contour.selected_array["frequency"]
    voiced = hertz[hertz > 0]
    if not len(voiced):
        return {"pitch_hz": None, "pitch_spread": None}
    low, high = np.percentile(voiced, (10, 90))
    return {"pitch_hz": float(np.median(voiced)), "pitch_spread": float(12 * np.log2(high / low))}


def loudness(samples: Samples) -> float | None:
    import pyloudnorm

    lufs = float(pyloudnorm.Meter(_RATE).integrated_loudness(samples.astype(np.float64)))
    return lufs if np.isfinite(lufs) else None


def speaker(samples: Samples) -> Samples:
    """The same as ``VoiceEncoder.embed_utterance(preprocess_wav(samples))`` of Resemblyzer, to 1e-6.

    The weights and the audio part are Resemblyzer's. Its network is computed here, because it needs gigabytes of torch
    for three small LSTM layers.
    """
    audio, tensors = _resemblyzer()
    speech = audio.preprocess_wav(samples)
    hop = _RATE // 100
    step = round(_RATE / _PARTIALS_PER_S / hop)
    num_frames = -(-(len(speech) + 1) // hop)
    starts = list(range(0, max(1, num_frames - _PARTIAL_FRAMES + step + 1), step))
    covered = (len(speech) - starts[-1] * hop) / (_PARTIAL_FRAMES * hop)
    if covered < _LEAST_COVERAGE and len(starts) > 1:
        starts.pop()
    end = (starts[-1] + _PARTIAL_FRAMES) * hop
    mel = audio.wav_to_mel_spectrogram(np.pad(speech, (0, max(0, end - len(speech)))))
    partials = _network(np.stack([mel[start : start + _PARTIAL_FRAMES] for start in starts]), tensors)
    mean = partials.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def _network(mels: Samples, tensors: dict[str, Samples]) -> Samples:
    """Embeddings ``(num_partials, 256)`` of spectrograms ``(num_partials, 160, 40)``."""
    layer_input = mels
    for layer in range(3):
        gate_weights, state_weights, gate_bias, state_bias = (
            tensors[f"lstm.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        driven = layer_input @ gate_weights.T + gate_bias + state_bias
        state = cell = np.zeros((len(mels), state_weights.shape[1]), np.float32)
        states = []
        for frame in range(mels.shape[1]):
            # PyTorch's order of the gates: input, forget, cell, output.
            gates = np.split(driven[:, frame] + state @ state_weights.T, 4, axis=1)
            # The sigmoid by tanh, which cannot overflow.
            entered, kept, shown = (0.5 + 0.5 * np.tanh(0.5 * gates[index]) for index in (0, 1, 3))
            cell = kept * cell + entered * np.tanh(gates[2])
            state = shown * np.tanh(cell)
            states.append(state)
        layer_input = np.stack(states, axis=1)
    raw = np.maximum(layer_input[:, -1] @ tensors["linear.weight"].T + tensors["linear.bias"], 0)
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), np.float32)


@functools.cache
def _resemblyzer() -> tuple[types.ModuleType, dict[str, Samples]]:
    """Its module ``audio`` and its weights, without importing the package itself, which imports torch."""
    found = importlib.util.find_spec("resemblyzer")
    assert found is not None and found.submodule_search_locations
    package = importlib.util.module_from_spec(found)
    sys.modules["resemblyzer"] = package
    with open(Path(package.__path__[0]) / "pretrained.pt", "rb") as file:
        return importlib.import_module("resemblyzer.audio"), read_tensors(file)


def read_tensors(file: IO[bytes]) -> dict[str, Samples]:
    """The tensors of ``model_state`` in a file written by ``torch.save`` before 2020.

    Three pickles that do not matter, one of the objects, one of the storages' keys, then each storage: its length as an
    int64 and its numbers.
    """
    for _ in range(3):
        pickle.load(file)
    reader = _Unpickler(file)
    state = reader.load()["model_state"]
    for key in pickle.load(file):
        (count,) = np.frombuffer(file.read(8), "<i8")
        numbers = np.frombuffer(file.read(4 * int(count)), "<f4")
        reader.storages[key][: len(numbers)] = numbers
    return {name: value for name, value in state.items() if isinstance(value, np.ndarray)}


class _Unpickler(pickle.Unpickler):
    """Turns tensors into arrays over buffers that are filled later, and allows only what such a file needs."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.storages: dict[str, Samples] = {}

    def persistent_load(self, saved: Any) -> Samples:
        _, _, key, _, count, _ = saved
        return self.storages.setdefault(key, np.zeros(count, np.float32))

    def find_class(self, module: str, name: str) -> Any:
        if name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        return lambda *_: None


def _tensor(
    storage: Samples, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> Samples:
    strides = tuple(4 * step for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, strides)


if __name__ == "__main__":
    main()
