"""``saystream quality``: a corpus spoken through a running server and scored by other people's programs."""

from saystream.quality.corpus import Sentence, load_corpus
from saystream.quality.measure import Heard, Measurement, measure
from saystream.quality.report import Row, VoiceSpread, spread, summarise
from saystream.quality.scorer import SCORES, Scorer, scorer_python
from saystream.quality.speaking import DirectSpeaker, Speaker, WireSpeaker, write_wav

__all__ = [
    "SCORES",
    "DirectSpeaker",
    "Heard",
    "Measurement",
    "Row",
    "Scorer",
    "Sentence",
    "Speaker",
    "VoiceSpread",
    "WireSpeaker",
    "load_corpus",
    "measure",
    "scorer_python",
    "spread",
    "summarise",
    "write_wav",
]
