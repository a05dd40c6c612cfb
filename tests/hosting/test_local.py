from __future__ import annotations

import pytest

from saystream.config import Settings
from saystream.engines.base import SynthesisRequest
from saystream.errors import Draining
from saystream.hosting.local import hosting_of
from saystream.hosting.playback import Playback


async def test_no_engine_is_up_before_it_is_started_and_none_afterwards() -> None:
    async with hosting_of(Settings()) as hosting:
        assert hosting.engines() == {}
        await hosting.start(["tone"])
        assert list(hosting.engines()) == ["tone"]
    with pytest.raises(Draining):
        hosting.open("tone", SynthesisRequest("tone", "en"), playback=Playback(0))
