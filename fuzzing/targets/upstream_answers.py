"""What another server answers: lists, refusals and sound become what they mean, or a documented error."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fuzzing.reading import Reader, pieces
from saystream.engines.upstream.failures import Failure, refusal
from saystream.engines.upstream.sound import Encoding, SoundReader, encoding_of
from saystream.engines.upstream.speech import _names
from saystream.errors import EngineOutputInvalid

MAX_BYTES = 1024
DICTIONARY = "upstream"

_TEXT = "What was to be spoken."


def one(data: bytes) -> None:
    reader = Reader(data)
    reader.choice((_lists, _refusals, _headers, _sound))(reader)


def _lists(reader: Reader) -> None:
    names = _names(reader.rest())
    assert all(isinstance(name, str) and name for name in names)


def _refusals(reader: Reader) -> None:
    status = 400 + reader.byte()
    retry_after = reader.take(reader.byte()).decode("latin-1")
    failure = refusal("server", status, reader.rest(), retry_after=retry_after, text=_TEXT)
    assert isinstance(failure, Failure)
    assert 0 <= failure.busy_s <= 30
    assert _TEXT not in failure.fault.message
    assert len(failure.fault.message) < 600


def _headers(reader: Reader) -> None:
    kind = reader.take(reader.byte()).decode("latin-1")
    rate = reader.rest().decode("latin-1")
    try:
        encoding = encoding_of(kind, rate or None, 24000)
    except EngineOutputInvalid:
        return
    assert 4000 <= encoding.sample_rate <= 192_000


def _sound(reader: Reader) -> None:
    encoding = Encoding(reader.choice(("wav", "pcm")), 24000)
    seed = reader.byte()
    sound = reader.rest()
    whole, split = _heard([sound], encoding), _heard(pieces(sound, seed), encoding)
    assert (whole is None) == (split is None)
    if whole is not None and split is not None:
        assert whole[0] == split[0]
        assert np.array_equal(whole[1], split[1])


def _heard(parts: Iterable[bytes], encoding: Encoding) -> tuple[int, np.ndarray] | None:
    reader = SoundReader(encoding)
    samples = [np.zeros(0, np.float32)]
    try:
        samples += [reader.push(part) for part in parts]
        reader.flush()
    except EngineOutputInvalid:
        return None
    return reader.sample_rate, np.concatenate(samples)
