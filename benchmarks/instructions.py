"""Speaks with 30 instructions and without: python benchmarks/instructions.py [--engine kokoro] [--words].

For an engine that follows no instructions itself. A pair is right if what the instruction names has changed in the
direction that it asks for: tempo (syllables a second without pauses), pitch (median F0), intonation (semitones between
the 10th and the 90th percentile of F0), loudness (LUFS), or the time in pauses. With ``--words`` Whisper counts
the words that are heard differently, which takes some minutes more. ``--write`` keeps the figures in
``benchmarks/results/instructions.json``. Needs the engine's packages and weights, and the scoring programs
(``scripts/setup --foreign``) with ``saystream models pull whisper-small``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saystream.engines.base import Engine, Span, SynthesisRequest
from saystream.engines.registry import load_engine_class
from saystream.hosting.normalized import open_stream
from saystream.models import ModelStore
from saystream.quality.scorer import Scorer, scorer_python
from saystream.quality.speaking import write_wav
from saystream.text.description import described
from saystream.voices.instructed import instructed

if TYPE_CHECKING:
    from saystream.audio import Samples

RESULTS = Path(__file__).parent / "results" / "instructions.json"

TEXTS = {
    "en": (
        "When the train arrived, my sister was already waiting, and she waved at me from the platform.",
        25,
    ),
    "zh": ("火车到站的时候，我妹妹已经在那里等着，她从站台上向我挥手。", 25),
}
"""With their syllables."""
VOICES = {"zh": "zf_xiaoxiao"}
"""Of Kokoro; its first voice for English."""

INSTRUCTIONS = """
tempo up        | Speak quickly.
tempo down      | Speak slowly and take your time.
tempo up        | A slightly faster pace, please.
tempo down      | Not too fast.
tempo up        | 语速快一点。
tempo down      | 说得慢一些。
tempo down      | 语速非常缓慢，像在讲睡前故事。
tempo up        | Like an excited sports commentator.
pitch up        | Use a high pitch.
pitch down      | In a deep voice.
pitch up        | 音调高一点。
pitch down      | 声音低沉。
pitch up        | Sound like a little child.
pitch down      | Serious, with a slightly low pitch.
intonation up   | Very expressive and dramatic.
intonation down | In a monotone, without emotion.
intonation up   | 抑扬顿挫，富有感情。
intonation down | 语调平淡，没有感情。
intonation up   | With lively ups and downs.
intonation down | Flat, like a machine, robotic.
loudness up     | Loud and clear.
loudness down   | Whisper.
loudness up     | 大声说。
loudness down   | 请小声一点，轻声说话。
loudness down   | Quiet, as if somebody is asleep.
loudness up     | Shouting angrily.
pauses up       | With long pauses.
pauses down     | Without pauses, in one go.
pauses up       | 停顿长一些。
pauses down     | 一口气说完，不停顿。
"""

QUIET = 10 ** (-45 / 20)
SHORTEST_PAUSE_S = 0.12
LEAST = {"tempo": 0.03, "pitch": 0.02, "intonation": 0.08, "loudness": 0.8, "pauses": 0.1}
"""Changes that count, relative; of loudness in LU."""


def said(engine: Engine, request: SynthesisRequest, text: str) -> Samples:
    stream = open_stream(engine, request)
    stream.push(Span(text))
    stream.end_input()
    return np.concatenate([np.zeros(0, np.float32), *(chunk.samples for chunk in stream.chunks())])


def lengths_s(samples: Samples, sample_rate: int, loudest: float) -> tuple[float, float]:
    """Of the speech, and of the pauses in it."""
    block = sample_rate // 100
    blocks = samples[: len(samples) // block * block].reshape(-1, block)
    loud = np.sqrt(np.mean(blocks**2, axis=1)) > QUIET * loudest
    places = np.flatnonzero(loud)
    gaps = np.diff(places) - 1
    pauses = gaps[gaps >= SHORTEST_PAUSE_S * 100].sum() / 100
    return (places[-1] - places[0] + 1) / 100 - pauses, float(pauses)


def figures(
    samples: Samples, sample_rate: int, language: str, scorer: Scorer, scores: tuple[str, ...]
) -> dict[str, Any]:
    text, syllables = TEXTS[language]
    speech_s, pauses_s = lengths_s(samples, sample_rate, float(np.abs(samples).max()))
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "said.wav"
        write_wav(wav, samples, sample_rate)
        score = scorer.score(wav, language=language, expected=[text], scores=scores)
    return {
        "tempo": syllables / speech_s,
        "pitch": score.pitch_hz,
        "intonation": score.pitch_spread,
        "loudness": score.loudness_lufs,
        "pauses": pauses_s,
        "errors": score.errors,
        "length": score.length,
    }


def change(axis: str, before: dict[str, Any], after: dict[str, Any]) -> float:
    """Relative, of loudness in LU."""
    if axis == "loudness":
        return float(after[axis] - before[axis])
    return float(after[axis] / before[axis] - 1)


def results(engine: Engine, scorer: Scorer, scores: tuple[str, ...]) -> dict[str, Any]:
    plain: dict[str, dict[str, Any]] = {}
    pairs = []
    for line in INSTRUCTIONS.strip().splitlines():
        asked, _, instruction = (part.strip() for part in line.partition("|"))
        axis, direction = asked.split()
        language = "zh" if not instruction.isascii() and engine.info.speaks("zh") else "en"
        voice = VOICES.get(language, engine.info.voices[0])
        request = SynthesisRequest(voice if voice in engine.info.voices else engine.info.voices[0], language)
        text = TEXTS[language][0]
        rate = engine.info.sample_rate
        if language not in plain:
            plain[language] = figures(said(engine, request, text), rate, language, scorer, scores)
        wanted = instructed(request, described(instruction))
        after = figures(said(engine, wanted, text), rate, language, scorer, scores)
        changed = change(axis, plain[language], after)
        right = changed >= LEAST[axis] if direction == "up" else changed <= -LEAST[axis]
        verdict = "ok" if right else "wrong"
        print(f"{verdict:6} {asked:16} {changed:+.2f} errors {after['errors']} {instruction}", flush=True)
        pairs.append(
            {"instruction": instruction, "asked": asked, "change": round(changed, 3), "right": right}
            | {"errors": after["errors"], "of": after["length"], "language": language}
        )
    found = {"right": sum(pair["right"] for pair in pairs), "of": len(pairs), "pairs": pairs}
    if "words" not in scores:
        return found
    rates = {code: each["errors"] / each["length"] for code, each in plain.items()}
    errors = sum(pair["errors"] for pair in pairs)
    words = sum(pair["of"] for pair in pairs)
    usual = sum(rates[pair["language"]] * pair["of"] for pair in pairs)
    return found | {
        "word_error_rate": round(errors / words, 4),
        "word_error_rate_without": round(usual / words, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="kokoro")
    parser.add_argument("--words", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    engine = load_engine_class(options.engine)()
    engine.load()
    with Scorer(scorer_python(), ModelStore().path("whisper-small")) as scorer:
        scores = ("words", "pitch", "loudness") if options.words else ("pitch", "loudness")
        found = results(engine, scorer, scores)
    print({key: value for key, value in found.items() if key != "pairs"})
    if options.write:
        kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        kept[options.engine] = found
        RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
