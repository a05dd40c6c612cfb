"""Text on its way to an engine: cut into segments, counted, its language guessed. Pure: no clock, no I/O."""

from saystream.text.counting import billed_characters
from saystream.text.language import detect
from saystream.text.segmenter import Segment, Segmenter

__all__ = ["Segment", "Segmenter", "billed_characters", "detect"]
