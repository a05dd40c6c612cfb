"""What the engine Kokoro does on this machine. Writes ``benchmarks/results/kokoro.json``, each part on its own.

    python benchmarks/kokoro.py threads|windows|mixed|cuts|passes|loudness ...

threads   sound for each second, with one thread for a pass and with two, and with one pass at once and two
windows   CPU and wall time of one text by the export, and in windows by ONNX Runtime and by OpenVINO, alone and two at
          once; what a runtime takes to load; ``kokoro_windows.py`` judges the sound
mixed     English words in Chinese sentences, as Whisper hears them: the sentences of ``kokoro_mixed*.txt``
cuts      sentences that are cut at a phrase, as when their text comes word by word, with the comma that tells so
          and without, against the same sentences whole: errors by Whisper
passes    sentences that are spoken in several passes, against the same phonemes in one: errors by Whisper, DNSMOS
loudness  of each voice as the model makes it: to hold against ``engines/kokoro/loudness.toml``

Needs the weights (``saystream models pull kokoro``), the last three also those of whisper-small and the environment
that ``saystream quality`` asks for. The load average stands beside every figure: sessions, server and engine share a
machine.
"""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from saystream.bench import ServerProcess
from saystream.dsp.pitch import median_pitch_hz
from saystream.engines.base import Span, SynthesisRequest
from saystream.engines.kokoro import windows
from saystream.engines.kokoro.engine import KokoroEngine
from saystream.engines.kokoro.model import WholeModel
from saystream.engines.kokoro.parts import folder_of_parts
from saystream.engines.kokoro.reading import Reader
from saystream.engines.kokoro.splitting import split
from saystream.engines.kokoro.statistics import Statistics
from saystream.engines.kokoro.stream import StreamingModel
from saystream.engines.kokoro.styles import Styles
from saystream.engines.kokoro.voices import parse_voice
from saystream.models import ModelStore
from saystream.quality import Scorer, WireSpeaker, load_corpus, scorer_python
from saystream.quality.speaking import write_wav
from saystream.text.phrases import phrase_starts

if TYPE_CHECKING:
    from saystream.audio import Samples

RESULTS = Path(__file__).parent / "results" / "kokoro.json"
MIXED = {
    "tuned": Path(__file__).with_name("kokoro_mixed.txt"),
    "held_out": Path(__file__).with_name("kokoro_mixed_heldout.txt"),
}
"""The first are those that the timbre and the rhythm of English words were chosen by; the others were written after."""
TEXT = (
    "The old lighthouse stood at the end of the pier, where the wind never rested. Every evening, the keeper climbed"
    " two hundred steps to light the lamp. He counted ships as they passed, and wrote their names in a thick book."
    " Nobody had asked him to do it, but he liked the sound of the names."
)
VOICE = "af_heart"
SPOKEN_IN = {"zh": "zf_xiaoxiao", "en": "af_heart", "ja": "jf_alpha", "es": "ef_dora", "fr": "ff_siwis",
             "it": "if_sara", "pt": "pf_dora"}  # fmt: skip


def styles() -> Styles:
    return Styles(ModelStore().path("kokoro") / "voices")


def whole_model(*, threads: int) -> WholeModel:
    """The export as it was published."""
    return WholeModel(ModelStore().path("kokoro") / "model.onnx", styles(), threads=threads)


def sound_of(model: WholeModel | StreamingModel, symbols: str, voice: dict[str, float]) -> Samples:
    return np.concatenate([step() for step in model.read(symbols, voice).steps])


def threads() -> dict[str, Any]:
    """Sound made in a second by the same passes, the best of three."""
    passes = list(map(str.strip, split(Reader().read(TEXT, "en").text)))
    figures: dict[str, Any] = {}
    for num_threads, at_once in ((1, 1), (2, 1), (1, 2), (2, 2)):
        model = whole_model(threads=num_threads)
        rates, first_s = [], []
        for _ in range(3):
            sounds: list[float] = []

            def speak(model: WholeModel = model, sounds: list[float] = sounds) -> None:
                for each in passes:
                    sounds.append(len(sound_of(model, each, {VOICE: 1.0})) / 24000)

            start_s = time.perf_counter()
            sound_of(model, passes[0], {VOICE: 1.0})
            first_s.append(time.perf_counter() - start_s)
            workers = [threading.Thread(target=speak) for _ in range(at_once)]
            start_s = time.perf_counter()
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            rates.append(sum(sounds) / (time.perf_counter() - start_s))
        figures[f"{num_threads} threads, {at_once} at once"] = {
            "sound_s_per_s": round(max(rates), 2),
            "first_pass_alone_s": round(min(first_s), 3),
        }
    return figures


RUNTIMES = ("onnxruntime fp32", "openvino fp32", "openvino bf16")
"""Of windows, by the names that ``engines/kokoro/windows.py`` gives them."""


def in_windows() -> dict[str, Any]:
    """Each runtime in a process of its own, whose memory is told. ``kokoro_windows.py`` judges what they say."""
    figures: dict[str, Any] = {}
    for name in ("whole pass", *RUNTIMES):
        run = subprocess.run([sys.executable, __file__, "--alone", name], capture_output=True, text=True)
        if run.returncode:
            figures[name] = {"not_run": run.stderr.strip().splitlines()[-1]}
            continue
        figures[name] = json.loads(run.stdout.splitlines()[-1])
        print(name, figures[name], flush=True)
    return figures


def alone(name: str) -> None:
    """One runtime: prints its figures."""
    began = time.process_time(), time.perf_counter()
    model = _model(name)
    loaded = time.process_time() - began[0], time.perf_counter() - began[1]
    reader = Reader()
    symbols = reader.read(SAID["en"], "en").text
    sound_of(model, symbols, {VOICE: 1.0})
    runs = [_timed(model, symbols) for _ in range(5)]
    names = ("first_cpu_s", "first_wall_s", "cpu_s_per_s", "wall_s_per_s")
    figures = {name: min(run[place] for run in runs) for place, name in enumerate(names)}
    together = min(_cpu_s_per_s_of_two(model, symbols) for _ in range(3))
    figures |= {"two_at_once_cpu_s_per_s": together, "load_cpu_s": loaded[0], "load_wall_s": loaded[1]}
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({key: round(value, 3) for key, value in figures.items()} | {"peak_mb": round(peak_mb)}))


def _model(name: str) -> WholeModel | StreamingModel:
    if name == "whole pass":
        return whole_model(threads=1)
    parts = folder_of_parts(ModelStore().path("kokoro"))
    assert parts is not None, "saystream models pull kokoro makes them"
    here = windows._candidates
    # What is measured here is not left to the self-test.
    windows._candidates = lambda precision, compiler: [
        each for each in here(precision, compiler) if each == name
    ]
    return StreamingModel(parts, styles(), Statistics.read(), streams=2, threads=1)


def _cpu_s_per_s_of_two(model: WholeModel | StreamingModel, symbols: str) -> float:
    sounds: list[Samples] = []
    workers = [
        threading.Thread(target=lambda: sounds.append(sound_of(model, symbols, {VOICE: 1.0})))
        for _ in range(2)
    ]
    start_s = time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return (time.process_time() - start_s) / (sum(map(len, sounds)) / 24000)


def _timed(model: WholeModel | StreamingModel, symbols: str) -> tuple[float, float, float, float]:
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    sounds, first = [], (0.0, 0.0)
    for step in model.read(symbols, {VOICE: 1.0}).steps:
        sound = step()
        if not sounds:
            first = time.process_time() - cpu_s, time.perf_counter() - wall_s
        sounds.append(sound)
    seconds = sum(map(len, sounds)) / 24000
    return *first, (time.process_time() - cpu_s) / seconds, (time.perf_counter() - wall_s) / seconds


def mixed() -> dict[str, Any]:
    """A word counts as heard where its letters and digits stand in the transcript in their order, whatever the case and
    wherever Whisper puts spaces or marks: "web socket" is "WebSocket". Nothing else is forgiven."""
    with (
        ServerProcess(["--engine", "kokoro"], os.environ) as server,
        Scorer(scorer_python(), ModelStore().path("whisper-small")) as scorer,
        tempfile.TemporaryDirectory() as folder,
    ):
        speaker = WireSpeaker(server.url)
        wav = Path(folder) / "sentence.wav"
        return {name: _mixed_rows(file, speaker, scorer, wav) for name, file in MIXED.items()}


def _mixed_rows(file: Path, speaker: WireSpeaker, scorer: Scorer, wav: Path) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for sentence in file.read_text(encoding="utf-8").splitlines():
        write_wav(wav, *speaker.speak(sentence, voice="Cherry", language="zh"))
        heard = scorer.score(wav, language="zh", expected=[sentence], scores=["words"]).transcript or ""
        words = re.findall(r"[A-Za-z]+", sentence)
        lost = [word for word in words if word.lower() not in _letters(heard)]
        rows.append({"sentence": sentence, "heard": heard, "lost": lost})
        print(rows[-1], flush=True)
    return {
        "sentences": len(rows),
        "with_every_english_word": sum(not row["lost"] for row in rows),
        "rows": rows,
    }


def _letters(text: str) -> str:
    return "".join(re.findall("[a-z0-9]", text.lower()))


CUT_SENTENCES = 12
"""Of each language."""


def cuts() -> dict[str, Any]:
    engine = KokoroEngine()
    engine.load()
    figures: dict[str, Any] = {}
    with (
        Scorer(scorer_python(), ModelStore().path("whisper-small")) as scorer,
        tempfile.TemporaryDirectory() as folder,
    ):
        wav = Path(folder) / "sentence.wav"
        for language in ("en", "zh"):
            request = SynthesisRequest(SPOKEN_IN[language], language)
            errors = {"with_comma": 0, "without": 0, "whole": 0}
            endings: dict[str, list[float]] = {"with_comma": [], "without": []}
            length = sentences = 0
            for sentence in load_corpus()[language]:
                text = _spoken(sentence.text, language)
                start = next(phrase_starts(text, partial(_always, language)), None)
                if start is None or sentences == CUT_SENTENCES:
                    continue
                sentences += 1
                first, rest = text[: start.position], text[start.position :]
                ways = {
                    "with_comma": (Span(first, continues=True), Span(rest)),
                    "without": (Span(first), Span(rest)),
                    "whole": (Span(text),),
                }
                for way, spans in ways.items():
                    sounds = [_segment(engine, span, request) for span in spans]
                    write_wav(wav, np.concatenate(sounds), 24000)
                    if way in endings:
                        endings[way] += _ending_semitones(sounds)
                    score = scorer.score(
                        wav, language=language, expected=sentence.spellings, scores=["words"]
                    )
                    errors[way] += score.errors or 0
                length += score.length or 0
            figures[language] = {"sentences": sentences, "words_or_characters": length, "errors": errors}
            figures[language] |= {
                f"ending_{way}_semitones": round(median(heard), 1) for way, heard in endings.items() if heard
            }
            print(language, figures[language], flush=True)
    return figures


def _always(language: str, _text: str) -> str:
    return language


def _ending_semitones(sounds: list[Samples]) -> list[float]:
    """Pitch of the last 200 ms of voice of the first, from the median of all; nothing where it cannot be measured."""
    loud = np.flatnonzero(np.abs(sounds[0]) > 0.02)
    end = int(loud[-1]) + 1 if len(loud) else 0
    last, usual = (
        median_pitch_hz(sound, 24000)
        for sound in (sounds[0][max(0, end - 4800) : end], np.concatenate(sounds))
    )
    return [12 * float(np.log2(last / usual))] if last and usual else []


def _segment(engine: KokoroEngine, span: Span, request: SynthesisRequest) -> Samples:
    stream = engine.open(request)
    stream.push(span)
    stream.end_input()
    return np.concatenate([chunk.samples for chunk in stream.chunks()])


def passes() -> dict[str, Any]:
    """What the engine does beyond the model: passes. Sentences of one pass are the model's own sound."""
    model = whole_model(threads=2)
    reader = Reader()
    figures: dict[str, Any] = {}
    with (
        Scorer(scorer_python(), ModelStore().path("whisper-small")) as scorer,
        tempfile.TemporaryDirectory() as folder,
    ):
        wav = Path(folder) / "sentence.wav"
        for language, name in SPOKEN_IN.items():
            voice = parse_voice(name, styles().voices)
            totals = {"passes": [0, 0, 0.0], "one": [0, 0, 0.0]}
            sentences = [
                each for each in load_corpus()[language] if len(_passes(reader, each.text, language)) > 1
            ]
            for sentence in sentences[:SENTENCES]:
                parts = _passes(reader, sentence.text, language)
                sounds = {
                    "passes": np.concatenate([sound_of(model, each, voice) for each in parts]),
                    "one": sound_of(
                        model, reader.read(_spoken(sentence.text, language), language).text, voice
                    ),
                }
                for way, sound in sounds.items():
                    write_wav(wav, sound, 24000)
                    score = scorer.score(
                        wav, language=language, expected=sentence.spellings, scores=["words", "mos"]
                    )
                    totals[way][0] += score.errors or 0
                    totals[way][1] += score.length or 0
                    totals[way][2] += score.mos or 0.0
            count = min(len(sentences), SENTENCES)
            figures[language] = {
                "sentences": count,
                **{
                    f"errors_percent_in_{way}": round(100 * errors / max(1, length), 2)
                    for way, (errors, length, _) in totals.items()
                },
                **{f"mos_in_{way}": round(mos / max(1, count), 2) for way, (_, _, mos) in totals.items()},
            }
            print(language, figures[language], flush=True)
    return figures


SENTENCES = 8
"""Of each language."""


def _spoken(text: str, language: str) -> str:
    from saystream.text.normalizer import normalize

    return normalize(text, language)


def _passes(reader: Reader, text: str, language: str) -> list[str]:
    return [
        each for each in map(str.strip, split(reader.read(_spoken(text, language), language).text)) if each
    ]


SAID = {
    "zh": "图书馆里请不要大声说话，明天最高气温二十五度。",
    "en": "The doctor told her to rest and drink plenty of water.",
}


def loudness() -> dict[str, Any]:
    """Scored at a quarter of its amplitude: some voices are beyond full scale, where a file would cut them."""
    model = whole_model(threads=2)
    reader = Reader()
    lufs: dict[str, float] = {}
    with (
        Scorer(scorer_python(), ModelStore().path("whisper-small")) as scorer,
        tempfile.TemporaryDirectory() as folder,
    ):
        wav = Path(folder) / "sentence.wav"
        for voice in styles().voices:
            found = []
            for language, text in SAID.items():
                write_wav(wav, sound_of(model, reader.read(text, language).text, {voice: 1.0}) / 4, 24000)
                found.append(scorer.score(wav, language=language, scores=["loudness"]).loudness_lufs or 0.0)
            lufs[voice] = round(sum(found) / len(found) + 20 * float(np.log10(4)), 1)
            print(f"{voice} = {lufs[voice]}", flush=True)
    return {"lufs": lufs}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "threads": threads, "windows": in_windows, "mixed": mixed, "cuts": cuts, "passes": passes,
    "loudness": loudness,
}  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["--alone"]:
        alone(sys.argv[2])
        return
    for name in sys.argv[1:] or PARTS:
        before = os.getloadavg()[0]
        figures = PARTS[name]()
        results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        results[name] = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
            "machine": f"{os.cpu_count()} shared cores, {platform.system()} {platform.machine()}",
            "load_average_before": round(before, 2),
            "load_average_after": round(os.getloadavg()[0], 2),
            **figures,
        }
        RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(name, json.dumps(results[name], ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
