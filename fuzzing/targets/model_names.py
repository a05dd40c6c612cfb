"""A model is asked for by name: one that is found has files inside its own folder, or its pull refuses them."""

from __future__ import annotations

from saystream.errors import ModelUnknown
from saystream.models.manifest import HubSource, load_manifest
from saystream.models.staging import SourceFailed, check_path

MAX_BYTES = 200
DICTIONARY = "models"


def one(data: bytes) -> None:
    name = data.decode("utf-8", "surrogateescape")
    try:
        model = load_manifest().model(name)
    except ModelUnknown as unknown:
        assert len(unknown.message) < 2000
        return
    sources = [source for part in model.parts for source in part.sources if isinstance(source, HubSource)]
    for path in [*dict(model.files()), *(source.path.format(path="file") for source in sources)]:
        try:
            check_path(path)
        except SourceFailed as refusal:
            assert "outside" not in str(refusal)
