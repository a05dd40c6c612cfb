"""How fast the engine qwen3 is on a GPU, with checkpoints of random weights in the released shapes.

    python benchmarks/qwen3_gpu.py [--size 0.6B --size 1.7B] [--sessions 1 --sessions 64] [--result FILE]

It checks first that recorded steps give the codes of the same code run eagerly, and that bfloat16 stays close to
float32. Then it measures one step against the time that the card needs to read its weights, and whole sessions through
the engine's own loop: time to the first audio, real-time factor, audio seconds for each second, and how many sessions
never ran dry. Random weights cost what trained ones do: nothing here depends on their values, and the end of speech is
made so unlikely that every session lasts as long as it is measured.

Without a GPU it says so, and runs tiny checkpoints instead: then only the checks mean anything.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saystream.engines.base import Span
from saystream.engines.qwen3.checkpoint import load_checkpoint
from saystream.engines.qwen3.config import CODEBOOKS, FRAME_SAMPLES, SAMPLE_RATE
from saystream.engines.qwen3.graphs import capture_on, no_capture
from saystream.engines.qwen3.loop import LoopLimits, SpeechLoop
from saystream.engines.qwen3.model import Qwen3Model
from saystream.engines.qwen3.runner import Buckets, Runner, Start, StepResult, StepRow
from saystream.engines.qwen3.sampling import Sampling
from saystream.engines.qwen3.speech import SpeechStream
from saystream.engines.qwen3.voices import PreparedVoice

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # they make checkpoints of random weights
from engines.qwen3.random_checkpoint import make_checkpoint

TEXT = "The quick brown fox says hello world, and nobody knows why. " * 40
ENDLESS_FRAMES = 1e6
"""Mean length of a random checkpoint's speech: none ends while it is measured."""
CHECKED_FRAMES = 40
STEP_RUNS = 50
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE
BF16_TOLERANCE = 0.05
COPIED_BYTES = {"cuda": 1 << 30, "cpu": 64 << 20}
TARGETS = {
    "0.6B": {"first_audio_ms@1": 40, "first_audio_p95_ms@32": 120, "audio_s_per_s@64": 150},
    "1.7B": {"first_audio_ms@1": 60, "audio_s_per_s@64": 100},
}
"""What it should be on one H200; reported beside what it is, also when it is not met."""


def prompt_of(model: Qwen3Model, speaker: str) -> torch.Tensor:
    with torch.inference_mode():
        prompt = model.prompts.custom_voice(speaker, language="en")
        ids = torch.tensor(model.tokens.encode("hello")[:1], device=model.device)
        return torch.cat((prompt.prefix, prompt.forced + model.text_vectors(ids)))


class Sessions:
    """Sessions in the first slots of a runner, stepped without a loop around them."""

    def __init__(self, runner: Runner, num_sessions: int, *, greedy: bool = False) -> None:
        self._runner = runner
        speakers = sorted(runner.model.config.talker.speakers)
        prompts = [prompt_of(runner.model, speakers[slot % len(speakers)]) for slot in range(num_sessions)]
        with torch.inference_mode():
            for slot in range(num_sessions):
                runner.model.codec.reset(slot)
        starts = [
            Start(slot, prompt, Sampling(seed=slot, greedy=greedy)) for slot, prompt in enumerate(prompts)
        ]
        runner.start(starts)
        self._rows = [len(prompt) for prompt in prompts]
        self._frame = 0
        self._text = runner.model.tokens.encode(TEXT)

    def step(self) -> StepResult:
        text_id = self._text[self._frame % len(self._text)]
        rows = [
            StepRow(slot, rows + self._frame, self._frame, self._frame, text_id)
            for slot, rows in enumerate(self._rows)
        ]
        self._frame += 1
        return self._runner.step(rows)


# --- checks ----------------------------------------------------------------------------------------------------------


def check_graphs(runner: Runner, eager: Callable[[], Runner], num_sessions: int) -> dict[str, Any]:
    """Codes of recorded steps and of the same code run eagerly. ``eager()`` takes the model's caches over."""

    def run(runner: Runner) -> tuple[np.ndarray, np.ndarray]:
        sessions = Sessions(runner, num_sessions)
        results = [sessions.step() for _ in range(CHECKED_FRAMES)]
        return np.stack([result.codes for result in results]), np.stack(
            [result.samples for result in results]
        )

    codes, sound = run(runner)
    eager_codes, eager_sound = run(eager())
    return {
        "recorded_graphs": runner.num_recorded,
        "codes_equal": bool((codes == eager_codes).all()),
        "max_sound_difference": float(np.abs(sound - eager_sound).max()),
    }


def check_bf16(folder: Path, device: torch.device) -> dict[str, Any]:
    """The talker's vectors after one and the same prompt, in both precisions."""
    vectors = []
    for dtype in (torch.float32, torch.bfloat16):
        model = load_checkpoint(folder, device=device, dtype=dtype, codec_dtype=torch.float32)
        model.allocate(slots=1, max_positions=256)
        with torch.inference_mode():
            prompt = prompt_of(model, sorted(model.config.talker.speakers)[0])[None]
            zero = torch.zeros(1, dtype=torch.int64, device=device)
            vectors.append(model.talker(prompt, zero, zero, 256)[0].float().cpu())
        del model
    error = float((vectors[0] - vectors[1]).norm() / vectors[0].norm())
    return {"relative_error": round(error, 5), "within_tolerance": error < BF16_TOLERANCE}


# --- one step against the floor --------------------------------------------------------------------------------------


def floor_bytes(model: Qwen3Model, num_sessions: int, positions: int) -> int:
    """What a step has to read: each weight once, the predictor's layers fifteen times, and the talker's cache."""

    def weights(module: torch.nn.Module) -> int:
        return sum(parameter.nbytes for parameter in module.parameters())

    talker = sum(weights(layer) for layer in model.talker.model.layers) + weights(model.talker.codec_head)
    predictor = sum(weights(layer) for layer in model.predictor.model.layers) * (CODEBOOKS - 1)
    predictor += weights(model.predictor.lm_head)
    stack = model.config.talker.stack
    row = 2 * stack.layers * stack.kv_heads * stack.head_size * model.talker.model.norm.weight.element_size()
    return talker + predictor + weights(model.codec) + num_sessions * positions * row


def bytes_per_second(device: torch.device) -> float:
    """What copying reaches: each byte is read and written."""
    source = torch.ones(COPIED_BYTES[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def copy() -> float:
        start = time.perf_counter()
        target.copy_(source)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    copy()
    return 2 * source.numel() / min(copy() for _ in range(5))


def step_figures(runner: Runner, num_sessions: int, bandwidth: float) -> dict[str, Any]:
    sessions = Sessions(runner, num_sessions)
    for _ in range(5):
        sessions.step()
    times = []
    for _ in range(STEP_RUNS):
        start = time.perf_counter()
        sessions.step()
        times.append(time.perf_counter() - start)
    num_bytes = floor_bytes(runner.model, num_sessions, STEP_RUNS // 2)
    floor_s, step_s = num_bytes / bandwidth, statistics.median(times)
    return {
        "step_ms": round(1000 * step_s, 3),
        "step_p95_ms": round(1000 * float(np.percentile(times, 95)), 3),
        "floor_mb": round(num_bytes / 1e6, 1),
        "floor_ms": round(1000 * floor_s, 3),
        "ratio_to_floor": round(step_s / floor_s, 2),
    }


# --- whole sessions --------------------------------------------------------------------------------------------------


@dataclass
class Heard:
    """When packets of one stream came, in seconds since it was opened, and their durations."""

    opened_s: float
    at_s: list[float]
    packets_s: list[float]

    @property
    def ran_dry(self) -> bool:
        """Playback that begins with the first packet finds nothing to play."""
        due = self.at_s[0]
        for at, duration in zip(self.at_s, self.packets_s, strict=True):
            if at > due + 1e-3:
                return True
            due += duration
        return False


def listen(stream: SpeechStream, opened_s: float, audio_s: float) -> Heard:
    heard = Heard(opened_s, [], [])
    for chunk in stream.chunks():
        heard.at_s.append(time.perf_counter() - opened_s)
        heard.packets_s.append(len(chunk.samples) / SAMPLE_RATE)
        if sum(heard.packets_s) >= audio_s:
            stream.cancel()
    return heard


def session_figures(runner: Runner, num_slots: int, num_sessions: int, audio_s: float) -> dict[str, Any]:
    """All sessions are opened at the same moment, which is the hardest start there is."""
    failures: list[BaseException] = []
    limits = LoopLimits(max_unread_frames=1 << 20)
    loop = SpeechLoop(runner, num_slots=num_slots, limits=limits, on_broken=failures.append)
    model = runner.model
    speakers = sorted(model.config.talker.speakers)

    def voice(speaker: str) -> PreparedVoice:
        with torch.inference_mode():
            return PreparedVoice(model, model.prompts.custom_voice(speaker, language="en"))

    thread = threading.Thread(target=loop.run)
    thread.start()
    heard: list[Heard] = []
    listeners = []
    begun_s = time.perf_counter()
    for number in range(num_sessions):
        speaker = speakers[number % len(speakers)]
        opened_s = time.perf_counter()
        stream = loop.open(lambda speaker=speaker: voice(speaker), Sampling(seed=number))
        stream.push(Span(TEXT))
        listener = threading.Thread(
            target=lambda stream=stream, opened_s=opened_s: heard.append(listen(stream, opened_s, audio_s))
        )
        listener.start()
        listeners.append(listener)
    for listener in listeners:
        listener.join()
    wall_s = time.perf_counter() - begun_s
    loop.close()
    thread.join()
    if failures:
        raise failures[0]
    first_ms = [1000 * one.at_s[0] for one in heard]
    spoken_s = sum(sum(one.packets_s) for one in heard)
    return {
        "first_audio_ms": round(statistics.median(first_ms), 1),
        "first_audio_p95_ms": round(float(np.percentile(first_ms, 95)), 1),
        "real_time_factor": round(statistics.median(one.at_s[-1] / sum(one.packets_s) for one in heard), 4),
        "audio_s_per_s": round(spoken_s / wall_s, 2),
        "never_dry": round(sum(not one.ran_dry for one in heard) / len(heard), 3),
    }


# --- all of it -------------------------------------------------------------------------------------------------------


def measure(folder: Path, device: torch.device, counts: Sequence[int], audio_s: float) -> dict[str, Any]:
    cuda = device.type == "cuda"
    dtype = torch.bfloat16 if cuda else torch.float32
    bf16 = check_bf16(folder, device)
    bandwidth = bytes_per_second(device)
    model = load_checkpoint(folder, device=device, dtype=dtype, codec_dtype=torch.float32)
    num_slots, positions = max(counts), 1024

    def new_runner(*, recorded: bool) -> Runner:
        runner = Runner(
            model,
            num_slots=num_slots,
            max_positions=positions,
            buckets=(Buckets.doubling if cuda else Buckets.fine)(num_slots, positions),
            max_top_k=50,
            capture=capture_on(device) if recorded and cuda else no_capture,
        )
        if recorded and cuda:
            runner.record()
        return runner

    runner = new_runner(recorded=True)
    graphs = check_graphs(runner, lambda: new_runner(recorded=False), min(4, num_slots))
    start = time.perf_counter()
    runner = new_runner(recorded=True)
    figures: dict[str, Any] = {
        "weights_mb": round(sum(parameter.nbytes for parameter in model.parameters()) / 1e6, 1),
        "dtype": str(dtype).removeprefix("torch."),
        "bandwidth_gb_per_s": round(bandwidth / 1e9, 1),
        "graph_is_eager": graphs if cuda else "no GPU: nothing is recorded",
        "bf16": bf16,
        "recording_s": round(time.perf_counter() - start, 1),
        "sessions": {},
    }
    if cuda:
        figures["memory_gb"] = round(torch.cuda.max_memory_allocated(device) / 1e9, 2)
    for count in counts:
        row = {
            **step_figures(runner, count, bandwidth),
            **session_figures(runner, num_slots, count, audio_s),
            "load_average": round(os.getloadavg()[0], 1),
        }
        figures["sessions"][str(count)] = row
        print(count, "sessions:", json.dumps(row), flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", action="append", choices=["0.6B", "1.7B", "tiny"])
    parser.add_argument("--sessions", action="append", type=int)
    parser.add_argument("--audio-seconds", type=float, default=10.0)
    parser.add_argument("--result", type=Path)
    arguments = parser.parse_args()
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    if not cuda:
        print(
            "There is no GPU here: a tiny checkpoint on the CPU shows that the program works, and no speed."
        )
        torch.set_num_threads(1)
    sizes = arguments.size or (["0.6B", "1.7B"] if cuda else ["tiny"])
    counts = sorted(arguments.sessions or ([1, 4, 8, 16, 32, 64] if cuda else [1, 4, 8, 16]))
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if cuda else f"CPU, {os.cpu_count()} cores, one thread",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "targets_on_one_h200": TARGETS,
    }
    with tempfile.TemporaryDirectory() as root:
        for size in sizes:
            folder = Path(root) / size
            shape = None if size == "tiny" else size
            make_checkpoint(
                folder, "custom_voice", size=shape, mean_frames=ENDLESS_FRAMES, device=str(device)
            )
            print(size, flush=True)
            results[size] = measure(folder, device, counts, arguments.audio_seconds)
    text = json.dumps(results, indent=1)
    print(text)
    if arguments.result:
        arguments.result.write_text(text + "\n")


if __name__ == "__main__":
    main()
