"""SSML, the markup of speech: a document becomes passages, pauses and sounds (protocol reference, inference §6)."""

from saystream.text.ssml.document import MAX_ELEMENTS, is_ssml, parse

__all__ = ["MAX_ELEMENTS", "is_ssml", "parse"]
