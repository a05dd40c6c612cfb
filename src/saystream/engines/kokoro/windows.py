"""Runs the part that makes windows of sound: by OpenVINO or by ONNX Runtime, whatever is faster on this machine.

What is faster, and whether bfloat16 is near enough, is not told by the name of a processor: it is measured, once, with
a window of speech, and kept beside the compiled models.
"""

from __future__ import annotations

import contextlib
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import onnxruntime

from saystream.engines.kokoro.compiled import Compiler
from saystream.engines.kokoro.norms import CHANNELS
from saystream.engines.kokoro.parts import VERSION
from saystream.engines.kokoro.runtime import Session
from saystream.errors import EngineUnavailable

if TYPE_CHECKING:
    from saystream.audio import Samples
    from saystream.engines.kokoro.runtime import Interrupt

__all__ = [
    "FIRST_SIZES",
    "HALO",
    "SIZES",
    "Precision",
    "Trial",
    "Windows",
    "distance_db",
    "fastest",
    "load_windows",
]

Precision = Literal["auto", "fp32", "bf16"]

SIZES = (36, 96)
"""Frames of a window: 0.45 s, so that the first sound comes early, and 1.2 s, which costs less for a second of sound. A
third size would cost another 200 MB."""

FIRST_SIZES = (SIZES[0],) * 3
"""Of the windows of a pass; those that follow are of the largest. With two cores as slow as speech, or one twice as
fast, most of them are there when those before them have been heard."""

HALO = 9
"""Frames of context on each side of a window: the first level sees 60 samples at 800 Hz and one frame, the second 63 at
4800 Hz and what the inverse transform and the upsampling see."""

_FARTHEST_DB = 3.0
"""Of what ONNX Runtime makes in fp32. Predicted statistics are 2 to 3 dB from those of the whole sound; a harmonic
source in bfloat16, which ruins the voice, would be beyond 10."""

_RUNS = 3
_ONNX_RUNTIME, _OPENVINO = "onnxruntime ", "openvino "
_CHOICE_FILE = "choice.json"
_COMPILED_FOLDER = "compiled"


class Windows(Protocol):
    """The loaded part. ``first`` may be called by several threads at once."""

    runtime: str
    """What computes it and in which precision."""

    def size(self, wanted: int) -> int:
        """How many frames have to be run for ``wanted``."""

    def first(self, inputs: Mapping[str, Any], interrupt: Interrupt | None = None) -> Samples:
        """The spectrum. Raises Interrupted."""


class _AnySize(Session):
    """By ONNX Runtime, which takes windows of any length."""

    runtime = "ONNX Runtime, fp32"

    def size(self, wanted: int) -> int:
        return wanted


class _Compiled:
    """By OpenVINO, which is faster where it knows the length."""

    def __init__(self, compiler: Compiler, path: Path, precision: str) -> None:
        self.runtime = f"OpenVINO {compiler.version}, {precision}"
        self._models = {
            size: compiler.compile(
                path,
                precision,
                {"x": (1, 512, wide), "har": (1, 22, 60 * wide + 1)}
                | dict.fromkeys(("scale", "shift"), (1, CHANNELS, 1)),
            )
            for size, wide in ((size, size + 2 * HALO) for size in SIZES)
        }

    def size(self, wanted: int) -> int:
        """Raises StopIteration for more than the largest."""
        return next(size for size in SIZES if size >= wanted)

    def first(self, inputs: Mapping[str, Any], interrupt: Interrupt | None = None) -> Samples:
        return self._models[inputs["x"].shape[2] - 2 * HALO].first(inputs, interrupt)


@dataclass(frozen=True, slots=True)
class Trial:
    """A window of speech, to compare runtimes with."""

    inputs: Mapping[str, Any]
    sound_of: Callable[[Samples], Samples]
    """The sound of its spectrum."""


def load_windows(
    parts: Path, *, precision: Precision, streams: int, threads: int, trial: Callable[[], Trial]
) -> Windows:
    """The part in the folder ``parts`` for ``streams`` at once, by the fastest that this machine has.

    Raises EngineUnavailable where ``precision`` is bf16 and cannot be had.
    """
    path = parts / "window.onnx"
    compiler = _compiler(parts / _COMPILED_FOLDER, streams, threads)

    def load(name: str) -> Windows:
        if compiler is None or not name.startswith(_OPENVINO):
            return _AnySize(path, threads=threads)
        return _Compiled(compiler, path, name.removeprefix(_OPENVINO))

    names = _candidates(precision, compiler)
    if len(names) == 1:
        return load(names[0])
    here = {
        "machine": _machine(),
        "candidates": names,
        "versions": [VERSION, onnxruntime.__version__, compiler.version if compiler else ""],
    }
    file = parts / _COMPILED_FOLDER / _CHOICE_FILE
    chosen = _kept(file, here)
    if chosen in names:
        return load(chosen)
    chosen, windows, measured = fastest(((name, load(name)) for name in names), trial())
    with contextlib.suppress(OSError):  # a folder that cannot be written: measured anew each time
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({**here, "chosen": chosen, "measured": measured}, indent=2), "utf-8")
    return windows


def _candidates(precision: Precision, compiler: Compiler | None) -> list[str]:
    names = [f"{_ONNX_RUNTIME}fp32"]
    if compiler is not None:
        names.append(f"{_OPENVINO}fp32")
        names += [f"{_OPENVINO}bf16"] if compiler.has_bf16 else []
    wanted = [name for name in names if precision == "auto" or name.endswith(precision)]
    if not wanted:
        raise EngineUnavailable(
            "Kokoro's option 'precision' is bf16, which needs OpenVINO and a processor that computes in bfloat16."
        )
    return wanted


def fastest(
    candidates: Iterator[tuple[str, Windows]], trial: Trial, *, clock: Callable[[], float] = time.process_time
) -> tuple[str, Windows, dict[str, Any]]:
    """The candidate that takes least CPU time among those that sound like the first; what was measured, by name."""
    best: tuple[float, str, Windows] | None = None
    reference: Samples | None = None
    measured: dict[str, Any] = {}
    for name, windows in candidates:
        times_s = []
        for _ in range(_RUNS):
            began_s = clock()
            spectrum = windows.first(trial.inputs)
            times_s.append(clock() - began_s)
        sound = trial.sound_of(spectrum)
        reference = sound if reference is None else reference
        distance = distance_db(sound, reference)
        measured[name] = {"cpu_s": round(min(times_s), 3), "distance_db": round(distance, 2)}
        if distance <= _FARTHEST_DB and (best is None or min(times_s) < best[0]):
            best = min(times_s), name, windows
    assert best is not None, "the first is at no distance from itself"
    return best[1], best[2], measured


def distance_db(sound: Samples, other: Samples) -> float:
    """Between the spectra of two sounds of one length: the root mean square over 30 bands, where either is heard."""
    levels = [_band_levels_db(each) for each in (sound, other)]
    heard = np.maximum(*levels).max(axis=1) > -10
    return float(np.sqrt(np.mean((levels[0] - levels[1])[heard] ** 2))) if heard.any() else 0.0


def _band_levels_db(sound: Samples) -> Samples:
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound, 256), 512)[::150] * np.hanning(512)
    power = np.abs(np.fft.rfft(frames)) ** 2
    starts = np.unique(np.geomspace(2, 256, 33).astype(int))[:-1]
    levels: Samples = 10 * np.log10(np.add.reduceat(power, starts, axis=1) + 1e-3)
    return levels


def _compiler(cache: Path, streams: int, threads: int) -> Compiler | None:
    try:
        return Compiler(cache, streams=streams, threads=threads)
    except ModuleNotFoundError:
        return None


def _kept(file: Path, here: Mapping[str, Any]) -> str:
    """What was chosen before in these circumstances, else nothing."""
    try:
        kept = json.loads(file.read_text("utf-8"))
        return str(kept["chosen"]) if all(kept[name] == value for name, value in here.items()) else ""
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _machine() -> str:
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
