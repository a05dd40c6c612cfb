"""Errors with weights: finding, downloading and storing them."""

from collections.abc import Mapping

from saystream.errors.faults import EngineUnavailable, ServerFault


class ModelMissing(EngineUnavailable, code="model_missing"):
    """The weights that an engine needs are not on this machine; the message ends with the command that gets them."""

    def __init__(self, message: str, *, model: str, languages: Mapping[str, str] = {}) -> None:
        """``languages`` are those that the model would speak, and how well, as in ``EngineInfo``."""
        remedy = f"saystream models pull {model}"
        super().__init__(f"{message} Get it with: {remedy}", remedy=remedy, languages=languages)
        self.model = model


class ModelsFault(ServerFault, code="models_error"):
    """Weights could not be downloaded or stored."""


class ModelUnknown(ModelsFault, code="model_unknown"):
    """No model in the manifest has this name; the message lists the names that exist."""


class ModelUnreachable(ModelsFault, code="model_unreachable", retryable=True):
    """No source could provide the model; the message says what was wrong with each."""


class ModelDamaged(ModelsFault, code="model_damaged"):
    """Files of a model have changed since they were downloaded; the message names them."""


class CheckpointInvalid(ModelsFault, code="checkpoint_invalid"):
    """A checkpoint does not have the shape that the engine runs; the message names the file and what is wrong."""


class StorageFull(ModelsFault, code="storage_full"):
    """There is not enough disk space for a model; the message says where, and how much it needs."""
