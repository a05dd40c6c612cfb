"""What can go wrong with weights: finding them, getting them, keeping them."""

from collections.abc import Mapping

from saystream.errors.faults import EngineUnavailable, ServerFault


class ModelMissing(EngineUnavailable):
    """The weights that an engine needs are not on this machine; the message ends with the command that gets them."""

    code = "model_missing"

    def __init__(self, message: str, *, model: str, languages: Mapping[str, str] = {}) -> None:
        """``languages`` are those that the model would speak and how well, as in ``EngineInfo``."""
        remedy = f"saystream models pull {model}"
        super().__init__(f"{message} Get it with: {remedy}", remedy=remedy, languages=languages)
        self.model = model


class ModelsFault(ServerFault):
    """Weights could not be fetched or kept."""

    code = "models_error"


class ModelUnknown(ModelsFault):
    """No model of the manifest has this name; the message names those that do."""

    code = "model_unknown"


class ModelUnreachable(ModelsFault):
    """No source gave a model; the message says for each what was wrong."""

    code = "model_unreachable"
    retryable = True


class ModelDamaged(ModelsFault):
    """Files of a model are not what they were when they were fetched; the message names them."""

    code = "model_damaged"


class CheckpointInvalid(ModelsFault):
    """A checkpoint is not of the shape that the engine runs; the message names the file and what is wrong with it."""

    code = "checkpoint_invalid"


class StorageFull(ModelsFault):
    """There is no room for a model; the message says where, and how much it needs."""

    code = "storage_full"
