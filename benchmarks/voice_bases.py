"""Measures how high and how fast an engine's voices speak: python benchmarks/voice_bases.py ENGINE [--languages zh].

Prints the tables of ``src/saystream/voices/measured.toml`` for the engine. Needs its packages and weights, and Praat
(``praat-parselmouth``), which finds the pitch in what each voice says; Kokoro takes about twenty minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from saystream.engines.base import Engine, Span, SynthesisRequest
from saystream.engines.registry import load_engine_class
from saystream.voices.rule import bases_of

if TYPE_CHECKING:
    from saystream.audio import Samples

TEXTS = {
    "zh": (("今天的天气很好我们一起去公园散步吧", 17), ("他们昨天下午在学校旁边看见了一只小猫", 18)),
    "en": (
        ("We took a long walk along the quiet river in the morning", 15),
        ("She found an old letter on the table near the open window", 17),
    ),
}
"""Sentences without a pause, and their syllables."""

PARTNERS = {
    "female": ("af_heart", "af_nova", "af_aoede", "bf_emma"),
    "male": ("am_onyx", "am_michael", "am_fenrir", "bm_george", "am_puck"),
}
"""Kokoro has few Chinese voices: they are measured in mixes with these, too."""

SPEEDS = (0.8, 1.25)
QUIETEST = 2.0**-9


def said(engine: Engine, request: SynthesisRequest, text: str) -> Samples:
    stream = engine.open(request)
    stream.push(Span(text))
    stream.end_input()
    return np.concatenate([np.zeros(0, np.float32), *(chunk.samples for chunk in stream.chunks())])


def pitches_hz(samples: Samples, sample_rate: int) -> np.ndarray:
    """Of the voiced frames. The second search is around the median of the first, against jumps by an octave."""
    import parselmouth

    sound = parselmouth.Sound(samples.astype(float), sample_rate)

    def found(floor: float, ceiling: float) -> np.ndarray:
        heard = sound.to_pitch_ac(pitch_floor=floor, pitch_ceiling=ceiling).selected_array["frequency"]
        return np.asarray(heard[heard > 0])

    middle = float(np.median(found(60, 600)))
    return found(max(50, 0.55 * middle), min(700, 1.9 * middle))


def sounding_s(samples: Samples, sample_rate: int) -> float:
    """From the first to the last sound."""
    loud = np.flatnonzero(np.abs(samples) > QUIETEST)
    return float(loud[-1] - loud[0]) / sample_rate if len(loud) else 0.0


def measured(
    engine: Engine, voice: str, language: str, *, speed: float = 1.0, pitch: float = 1.0, formant: float = 1.0
) -> tuple[float, float]:
    """Median pitch in Hz, and syllables a second."""
    rate = engine.info.sample_rate
    request = SynthesisRequest(voice, language, speed=speed, pitch=pitch, formant=formant)
    sounds = [(said(engine, request, text), syllables) for text, syllables in TEXTS[language]]
    heard = np.concatenate([pitches_hz(sound, rate) for sound, _ in sounds])
    seconds = sum(sounding_s(sound, rate) for sound, _ in sounds)
    return float(np.median(heard)), sum(syllables for _, syllables in sounds) / seconds


def candidates(engine: str, language: str) -> Iterator[str]:
    """The voices that may speak ``language``, and with Kokoro mixes of Chinese ones."""
    seen: set[str] = set()
    for base in bases_of(engine):
        simple = "+" not in base.name
        speaks = language in {each.partition("-")[0] for each in base.languages} or not base.languages
        if simple and speaks and base.name not in seen:
            seen.add(base.name)
            yield base.name
            if engine == "kokoro" and language == "zh":
                for partner in PARTNERS.get(base.kind, ()):
                    yield f"{base.name}:0.6+{partner}:0.4"


def table(engine: Engine, name: str, languages: Iterable[str]) -> Iterator[str]:
    for language in languages:
        yield f"[{name}.{language}]"
        slow_and_fast = []
        for number, voice in enumerate(candidates(name, language)):
            hertz, rate = measured(engine, voice, language)
            yield f'"{voice}" = [{hertz:.0f}, {rate:.2f}]'
            if number < 4:
                slow_and_fast.append(
                    [measured(engine, voice, language, speed=each)[1] / rate for each in SPEEDS]
                )
        slow, fast = np.mean(slow_and_fast, axis=0)
        yield f"# speed {SPEEDS[0]} is {slow:.3f}, {SPEEDS[1]} is {fast:.3f}"
        yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine")
    parser.add_argument("--languages", nargs="+", default=["zh", "en"], choices=TEXTS)
    options = parser.parse_args()
    engine = load_engine_class(options.engine)()
    engine.load()
    for line in table(engine, options.engine, options.languages):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
