"""Which models and voices exist, and what each model takes."""

from saystream.catalog.catalog import Catalog, load
from saystream.catalog.entries import Age, Door, Model, Sex, Voice, VoiceKind

__all__ = ["Age", "Catalog", "Door", "Model", "Sex", "Voice", "VoiceKind", "load"]
