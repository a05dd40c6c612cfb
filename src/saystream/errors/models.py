"""What can go wrong with weights: finding them, getting them, keeping them."""

from collections.abc import Mapping

from saystream.errors.faults import EngineUnavailable, ServerFault


class ModelMissing(EngineUnavailable, code="model_missing"):
    """The weights that an engine needs are not on this machine; the message ends with the command that gets them."""

    def __init__(self, message: str, *, model: str, languages: Mapping[str, str] = {}) -> None:
        """``languages`` are those that the model would speak and how well, as in ``EngineInfo``."""
        remedy = f"saystream models pull {model}"
        super().__init__(f"{message} Get it with: {remedy}", remedy=remedy, languages=languages)
        self.model = model


class ModelsFault(ServerFault, code="models_error"):
    """Weights could not be fetched or kept."""


class ModelUnknown(ModelsFault, code="model_unknown"):
    """No model of the manifest has this name; the message names those that do."""


class ModelUnreachable(ModelsFault, code="model_unreachable", retryable=True):
    """No source gave a model; the message says for each what was wrong."""


class ModelDamaged(ModelsFault, code="model_damaged"):
    """Files of a model are not what they were when they were fetched; the message names them."""


class CheckpointInvalid(ModelsFault, code="checkpoint_invalid"):
    """A checkpoint is not of the shape that the engine runs; the message names the file and what is wrong with it."""


class StorageFull(ModelsFault, code="storage_full"):
    """There is no room for a model; the message says where, and how much it needs."""
