"""How far the times of words are from those that a forced aligner finds. Writes ``benchmarks/results/timestamps.json``.

    pip install pocketsphinx
    python benchmarks/timestamps.py [ENGINE ...]

The aligner is PocketSphinx with the American English model of its package. It knows no Chinese, so each syllable is
given to it as the nearest English phones; its boundaries are those of the sound all the same. Needs the weights of
the engines named, by default ``kokoro``. A sentence with a word that is not in the aligner's dictionary is left out.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pocketsphinx
from pypinyin import lazy_pinyin
from pypinyin.contrib.tone_convert import to_finals, to_initials

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

INITIALS = {
    "b": "B", "p": "P", "m": "M", "f": "F", "d": "D", "t": "T", "n": "N", "l": "L", "g": "G", "k": "K", "h": "HH",
    "j": "JH", "q": "CH", "x": "SH", "zh": "JH", "ch": "CH", "sh": "SH", "r": "R", "z": "D Z", "c": "T S", "s": "S",
    "": "",
}  # fmt: skip
FINALS = {
    "a": "AA", "ai": "AY", "an": "AE N", "ang": "AA NG", "ao": "AW", "e": "AH", "ei": "EY", "en": "AH N",
    "eng": "AH NG", "er": "ER", "i": "IY", "ia": "Y AA", "ian": "Y EH N", "iang": "Y AA NG", "iao": "Y AW",
    "ie": "Y EH", "in": "IH N", "ing": "IY NG", "iong": "Y UH NG", "iou": "Y OW", "o": "W AO", "ong": "UH NG",
    "ou": "OW", "u": "UW", "ua": "W AA", "uai": "W AY", "uan": "W AA N", "uang": "W AA NG", "uei": "W EY",
    "uen": "W AH N", "ueng": "W AH NG", "uo": "W AO", "ü": "Y UW", "üe": "Y EH", "üan": "Y EH N", "ün": "Y IH N",
}  # fmt: skip
BUZZED = {"zh", "ch", "sh", "r", "z", "c", "s"}


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
    return [text for text in texts if not any(map(str.isdigit, text))][:SENTENCES]


def phones(syllable: str) -> str:
    initial = to_initials(syllable, strict=True)
    final = to_finals(syllable, strict=True, v_to_u=True)
    vowel = "AH" if final == "i" and initial in BUZZED else FINALS.get(final, "AH")
    return f"{INITIALS.get(initial, '')} {vowel}".strip()


def pronunciations(decoder: Any, text: str, language: str, marks: Sequence[Mark]) -> list[str] | None:
    """Of each mark, in the aligner's phones; ``None`` if one is not known."""
    if language == "zh":
        readings = lazy_pinyin(text, errors=list)  # type: ignore[arg-type]  # one entry for each character
        if len(readings) != len(text):
            return None
        found = [" ".join(map(phones, readings[mark.start : mark.end])) for mark in marks]
        return found if all(each.isascii() for each in found) else None
    words = [text[mark.start : mark.end].lower().replace("’", "'").strip(".") for mark in marks]
    looked_up = [decoder.lookup_word(word) for word in words]
    return None if None in looked_up else looked_up


def aligned(decoder: Any, samples: np.ndarray, words: Sequence[str]) -> list[tuple[float, float]] | None:
    names = [f"word{number}" for number in range(len(words))]
    for name, word in zip(names, words, strict=True):
        if decoder.lookup_word(name) is None:
            decoder.add_word(name, word, True)
    decoder.set_align_text(" ".join(names))
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), full_utt=True)
    decoder.end_utt()
    segments = {each.word: each for each in decoder.seg() or ()}
    if any(name not in segments for name in names):
        return None
    return [
        (segments[name].start_frame * FRAME_MS, (segments[name].end_frame + 1) * FRAME_MS) for name in names
    ]


class Case:
    """One way to get marks, and how far each begin and end of a word is from the aligner's, in ms."""

    def __init__(self) -> None:
        self.by_sentence: list[list[tuple[float, float]]] = []
        self.outside_ms = 0.0
        self.in_order = True

    def add(self, text: str, language: str, samples: np.ndarray, marks: Sequence[Mark]) -> None:
        times = [mark.start_ms for mark in marks]
        self.in_order &= times == sorted(times) and all(mark.start_ms <= mark.end_ms for mark in marks)
        duration_ms = len(samples) * 1000 / ALIGNER_RATE
        self.outside_ms = max(self.outside_ms, *(mark.end_ms - duration_ms for mark in marks))
        # One for each sentence: names of words must not keep what they were in another.
        decoder = pocketsphinx.Decoder(lm=None, samprate=ALIGNER_RATE, loglevel="FATAL")
        words = pronunciations(decoder, text, language, marks)
        found = aligned(decoder, samples, words) if words else None
        if found is not None:
            self.by_sentence.append(
                [
                    (mark.start_ms - start, mark.end_ms - end)
                    for mark, (start, end) in zip(marks, found, strict=True)
                ]
            )


def measured(engine: Engine, language: str, voice: str) -> dict[str, Case]:
    sample_rate = engine.info.sample_rate
    cases: dict[str, Case] = {}
    for text in sentences(language):
        chunks = spoken(engine, text, language, voice)
        for rate in RATES:
            cases.setdefault(f"rate {rate}", Case()).add(text, language, *heard(chunks, sample_rate, rate))
        if engine.info.marks:
            found = heard(without_marks(chunks, text, sample_rate), sample_rate, 1.0)
            cases.setdefault("found in the sound", Case()).add(text, language, *found)
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
    for name in sys.argv[1:] or ["kokoro"]:
        engine = load_engine_class(name)()
        engine.load()
        for language in ("en", "zh"):
            if language not in engine.info.languages:
                continue
            for voice in VOICES.get(name, {}).get(language, engine.info.voices[:1]):
                for case, found in measured(engine, language, voice).items():
                    figures[f"{name} {language} {voice}, {case}"] = summary(found)
                write(figures)


def write(figures: dict[str, Any]) -> None:
    report = {
        "aligner": f"pocketsphinx {version('pocketsphinx')}, en-us",
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
