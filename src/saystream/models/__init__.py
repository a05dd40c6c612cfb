"""The store of weights: which models there are, where to get them, and which are here.

An engine needs only ``ModelStore().path("kokoro")``.
"""

from saystream.models.manifest import Manifest, Model, load_manifest
from saystream.models.progress import PullWatcher
from saystream.models.store import ModelStore
from saystream.paths import default_models_dir

__all__ = ["Manifest", "Model", "ModelStore", "PullWatcher", "default_models_dir", "load_manifest"]
