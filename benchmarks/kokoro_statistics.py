"""Measures what the norms of Kokoro's generator compute for each voice, and fits the lines that a stream goes by.

    python benchmarks/kokoro_statistics.py [-o FILE]

Writes ``src/saystream/engines/kokoro/statistics.npz``: for each channel of each norm and each voice the mean and the
log variance, as lines over the share of silent frames (``engines/kokoro/statistics.py`` reads them). The lines are kept
in bytes, each channel scaled to the range that it has among the voices.

Needs the weights (``saystream models pull kokoro``) and about half an hour of one core. What was measured is kept in a
folder beside the output, so a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from saystream.engines.kokoro import statistics
from saystream.engines.kokoro.constants import Constants
from saystream.engines.kokoro.cut.export import Export
from saystream.engines.kokoro.cut.generator import whole_model
from saystream.engines.kokoro.cut.make import write_parts
from saystream.engines.kokoro.norms import NUM_STATISTICS
from saystream.engines.kokoro.parts import CONSTANTS
from saystream.engines.kokoro.reading import Reader
from saystream.engines.kokoro.runtime import Session
from saystream.engines.kokoro.source import HarmonicSource
from saystream.engines.kokoro.statistics import Statistics
from saystream.engines.kokoro.stream import StreamingModel, whole_inputs
from saystream.engines.kokoro.styles import Styles
from saystream.engines.kokoro.vocabulary import EDGE, numbers
from saystream.models import ModelStore

TEXTS = Path(__file__).with_suffix(".toml")
OUTPUT = Path(statistics.__file__).with_name("statistics.npz")
LANGUAGES = {
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
_SMALL = 1e-6


class Bench:
    """The model with a generator that tells its statistics instead of the sound."""

    def __init__(self, folder: Path) -> None:
        store = ModelStore().path("kokoro")
        export = Export(store / "model.onnx")
        write_parts(export, folder)
        onnx.save(whole_model(export, degree=4, measured=True), folder / "measured.onnx")
        self._reader = Reader()
        self.styles = Styles(store / "voices")
        self._constants = Constants(folder / CONSTANTS)
        self._generator = Session(folder / "measured.onnx", threads=1)
        self._parts = StreamingModel(folder, self.styles, Statistics({}), threads=1)

    def measure(self, voice: str, text: str) -> tuple[float, np.ndarray[Any, Any]]:
        """The share of silent frames; means and log variances."""
        language = LANGUAGES[voice[0]]
        self._reader.prepare(language)
        symbols = self._reader.read(text, language, british=voice.startswith("b")).text
        style = self.styles.mixed({voice: 1.0}, len(symbols))
        prosody = self._parts.read([EDGE, *numbers(symbols), EDGE], style, 1.0)
        x = self._parts.decoded(prosody, style)
        measured = self._generator.first(
            whole_inputs(x, HarmonicSource(prosody.f0, self._constants), self._constants.of_style(style))
        ).reshape(-1)
        mean, variance = measured[:NUM_STATISTICS], measured[NUM_STATISTICS:]
        return prosody.silent_share, np.concatenate([mean, np.log(variance + _SMALL)])


def lines(shares: list[float], values: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Offset and slope of each value, shape (2, values)."""
    basis = np.stack([np.ones(len(shares)), np.array(shares)], axis=1)
    fitted, *_ = np.linalg.lstsq(basis, np.array(values), rcond=None)
    return fitted


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    parser.add_argument("--share", default="1/1", help="2/3: the second third of the voices, and no output")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.share.split("/"))
    kept = arguments.output.with_suffix(".measured")
    kept.mkdir(exist_ok=True)
    texts = tomllib.loads(TEXTS.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        fitted = {}
        for voice in bench.styles.voices[part - 1 :: parts]:
            file = kept / f"{voice}.npy"
            if not file.exists():
                measured = [bench.measure(voice, text) for text in texts[LANGUAGES[voice[0]]]]
                np.save(file, lines([share for share, _ in measured], [values for _, values in measured]))
                print(voice, flush=True)
            fitted[voice] = np.load(file)
    if parts > 1:
        return
    Statistics.write(arguments.output, fitted)
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
