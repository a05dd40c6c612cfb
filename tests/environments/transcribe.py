"""Writes down what speech says, with a recogniser that is not part of the project (Moonshine, English).

Runs in the environment of ``asr.txt``::

    .venvs/asr/bin/python tests/environments/transcribe.py [--expected TEXTS.json] ONE.wav [TWO.wav …]

Prints one JSON object: ``transcripts``, one text for each file; with ``--expected`` (a JSON list of what each
file should say) also ``word_error_rate`` over all files, 0 to 1, and ``differences``, the pairs of normalised
texts that are not equal. Case, punctuation and the spelling of numbers do not count as errors.
"""

from __future__ import annotations

import argparse
import json
import sys
import wave
from pathlib import Path

import jiwer
import numpy as np
from moonshine_voice import ModelArch, Transcriber, get_model_path
from whisper_normalizer.english import EnglishTextNormalizer


def read_wav(path: Path) -> tuple[list[float], int]:
    """Samples in -1…1 and the rate in Hz of a mono 16-bit file, also of one shorter than its header says."""
    with wave.open(str(path)) as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            sys.exit(f"{path}: mono 16-bit audio is needed")
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return (samples.astype(np.float32) / 32768).tolist(), file.getframerate()


def transcribe(paths: list[Path]) -> list[str]:
    with Transcriber(model_path=str(get_model_path("tiny-en")), model_arch=ModelArch.TINY) as transcriber:
        results = (transcriber.transcribe_without_streaming(*read_wav(path)) for path in paths)
        return [" ".join(line.text.strip() for line in result.lines) for result in results]


def compare(expected: list[str], transcripts: list[str]) -> dict[str, object]:
    normalize = EnglishTextNormalizer()
    wanted = [normalize(text) for text in expected]
    heard = [normalize(text) for text in transcripts]
    return {
        "word_error_rate": jiwer.wer(wanted, heard),
        "differences": [pair for pair in zip(wanted, heard, strict=True) if pair[0] != pair[1]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Transcribe English speech.")
    parser.add_argument("--expected", type=Path, help="a JSON list: what each file should say")
    parser.add_argument("wav", type=Path, nargs="+")
    arguments = parser.parse_args()
    transcripts = transcribe(arguments.wav)
    report: dict[str, object] = {"transcripts": transcripts}
    if arguments.expected is not None:
        report |= compare(json.loads(arguments.expected.read_text("utf-8")), transcripts)
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
