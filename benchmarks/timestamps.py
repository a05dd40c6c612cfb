"""How far the times of words are from those that a forced aligner finds. Writes ``benchmarks/results/timestamps.json``.

    pip install pocketsphinx viter
    python benchmarks/timestamps.py [--corpus FOLDER] [ENGINE ...]

English is aligned by PocketSphinx with the model of its package. For Chinese, viter, which repeats the recipe of the
Montreal Forced Aligner, trains a model on some seven minutes that the engine says; Kokoro takes as long for them. Needs
the weights of the engines named, by default ``kokoro``. A sentence with a word that is not in the aligner's dictionary
is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import tomllib
import wave
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pocketsphinx
import viter
from pypinyin import lazy_pinyin
from pypinyin.contrib.tone_convert import to_finals, to_initials
from pypinyin.phrases_dict import phrases_dict

from saystream.audio import AudioChunk, AudioFormat, Effects, Mark, SpeechChunk
from saystream.dsp.chain import Chain, EncodedAudio
from saystream.engines.base import Engine, SegmentStream, Span, SynthesisRequest
from saystream.engines.registry import load_engine_class
from saystream.hosting.aligned import AlignedStream
from saystream.hosting.normalized import open_stream
from saystream.quality.corpus import load_corpus

RESULTS = Path(__file__).parent / "results" / "timestamps.json"
SENTENCES = 30
VOICES = {"kokoro": {"en": ("af_heart",), "zh": ("zf_xiaoxiao",)}}
RATES = (1.0, 1.5)
GOAL_MS, GOAL_MEDIAN_MS = 80, 30
ALIGNER_RATE = 16000
FRAME_MS = 10

MORE = {
    "en": (
        "The children were playing in the garden when it began to rain.",
        "Nothing is quite as warm as a kitchen full of friends.",
        "We walked along the river until the sun went down.",
        "Her brother works for a small company near the harbour.",
        "They have lived in this house for almost thirty years.",
        "If you need anything, just knock on my door.",
    ),
    "zh": (
        "我们在河边走到太阳下山。",
        "他的哥哥在港口附近的一家小公司工作。",
        "孩子们正在花园里玩，突然下起雨来。",
    ),
}
"""Sentences, where there are fewer than are wanted."""
IDIOMS, IDIOMS_EACH = 90, 3
"""Texts that the Chinese aligner also learns from, and how many idioms each has."""
BUZZED = {"zh": "ir", "ch": "ir", "sh": "ir", "r": "ir", "z": "iz", "c": "iz", "s": "iz"}
"""What is written "i" is another sound after these."""
SILENCES = ("sil", "spn")


def spoken(engine: Engine, text: str, language: str, voice: str) -> list[SpeechChunk]:
    stream = open_stream(engine, SynthesisRequest(voice, language, marks=True, normalize_text=True))
    stream.push(Span(text))
    stream.end_input()
    return list(stream.chunks())


def without_marks(chunks: Sequence[SpeechChunk], text: str, sample_rate: int) -> list[SpeechChunk]:
    """As of an engine that does not know when its words sound."""
    plain = [SpeechChunk(chunk.samples) for chunk in chunks]
    stream = AlignedStream(SegmentStream(lambda _: iter(plain)), sample_rate)
    stream.push(Span(text))
    stream.end_input()
    return list(stream.chunks())


def heard(chunks: Sequence[SpeechChunk], sample_rate: int, rate: float) -> tuple[np.ndarray, list[Mark]]:
    """What a listener gets at 16 kHz with ``rate`` as speech rate, and its marks."""
    chain = Chain(
        AudioFormat("pcm", ALIGNER_RATE), effects=Effects(speech_rate=rate), first_delta_ms=40, delta_ms=100
    )
    deltas: list[EncodedAudio] = []
    for chunk in chunks:
        deltas += chain.push(AudioChunk(chunk.samples, sample_rate, chunk.marks))
    chain.end_segment(0)
    deltas += chain.flush()
    samples = np.frombuffer(b"".join(delta.encoded for delta in deltas), np.int16)
    return samples, [mark for delta in deltas for mark in delta.marks]


def sentences(language: str) -> list[str]:
    """Those of the corpus, then those that Kokoro's statistics were made with; without digits, which have no words that
    the aligner could be given."""
    more = tomllib.loads((Path(__file__).parent / "kokoro_statistics.toml").read_text())[language]
    texts = [each.text for each in load_corpus()[language]] + more
    usable = [text for text in texts if not any(map(str.isdigit, text))]
    return [*usable, *MORE[language]][:SENTENCES]


class EnglishAligner:
    """PocketSphinx."""

    def times(
        self, text: str, samples: np.ndarray, marks: Sequence[Mark]
    ) -> list[tuple[float, float]] | None:
        """Of each mark, in ms; ``None`` if it cannot tell."""
        # One for each sentence: names of words must not keep what they were in another.
        decoder = pocketsphinx.Decoder(lm=None, samprate=ALIGNER_RATE, loglevel="FATAL")
        words = [text[mark.start : mark.end].lower().replace("’", "'").strip(".") for mark in marks]
        phones = [decoder.lookup_word(word) for word in words]
        if None in phones:
            return None
        names = [f"word{number}" for number in range(len(words))]
        for name, each in zip(names, phones, strict=True):
            decoder.add_word(name, each, True)
        decoder.set_align_text(" ".join(names))
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), full_utt=True)
        decoder.end_utt()
        segments = {each.word: each for each in decoder.seg() or ()}
        if any(name not in segments for name in names):
            return None
        return [
            (segments[name].start_frame * FRAME_MS, (segments[name].end_frame + 1) * FRAME_MS)
            for name in names
        ]


class ChineseAligner:
    """viter, which trains its model on what the engine itself has said. Each stretch between two punctuation marks is
    one word to it, so that silence stands only between stretches; a character is the sounds of its syllable."""

    def __init__(self, engine: Engine, voice: str, folder: Path) -> None:
        """``folder`` has what was said, or will."""
        folder.mkdir(parents=True, exist_ok=True)
        stretches: dict[str, list[str]] = {}
        idioms = sorted(each for each in phrases_dict if len(each) == 4 and all(map(is_han, each)))
        chance = random.Random(0)
        texts = sentences("zh")
        texts += ["，".join(chance.sample(idioms, IDIOMS_EACH)) + "。" for _ in range(IDIOMS)]
        for number, text in enumerate(texts):
            speech = folder / f"{number:03}.wav"
            for syllables in stretches_of(text):
                stretches[name_of(syllables)] = [phone for each in syllables for phone in phones(each)]
            speech.with_suffix(".txt").write_text(" ".join(map(name_of, stretches_of(text))))
            if not speech.exists():
                samples, _ = heard(spoken(engine, text, "zh", voice), engine.info.sample_rate, 1.0)
                with wave.open(str(speech), "wb") as file:
                    file.setparams((1, 2, ALIGNER_RATE, 0, "NONE", ""))
                    file.writeframes(samples.tobytes())
        dictionary = folder / "stretches.dict"
        dictionary.write_text("".join(f"{name}\t{' '.join(each)}\n" for name, each in stretches.items()))
        self._model = viter.train(
            folder, dict=dictionary, cpu=True, seed=0, no_sat=True, position_dependent=False, quiet=True
        )

    def times(
        self, text: str, samples: np.ndarray, marks: Sequence[Mark]
    ) -> list[tuple[float, float]] | None:
        """Of each mark, in ms; ``None`` if it cannot tell."""
        stretches = stretches_of(text)
        sound = samples.astype(np.float32) / 32768
        try:
            found = self._model.align(sound, " ".join(map(name_of, stretches)), sample_rate=ALIGNER_RATE)
        except viter.ViterError:
            return None
        heard_phones = iter([each for each in found.phones if each.label not in SILENCES])
        times: dict[int, tuple[float, float]] = {}
        syllables = [each for stretch in stretches for each in stretch]
        for place, syllable in zip(
            filter(lambda at: is_han(text[at]), range(len(text))), syllables, strict=True
        ):
            own = [next(heard_phones) for _ in phones(syllable)]
            times[place] = own[0].start * 1000, own[-1].end * 1000
        if any(place not in times for mark in marks for place in (mark.start, mark.end - 1)):
            return None
        return [(times[mark.start][0], times[mark.end - 1][1]) for mark in marks]


def is_han(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


def stretches_of(text: str) -> list[list[str]]:
    """The syllables between punctuation marks."""
    readings: list[str] = lazy_pinyin(text, errors=list)  # type: ignore[arg-type]  # one entry for each character
    grouped = groupby(zip(text, readings, strict=True), lambda pair: is_han(pair[0]))
    return [[reading for _, reading in pairs] for has_sound, pairs in grouped if has_sound]


def name_of(syllables: Sequence[str]) -> str:
    return "-".join(syllables)


def phones(syllable: str) -> list[str]:
    """Of Mandarin: the initial and the final."""
    initial = to_initials(syllable, strict=True)
    final = to_finals(syllable, strict=True, v_to_u=True)
    final = BUZZED.get(initial, final) if final == "i" else final
    return [*([initial] if initial else []), final or "er"]


class Case:
    """One way to get marks, and how far each begin and end of a word is from the aligner's, in ms."""

    def __init__(self, aligner: EnglishAligner | ChineseAligner) -> None:
        self._aligner = aligner
        self.by_sentence: list[list[tuple[float, float]]] = []
        self.outside_ms = 0.0
        self.in_order = True

    def add(self, text: str, samples: np.ndarray, marks: Sequence[Mark]) -> None:
        times = [mark.start_ms for mark in marks]
        self.in_order &= times == sorted(times) and all(mark.start_ms <= mark.end_ms for mark in marks)
        duration_ms = len(samples) * 1000 / ALIGNER_RATE
        self.outside_ms = max(self.outside_ms, *(mark.end_ms - duration_ms for mark in marks))
        found = self._aligner.times(text, samples, marks)
        if found is not None:
            self.by_sentence.append(
                [
                    (mark.start_ms - start, mark.end_ms - end)
                    for mark, (start, end) in zip(marks, found, strict=True)
                ]
            )


def measured(engine: Engine, language: str, voice: str, corpus: Path) -> dict[str, Case]:
    sample_rate = engine.info.sample_rate
    aligner: EnglishAligner | ChineseAligner
    aligner = EnglishAligner() if language == "en" else ChineseAligner(engine, voice, corpus)
    cases: dict[str, Case] = {}
    for text in sentences(language):
        chunks = spoken(engine, text, language, voice)
        for rate in RATES:
            cases.setdefault(f"rate {rate}", Case(aligner)).add(text, *heard(chunks, sample_rate, rate))
        if engine.info.marks:
            found = heard(without_marks(chunks, text, sample_rate), sample_rate, 1.0)
            cases.setdefault("found in the sound", Case(aligner)).add(text, *found)
    return cases


def summary(case: Case) -> dict[str, Any]:
    by_sentence = case.by_sentence
    differences = [pair for each in by_sentence for pair in each]
    sizes = sorted(abs(ms) for pair in differences for ms in pair)
    return {
        "sentences": len(by_sentence),
        "words": len(differences),
        "median_ms": round(statistics.median(sizes)),
        "p90_ms": round(sizes[int(len(sizes) * 0.9)]),
        "within_80_ms_percent": round(100 * sum(ms <= GOAL_MS for ms in sizes) / len(sizes), 1),
        "early_begin_ms": round(-statistics.median(begin for begin, _ in differences)),
        "in_order": case.in_order,
        "most_outside_ms": round(max(0.0, case.outside_ms)),
        "early_end_ms": round(-statistics.median(end for _, end in differences)),
    }


def main() -> None:
    written = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    figures = written.get("figures", {})
    parser = argparse.ArgumentParser()
    parser.add_argument("engines", nargs="*", default=["kokoro"])
    parser.add_argument("--corpus", type=Path, help="keep what Chinese is said here, and go on from there")
    options = parser.parse_args()
    for name in options.engines:
        engine = load_engine_class(name)()
        engine.load()
        for language in ("en", "zh"):
            if language not in engine.info.languages:
                continue
            for voice in VOICES.get(name, {}).get(language, engine.info.voices[:1]):
                with TemporaryDirectory() as temporary:
                    corpus = (options.corpus or Path(temporary)) / f"{name}-{voice}"
                    cases = measured(engine, language, voice, corpus)
                for case, found in cases.items():
                    figures[f"{name} {language} {voice}, {case}"] = summary(found)
                write(figures)


def write(figures: dict[str, Any]) -> None:
    report = {
        "aligner": {
            "en": f"pocketsphinx {version('pocketsphinx')}, en-us",
            "zh": f"viter {version('viter')}, trained on speech of the same voice",
        },
        "goal": {"within_ms": GOAL_MS, "median_ms": GOAL_MEDIAN_MS},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.platform(terse=True)}",
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "measured": datetime.now(UTC).date().isoformat(),
        "figures": figures,
    }
    RESULTS.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
