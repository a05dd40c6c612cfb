"""What the way from an engine's samples to a listener's bytes costs. Writes ``benchmarks/results/dsp_chain.json``.

    python benchmarks/dsp_chain.py

Takes about a minute. Figures are seconds of sound for a second of work of one core, by the clock of the process, so
that others on the machine disturb them little.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from saystream.audio import AudioChunk, AudioFormat, Container, Effects
from saystream.dsp.chain import Chain
from saystream.dsp.tempo import TEMPO_LIBRARY

RESULTS = Path(__file__).parent / "results" / "dsp_chain.json"
ENGINE_RATE = 24000
CHUNK_MS = 100
SOUND_S = 10
ROUNDS = 5
ALL_EFFECTS = Effects(speech_rate=1.25, pitch_rate=1.1, volume=80)
CASES: dict[str, tuple[Container, int, Effects]] = {
    "pcm 24 kHz, untouched": ("pcm", 24000, Effects()),
    "pcm 48 kHz": ("pcm", 48000, Effects()),
    "wav 16 kHz": ("wav", 16000, Effects()),
    "mp3 24 kHz": ("mp3", 24000, Effects()),
    "mp3 48 kHz": ("mp3", 48000, Effects()),
    "opus 24 kHz": ("opus", 24000, Effects()),
    "opus 48 kHz": ("opus", 48000, Effects()),
    "pcm 24 kHz, speed": ("pcm", 24000, Effects(speech_rate=1.25)),
    "pcm 24 kHz, pitch": ("pcm", 24000, Effects(pitch_rate=1.1)),
    "pcm 24 kHz, volume with limiter": ("pcm", 24000, Effects(volume=80)),
    "opus 48 kHz, speed, pitch and volume": ("opus", 48000, ALL_EFFECTS),
    "mp3 48 kHz, speed, pitch and volume": ("mp3", 48000, ALL_EFFECTS),
}
GOALS = {"pcm 24 kHz, untouched": 3000, "opus 48 kHz, speed, pitch and volume": 60}


def speech() -> np.ndarray:
    """Pulses through a slow filter with pauses: as uneven as speech, and the same every time."""
    chance = np.random.default_rng(1)
    num_samples = ENGINE_RATE * SOUND_S
    seconds = np.arange(num_samples) / ENGINE_RATE
    phase = np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * seconds)) / ENGINE_RATE
    harmonics = sum(np.sin(2 * np.pi * n * phase) / n for n in range(1, 25))
    loudness = np.clip(np.sin(2 * np.pi * 2.5 * seconds), 0, 1)
    sound = loudness * (0.2 * harmonics + 0.01 * chance.standard_normal(num_samples))
    return sound.astype(np.float32)


def times_real_time(container: Container, sample_rate: int, effects: Effects, sound: np.ndarray) -> float:
    chain = Chain(AudioFormat(container, sample_rate), effects=effects, first_delta_ms=40, delta_ms=100)
    size = ENGINE_RATE * CHUNK_MS // 1000
    chunks = [AudioChunk(sound[start : start + size], ENGINE_RATE) for start in range(0, len(sound), size)]
    started_s = time.process_time()
    for chunk in chunks:
        for _ in chain.push(chunk):
            pass
    for _ in chain.flush():
        pass
    return SOUND_S / (time.process_time() - started_s)


def main() -> None:
    sound = speech()
    figures = {}
    for name, (container, sample_rate, effects) in CASES.items():
        rounds = [times_real_time(container, sample_rate, effects, sound) for _ in range(ROUNDS)]
        figures[name] = {
            "times_real_time": round(statistics.median(rounds)),
            "worst_round": round(min(rounds)),
            **({"goal": GOALS[name]} if name in GOALS else {}),
        }
        print(f"{name:40} {figures[name]}")
    RESULTS.write_text(
        json.dumps(
            {
                "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
                "python": platform.python_version(),
                "machine": f"{os.cpu_count()} shared cores, {platform.system()} {platform.machine()}",
                "load_average": os.getloadavg()[0],
                "tempo_library": TEMPO_LIBRARY,
                "sound_s": SOUND_S,
                "chunk_ms": CHUNK_MS,
                "cases": figures,
            },
            indent=2,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
