"""Measures the pitch of voices by rule: python benchmarks/voice_rule.py [--engine kokoro] [--voices 30].

Needs the packages and weights of the engine, and Praat (``praat-parselmouth``). Prints each voice and kind, and writes
``benchmarks/results/voice_rule.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np

from saystream.catalog import Voice, load
from saystream.engines.base import Span, SynthesisRequest
from saystream.engines.registry import load_engine_class
from saystream.voices.recipes import recipe

RESULTS = Path(__file__).parent / "results" / "voice_rule.json"
TEXTS = {
    "zh": "今天的天气很好，我们一起去公园散步吧。",
    "en": "The weather is lovely today, so let us take a walk.",
}


def spread(voices: list[Voice], number: int) -> list[Voice]:
    """About ``number`` of them, from everywhere in the list."""
    return voices[:: max(1, len(voices) // number)]


def pitch_hz(samples: np.ndarray, sample_rate: int) -> float:
    """Median fundamental frequency."""
    import parselmouth

    pitches = parselmouth.Sound(samples.astype(float), sample_rate).to_pitch_ac(pitch_ceiling=600)
    heard = pitches.selected_array["frequency"]
    return float(np.median(heard[heard > 0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="kokoro")
    parser.add_argument("--voices", type=int, default=30)
    options = parser.parse_args()
    engine = load_engine_class(options.engine)()
    engine.load()
    kinds: dict[str, list[float]] = defaultdict(list)
    voices: dict[str, int] = {}
    for voice in spread([voice for voice in load().all_voices if voice.family != "qwen"], options.voices):
        language = "en" if voice.language.startswith("en") else "zh"
        made = recipe(voice, engine.info, language)
        request = SynthesisRequest(voice=made.base, language=language)
        stream = engine.open(request)
        stream.push(Span(TEXTS[language]))
        stream.end_input()
        samples = np.concatenate([chunk.samples for chunk in stream.chunks()])
        # What the effects do to the pitch is tested elsewhere; here it is what the base sounds like.
        heard = pitch_hz(samples, engine.info.sample_rate) * made.pitch
        kinds["child" if voice.age == "child" else f"{voice.age} {voice.sex}"].append(heard)
        voices[voice.name] = round(heard)
        print(f"{voice.name:24} {voice.sex:6} {voice.age:5} {heard:5.0f} Hz  {made}")
    for kind, pitches in sorted(kinds.items()):
        low, high = min(pitches), max(pitches)
        print(f"{kind:14} {len(pitches):3} voices, {low:.0f} to {high:.0f} Hz, median {median(pitches):.0f}")
    report = {
        "engine": options.engine,
        "machine": f"{os.cpu_count()} shared cores, {platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 1),
        "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
        "measured": datetime.now(UTC).date().isoformat(),
        "median pitch of kinds, Hz": {kind: round(median(each)) for kind, each in sorted(kinds.items())},
        "pitch of voices, Hz": voices,
    }
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
