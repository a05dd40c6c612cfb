"""The store of weights: what models there are, where they may be had, and which are here.

``ModelStore().path("kokoro")`` is all that an engine needs of it.
"""

from saystream.models.manifest import Manifest, Model, load_manifest
from saystream.models.progress import PullWatcher
from saystream.models.store import ModelStore
from saystream.paths import default_models_dir

__all__ = ["Manifest", "Model", "ModelStore", "PullWatcher", "default_models_dir", "load_manifest"]
