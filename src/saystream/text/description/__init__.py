"""Descriptions of voices, and instructions how to speak, in words."""

from saystream.text.description.description import AXES, Age, Description, Sex
from saystream.text.description.reading import described
from saystream.text.description.wording import agrees, in_plain_words

__all__ = ["AXES", "Age", "Description", "Sex", "agrees", "described", "in_plain_words"]
