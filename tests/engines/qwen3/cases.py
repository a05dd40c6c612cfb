"""What is compared with the reference implementation; read by the tests and by the program that runs the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHORT = "hello world"
LONG = "hello world, the quick brown fox 你好世界"
VERY_LONG = "It's 3 o'clock: the quick brown fox jumped over the lazy dog, and 今天天气很好 said nobody. " * 2
REFERENCE_TEXT = "hello there"
FRAMES = 16
"""The most that a greedy run makes."""


@dataclass(frozen=True, slots=True)
class Case:
    checkpoint: str
    text: str = LONG
    streaming: bool = True
    speaker: str = ""
    language: str = ""
    """ISO 639-1; "" for the reference's ``Auto``."""
    instruct: str = ""
    in_context: bool = False
    """Of Base: continue the reference instead of taking its vector alone."""

    @property
    def name(self) -> str:
        parts = [self.checkpoint, self.speaker, self.language or "auto", "instruct" if self.instruct else ""]
        parts += ["in-context" if self.in_context else "", "streaming" if self.streaming else "whole"]
        return "-".join(part for part in [*parts, f"{len(self.text)}"] if part)


CASES = [
    case
    for streaming in (True, False)
    for case in (
        Case("custom_voice", LONG, streaming, "Vivian", "en", "very happy"),
        Case("custom_voice", VERY_LONG, streaming, "Sohee", "ko"),
        Case("custom_voice", SHORT, streaming, "Ryan"),
        Case("custom_voice", LONG, streaming, "Dylan"),
        Case("custom_voice", LONG, streaming, "Eric", "zh"),
        Case("custom_voice", LONG, streaming, "Eric", "en"),
        Case("custom_voice_small", LONG, streaming, "Vivian", "en", "very happy"),
        Case("voice_design", LONG, streaming, "", "zh", "an old warm man"),
        Case("voice_design", SHORT, streaming),
        Case("base", LONG, streaming, "", "en"),
        Case("base", SHORT, streaming, "", "en", in_context=True),
        Case("base", VERY_LONG, streaming, "", "", in_context=True),
    )
]

TEXTS = (
    "",
    " ",
    "hello world",
    "\thello\n\n  world \r\n",
    "camelCase HTTPServer isn't I'LL 'twas",
    "1234.5 % a/b/c://x?y=z !?…—",
    "你好，世界！今天天气怎么样？",
    "cafe\u0301 ﬁ é नमस्ते สวัสดี 각",
    "emoji 👩‍👩‍👧 ok",
)
"""Tokenised by both. None begins with a line feed: the reference glues that to its own wrapping."""


def reference_audio(seconds: float) -> np.ndarray:
    """A voice-like noise: a gliding tone with harmonics and some hiss; float32 at 24 kHz."""
    time = np.arange(int(seconds * 24_000)) / 24_000
    phase = 2 * np.pi * (140 * time + 15 * np.sin(2 * np.pi * 1.5 * time))
    tone = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 8))
    hiss = np.random.default_rng(7).normal(0, 0.02, time.size)
    return (0.15 * tone * (1 + np.sin(2 * np.pi * 2.3 * time)) + hiss).astype(np.float32)


def random_codes(frames: int) -> np.ndarray:
    """Codes [16, frames]."""
    return np.random.default_rng(3).integers(0, 2048, (16, frames))
