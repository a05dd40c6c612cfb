"""Descriptions of voices, and instructions how to speak, in words."""

from saystream.text.description.description import AXES, Age, Description, Sex
from saystream.text.description.reading import described

__all__ = ["AXES", "Age", "Description", "Sex", "described"]
