"""Which models and voices exist, and what each model takes."""

from saystream.catalog.catalog import Catalog
from saystream.catalog.entries import FEATURES, Age, Door, Feature, Model, Sex, TaskKind, Voice, VoiceKind
from saystream.catalog.loading import load

__all__ = [
    "FEATURES",
    "Age",
    "Catalog",
    "Door",
    "Feature",
    "Model",
    "Sex",
    "TaskKind",
    "Voice",
    "VoiceKind",
    "load",
]
