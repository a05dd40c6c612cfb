"""How near Kokoro's windows are to the whole pass of the same weights. Writes ``results/kokoro_windows.json``.

    python benchmarks/kokoro_windows.py --campplus FILE [voices|languages|short|base|pictures ...]

voices     each system voice, by its recipe, in English and in Chinese: similarity of the speaker (Resemblyzer, CAM++),
           pitch, DNSMOS, distance of spectra, steps at the joins; and how far apart the voices are in English
languages  the corpus of ``saystream quality`` by one voice: words or characters that Whisper heard otherwise
short      texts of one to five words, by each system voice, and by one what Whisper hears
base       Kokoro's own voices in their own languages
pictures   spectrograms of the pairs of ``voices`` that are farthest apart, into ``docs/pictures``

Both ways are spoken by the engine, with its reader, passes, loudness and changes of voice; only the model is another.
A row that is done is written at once and not measured again: delete the results to begin anew. Takes an hour of one
core. ``benchmarks/campplus.py`` says where FILE is to be had.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from campplus import CampPlus
from scipy.signal import resample_poly

from saystream import catalog
from saystream.engines.ahead import StepsAhead
from saystream.engines.base import Span, SynthesisRequest
from saystream.engines.kokoro.constants import FRAME_SAMPLES, SAMPLE_RATE
from saystream.engines.kokoro.engine import KokoroEngine
from saystream.engines.kokoro.model import Reading, WholeModel
from saystream.engines.kokoro.runtime import Interrupt
from saystream.engines.kokoro.stream import StreamingModel
from saystream.engines.kokoro.windows import distance_db
from saystream.models import ModelStore
from saystream.quality import Scorer, Sentence, load_corpus, measure, scorer_python, spread, write_wav
from saystream.text.normalizer import normalize
from saystream.voices.recipes import recipe

if TYPE_CHECKING:
    from saystream.audio import Samples

RESULTS = Path(__file__).parent / "results" / "kokoro_windows.json"
PICTURES = Path(__file__).parents[1] / "docs" / "pictures"

VOICE = "Cherry"
TOGETHER = 4
EVERY = 3
"""Of the corpus every third sentence is said: seven in each language."""
SAID = {"en": (8, 12), "zh": (6, 14)}
"""Sentences of the corpus that every voice says, as one text: a voice is not known by a word."""
BASE_LANGUAGES = {
    "a": "en",
    "b": "en",
    "e": "es",
    "f": "fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt",
    "z": "zh",
}
"""By the first letter of a voice's name."""
HINDI = "मुझे सुबह की चाय के साथ अख़बार पढ़ना बहुत पसंद है।"
SHORT = {
    "en": ("Yes.", "Thank you!", "See you tomorrow.", "What time is it?", "I will call you back.",
           "Hello?", "Good morning.", "That is right.", "Where do you live?", "Please wait a little longer."),
    "zh": ("好。", "谢谢！", "没关系。", "现在几点？", "我马上就来。",
           "对。", "再见！", "我知道了。", "你在哪里？", "请再说一遍。"),
}  # fmt: skip
"""Of one to five words."""
BESIDE_S = 0.01
"""On each side of a join: where its step is compared with the signal's own."""
SILENT_STEP = 1e-4
PICTURED = 5
MEL_BANDS, PICTURE_HOP = 96, 160


@dataclass
class Said:
    """One text, as the engine and as the model made it."""

    sound: Samples
    """After the engine's changes of voice and loudness."""
    passes: list[list[Samples]] = field(default_factory=list)
    """Of the model: the windows of each pass."""


class _Recorded:
    """A model whose windows are kept."""

    def __init__(self, model: WholeModel | StreamingModel, like: StreamingModel) -> None:
        self.limits = like.limits
        self.passes: list[list[Samples]] = []
        self._model = model

    def read(self, *given: Any, **named: Any) -> Reading:
        reading = self._model.read(*given, **named)
        pieces: list[Samples] = []
        self.passes.append(pieces)
        return replace(reading, steps=[partial(_kept, step, pieces) for step in reading.steps])


def _kept(step: Callable[[], Samples], pieces: list[Samples]) -> Samples:
    pieces.append(step())
    return pieces[-1]


class Bench:
    """The engine with both models, and the scoring programs."""

    def __init__(self, scorer: Scorer, campplus: CampPlus, folder: Path, results: Mapping[str, Any]) -> None:
        self.engine = KokoroEngine(threads=1, concurrency=1)
        self.engine.load()
        windows = self.engine._model
        assert isinstance(windows, StreamingModel), "saystream models pull kokoro makes the parts"
        whole = WholeModel(ModelStore().path("kokoro") / "model.onnx", self.engine._styles, threads=1)
        self.models = {"whole": _Recorded(whole, windows), "windows": _Recorded(windows, windows)}
        self.runtime = windows.runtime
        self.scorer = scorer
        self.results = results
        self.folder = folder
        self._campplus = campplus

    def say(self, way: str, text: str, request: SynthesisRequest) -> Said:
        model = self.models[way]
        model.passes = []
        self.engine._model = model  # type: ignore[assignment]
        chunks = self.engine.speak(
            Span(normalize(text, request.language)), request, Interrupt(), StepsAhead()
        )
        return Said(np.concatenate([chunk.samples for chunk in chunks]), model.passes)

    def role(self, voice: str, language: str) -> SynthesisRequest:
        made = recipe(catalog.load().voice(voice), self.engine.info, language)
        return SynthesisRequest(made.base, language, speed=made.speed, pitch=made.pitch, formant=made.formant)

    def compared(self, text: str, request: SynthesisRequest) -> dict[str, Any]:
        """Both ways of saying it, measured."""
        whole, windows = (self.say(way, text, request) for way in ("whole", "windows"))
        scores = [self._scored(said.sound, request.language) for said in (whole, windows)]
        joins = Joins()
        distances = []
        for (entire,), pieces in zip(whole.passes, windows.passes, strict=True):
            made = np.concatenate(pieces)
            expected = _aligned(entire, made)
            distances.append(distance_db(made, expected))
            joins.add(pieces, expected)
        return {
            "seconds": round(len(windows.sound) / SAMPLE_RATE, 2),
            "resemblyzer": _cosine(scores, "resemblyzer"),
            "campplus": _cosine(scores, "campplus"),
            "pitch_hz": [round(score["pitch_hz"], 2) for score in scores],
            "mos": [round(score["mos"], 3) for score in scores],
            "distance_db": [round(each, 2) for each in distances],
            "joins": asdict(joins),
            "embedding": base64.b64encode(scores[1]["resemblyzer"].astype("<f2").tobytes()).decode(),
        }

    def _scored(self, sound: Samples, language: str) -> dict[str, Any]:
        wav = self.folder / "said.wav"
        write_wav(wav, sound, SAMPLE_RATE)
        found = self.scorer.score(wav, language=language, scores=("mos", "speaker", "pitch"))
        return {
            "resemblyzer": np.array(found.speaker, np.float32),
            "campplus": self._campplus.embedding(resample_poly(sound, 2, 3).astype(np.float32)),
            "pitch_hz": found.pitch_hz or 0.0,
            "mos": found.mos or 0.0,
        }


@dataclass
class Joins:
    """The step between two samples at each join, as a share of the largest other step within 10 ms of it."""

    count: int = 0
    worst: float = 0.0
    """Of the sound in windows."""
    above: int = 0
    """Joins whose step is larger than any other beside it."""
    worst_of_whole: float = 0.0
    """Of the whole pass at the same places, which has no joins."""
    above_in_whole: int = 0

    def add(self, pieces: list[Samples], whole: Samples) -> None:
        made = np.concatenate(pieces)
        for at in np.cumsum([len(piece) for piece in pieces])[:-1]:
            here, there = _share_of_step(made, int(at)), _share_of_step(whole, int(at))
            self.count += 1
            self.worst, self.worst_of_whole = (
                round(max(self.worst, here), 3),
                round(max(self.worst_of_whole, there), 3),
            )
            self.above, self.above_in_whole = self.above + (here > 1), self.above_in_whole + (there > 1)


def _share_of_step(sound: Samples, at: int) -> float:
    beside = round(BESIDE_S * SAMPLE_RATE)
    steps = np.abs(np.diff(sound[max(0, at - beside) : at + beside]))
    place = min(at, beside) - 1
    return float(steps[place] / (np.delete(steps, place).max() + SILENT_STEP))


def _aligned(entire: Samples, made: Samples) -> Samples:
    """The stretch of the whole pass that ``made`` is."""
    places = range(0, len(entire) - len(made) + 1, FRAME_SAMPLES)
    best = max(places, key=lambda place: float(np.dot(entire[place : place + len(made)], made)))
    return entire[best : best + len(made)]


def _cosine(scores: list[dict[str, Any]], encoder: str) -> float:
    return round(float(np.dot(scores[0][encoder], scores[1][encoder])), 4)


def voices(bench: Bench, kept: dict[str, Any], write: Callable[[], None]) -> None:
    for language in SAID:
        for voice in catalog.load().system_voices:
            row = kept.setdefault(voice.name, {"sex": voice.sex, "age": voice.age})
            if language not in row:
                row[language] = bench.compared(_text(language), bench.role(voice.name, language))
                write()
                print(voice.name, language, _shown(row[language]), flush=True)


def short(bench: Bench, kept: dict[str, Any], write: Callable[[], None]) -> None:
    for language, texts in SHORT.items():
        for number, voice in enumerate(catalog.load().system_voices):
            row = kept.setdefault(voice.name, {})
            if language not in row:
                text = texts[number % len(texts)]
                row[language] = {"text": text} | bench.compared(text, bench.role(voice.name, language))
                write()
                print(voice.name, _shown(row[language]), flush=True)


def base(bench: Bench, kept: dict[str, Any], write: Callable[[], None]) -> None:
    for voice in bench.engine.info.voices:
        if voice not in kept:
            language = BASE_LANGUAGES[voice[0]]
            kept[voice] = bench.compared(_text(language), SynthesisRequest(voice, language))
            write()
            print(voice, _shown(kept[voice]), flush=True)


def _text(language: str) -> str:
    if language == "hi":
        return HINDI
    return " ".join(load_corpus()[language][number].text for number in SAID.get(language, SAID["en"]))


class _Speaker:
    """One way to speak, for ``measure``."""

    def __init__(self, bench: Bench, way: str) -> None:
        self.path = way
        self._bench = bench

    def speak(self, text: str, *, voice: str, language: str) -> tuple[Samples, int]:
        return self._bench.say(self.path, text, self._bench.role(voice, language)).sound, SAMPLE_RATE


def languages(bench: Bench, kept: dict[str, Any], write: Callable[[], None]) -> None:
    said = {name: sentences[::EVERY] for name, sentences in load_corpus().items()} | {
        f"short {language}": _sentences(language) for language in SHORT
    }
    for name, sentences in said.items():
        for way in bench.models:
            row = kept.setdefault(name, {})
            if way in row:
                continue
            found = measure(
                _Speaker(bench, way),
                bench.scorer,
                sentences,
                voice=VOICE,
                language=name.rpartition(" ")[2],
                scores=("words", "mos", "pitch"),
                folder=bench.folder,
                together=TOGETHER,
            )
            heard = [[each.text, each.transcript] for each in found.differences]
            row[way] = asdict(found.rows[0]) | {"heard_otherwise": heard}
            write()
            print(row[way], flush=True)


def _sentences(language: str) -> list[Sentence]:
    return [Sentence(text, (text,)) for text in SHORT[language]]


def pictures(bench: Bench, kept: dict[str, Any], write: Callable[[], None]) -> None:
    """Of those whose windows are farthest from the whole pass: that above, the windows below, 0 to 8 kHz upwards."""
    rows = [(max(row["en"]["distance_db"]), name) for name, row in bench.results["voices"]["rows"].items()]
    PICTURES.mkdir(exist_ok=True)
    for number, (distance, name) in enumerate(sorted(rows, reverse=True)[:PICTURED], start=1):
        request = bench.role(name, "en")
        both = [bench.say(way, _text("en"), request).sound for way in bench.models]
        length = max(map(len, both))
        levels = [_mel_levels(np.pad(sound, (0, length - len(sound)))) for sound in both]
        gap = np.full((4, levels[0].shape[1]), 255, np.uint8)
        file = PICTURES / f"kokoro-windows-{number}.png"
        file.write_bytes(_png(np.concatenate([levels[0], gap, levels[1]])))
        kept[name] = {"distance_db": distance, "file": file.name}
        write()


def _mel_levels(sound: Samples) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Light is silent, black is loud: 70 dB."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound, 512), 1024)[::PICTURE_HOP] * np.hanning(
        1024
    )
    power = np.abs(np.fft.rfft(frames)) ** 2
    mel = np.linspace(0, 1127 * np.log1p(8000 / 700), MEL_BANDS + 1)
    bins = np.unique(np.round(700 * np.expm1(mel / 1127) * 1024 / SAMPLE_RATE).astype(int))
    bands = np.add.reduceat(power, bins[:-1], axis=1)[:, : len(bins) - 1] / np.diff(bins)
    levels_db = 10 * np.log10(bands + 1e-9)
    grey = 255 - np.clip((levels_db - levels_db.max() + 70) / 70, 0, 1) * 255
    # Sixteen greys: a picture for documents need not be large.
    return np.repeat((grey // 16 * 17).astype(np.uint8).T[::-1], 2, axis=0)


def _png(grey: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """Of four bits per pixel."""
    height, width = grey.shape
    half = np.pad(grey // 17, ((0, 0), (0, width % 2)))
    packed = (half[:, ::2] << 4 | half[:, 1::2]).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    chunks = ((b"IHDR", struct.pack(">2I5B", width, height, 4, 0, 0, 0, 0)), (b"IDAT", zlib.compress(rows, 9)),
              (b"IEND", b""))  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "embedding"}


def summary(results: Mapping[str, Any]) -> dict[str, Any]:
    """What the goals are about."""
    found: dict[str, Any] = {}
    parts = {name: results[name]["rows"] for name in ("voices", "short", "base") if name in results}
    if "base" in parts:
        parts["base"] = {name: {"own": row} for name, row in parts["base"].items()}
    for part, rows in parts.items():
        by_voice = {
            name: [row[key] for key in row if isinstance(row[key], dict)] for name, row in rows.items()
        }
        found[part] = _of_rows(by_voice)
    if "voices" in parts:
        found["english"] = _english(parts["voices"])
    if "languages" in results:
        found["languages"] = {
            name: {
                "errors_over_points": round(
                    row["windows"]["error_percent"] - row["whole"]["error_percent"], 2
                ),
                "mos_below": round(row["whole"]["mos"] - row["windows"]["mos"], 3),
            }
            for name, row in results["languages"]["rows"].items()
            if len(row) == 2
        }
        whole = [row for name, row in found["languages"].items() if not name.startswith("short")]
        found["languages"]["mean"] = {key: round(fmean(row[key] for row in whole), 3) for key in whole[0]}
    return found


def _of_rows(by_voice: Mapping[str, list[Mapping[str, Any]]]) -> dict[str, Any]:
    every = [row for rows in by_voice.values() for row in rows]
    pitches = [100 * (row["pitch_hz"][1] / row["pitch_hz"][0] - 1) for row in every if all(row["pitch_hz"])]
    found: dict[str, Any] = {"voices": len(by_voice), "pairs": len(every)}
    for encoder in ("resemblyzer", "campplus"):
        of_voice = {name: fmean(row[encoder] for row in rows) for name, rows in by_voice.items()}
        worst = min(of_voice, key=lambda name: of_voice[name])
        found[encoder] = {
            "mean": round(fmean(of_voice.values()), 4),
            "least_of_a_voice": [worst, round(of_voice[worst], 4)],
            "voices_under_0.9": sorted(name for name, value in of_voice.items() if value < 0.9),
            "least_of_a_pair": min(row[encoder] for row in every),
        }
    return found | {
        "pitch_percent": {
            "mean": round(fmean(pitches), 3),
            "farthest": round(max(pitches, key=abs), 2),
            "pairs_beyond_1": sum(abs(each) > 1 for each in pitches),
        },
        "mos_below": round(fmean(row["mos"][0] - row["mos"][1] for row in every), 4),
        "distance_db": {
            "mean": round(fmean(each for row in every for each in row["distance_db"]), 2),
            "farthest": max(each for row in every for each in row["distance_db"]),
        },
        "joins": {
            key: (sum if key in ("count", "above", "above_in_whole") else max)(
                row["joins"][key] for row in every
            )
            for key in every[0]["joins"]
        },
    }


def _english(rows: Mapping[str, Any]) -> dict[str, Any]:
    """How far apart the voices are in English, and how high they are."""
    vectors = {
        name: [np.frombuffer(base64.b64decode(row["en"]["embedding"]), "<f2").astype(np.float32).tolist()]
        for name, row in rows.items()
    }
    likeness = spread(vectors)
    pitch = {name: row["en"]["pitch_hz"][1] for name, row in rows.items()}
    adults = {
        sex: sorted(pitch[name] for name, row in rows.items() if row["sex"] == sex and row["age"] != "child")
        for sex in ("male", "female")
    }
    return {
        "mean_similarity": likeness.mean_similarity,
        "max_similarity": likeness.max_similarity,
        "closest": likeness.closest,
        "men_hz": [adults["male"][0], adults["male"][-1]],
        "women_hz": [adults["female"][0], adults["female"][-1]],
    }


PARTS = {"voices": voices, "languages": languages, "short": short, "base": base, "pictures": pictures}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    parser.add_argument("--campplus", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    results = json.loads(arguments.output.read_text("utf-8")) if arguments.output.exists() else {}

    def write() -> None:
        arguments.output.write_text(
            json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )

    with (
        Scorer(scorer_python(), ModelStore().path("whisper-small")) as scorer,
        tempfile.TemporaryDirectory() as folder,
    ):
        bench = Bench(scorer, CampPlus(arguments.campplus), Path(folder), results)
        for name in arguments.parts:
            part = results.setdefault(name, {"runs": [], "rows": {}})
            part["runs"].append(about := _about(bench.runtime))
            PARTS[name](bench, part["rows"], write)
            about["load_average"].append(round(os.getloadavg()[0], 2))
            results["summary"] = summary(results)
            write()
    print(json.dumps(results["summary"], indent=1, ensure_ascii=False))


def _about(runtime: str) -> dict[str, Any]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
        "machine": f"{os.cpu_count()} shared cores, {platform.system()} {platform.machine()}",
        "windows_by": runtime,
        "load_average": [round(os.getloadavg()[0], 2)],
    }


if __name__ == "__main__":
    main()
