"""Measures how like a recorded speaker Kokoro's voice match is: python benchmarks/voice_match.py FOLDER [-o FILE].

FOLDER holds ``references/NAME.wav``: at least five seconds each of speakers who are none of Kokoro's. The voices of
flite, Piper and eSpeak NG were taken for the published figures. What is spoken is kept in FOLDER, so a run that was
stopped goes on.

Each reference is enrolled, and two sentences that the search does not use are spoken with the match and with Kokoro's
own voices. Resemblyzer says how similar each is to the reference; the search never asks it, but by CAM++
(``saystream models pull campplus``). Also needs the weights of Kokoro and ``scripts/setup --foreign``.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saystream.engines.base import Recording, Span, SynthesisRequest
from saystream.engines.kokoro.engine import KokoroEngine
from saystream.engines.kokoro.match.search import measured
from saystream.models import ModelStore
from saystream.quality.scorer import Scorer, scorer_python
from saystream.quality.speaking import write_wav

if TYPE_CHECKING:
    from saystream.audio import Samples

TEXTS = (
    "The museum opens at nine, but the garden behind it is never closed.",
    "My brother has lived in Chicago since the autumn, and he likes his new job.",
)


class Bench:
    def __init__(self, folder: Path, scorer: Scorer) -> None:
        self.folder = folder
        self.scorer = scorer
        self.engine = KokoroEngine()
        self.engine.load()
        self._speakers: dict[Path, Samples] = {}

    def said(self, name: str, request: SynthesisRequest) -> Path:
        """The file in which both sentences are spoken; made once."""
        path = self.folder / f"{name}.wav"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            chunks: list[Samples] = []
            for text in TEXTS:
                stream = self.engine.open(request)
                stream.push(Span(text))
                stream.end_input()
                chunks += (chunk.samples for chunk in stream.chunks())
            write_wav(path, np.concatenate(chunks), self.engine.info.sample_rate)
        return path

    def enrolled(self, reference: Path) -> dict[str, Any]:
        """The material and what it cost; made once."""
        path = self.folder / "match" / f"{reference.stem}.json"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            began_s, used_s = time.monotonic(), time.process_time()
            enrolled = self.engine.enroll(Recording(*read(reference)))
            found = {
                "material": enrolled.material.decode(),
                "campplus": enrolled.similarity,
                "wall_s": round(time.monotonic() - began_s, 1),
                "cpu_s": round(time.process_time() - used_s, 1),
            }
            path.write_text(json.dumps(found), "utf-8")
        made: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return made

    def similarity(self, one: Path, other: Path) -> float:
        return float(self._speaker(one) @ self._speaker(other))

    def errors(self, path: Path) -> int:
        """Words that Whisper hears differently."""
        score = self.scorer.score(path, language="en", expected=(" ".join(TEXTS),), scores=("words",))
        return score.errors or 0

    def _speaker(self, path: Path) -> Samples:
        if path not in self._speakers:
            found = self.scorer.score(path, language="en", scores=("speaker",))
            self._speakers[path] = np.array(found.speaker, np.float32)
        return self._speakers[path]

    def compared(self, reference: Path, voices: list[str]) -> dict[str, Any]:
        found = self.enrolled(reference)
        request = SynthesisRequest("", "en", material=found.pop("material").encode())
        match = self.said(f"match/{reference.stem}", request)
        own = {
            voice: self.similarity(self.said(f"own/{voice}", SynthesisRequest(voice, "en")), reference)
            for voice in voices
        }
        nearest = max(own, key=lambda voice: own[voice])
        pitches = [measured(*read(path), None).hz for path in (match, reference)]
        return {
            "nearest": nearest,
            "own": round(own[nearest], 3),
            "match": round(self.similarity(match, reference), 3),
            "semitones": round(12 * math.log2(pitches[0] / pitches[1]), 2),
            "errors": [self.errors(match), self.errors(self.folder / "own" / f"{nearest}.wav")],
            **found,
        }


def read(path: Path) -> tuple[Samples, int]:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return (samples / 32768).astype(np.float32), file.getframerate()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--voices", help="own voices to compare with, with commas between; all unless told")
    arguments = parser.parse_args()
    with Scorer(scorer_python(), ModelStore().path("whisper-small")) as scorer:
        bench = Bench(arguments.folder, scorer)
        voices = arguments.voices.split(",") if arguments.voices else list(bench.engine.info.voices)
        rows = {}
        for reference in sorted((arguments.folder / "references").glob("*.wav")):
            rows[reference.stem] = row = bench.compared(reference, voices)
            print(reference.stem, row, flush=True)
    summary = {
        "nearer": sum(row["match"] > row["own"] for row in rows.values()),
        "references": len(rows),
        "mean_gain": round(float(np.mean([row["match"] - row["own"] for row in rows.values()])), 3),
        "farthest_semitones": max(abs(row["semitones"]) for row in rows.values()),
        "cpu_s": [min(row["cpu_s"] for row in rows.values()), max(row["cpu_s"] for row in rows.values())],
    }
    print(summary)
    if arguments.output:
        result = {"summary": summary, "versions": scorer.versions, "voices": voices, "speakers": rows}
        arguments.output.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
