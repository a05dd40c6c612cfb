from __future__ import annotations

import pytest

from saystream.server.transport.descriptors import connections_within


@pytest.mark.parametrize(("descriptors", "connections"), [(1024, 668), (20_000, 14_900), (64, 1)])
def test_a_quarter_and_what_is_reserved_is_kept_free(descriptors: int, connections: int) -> None:
    assert connections_within(descriptors, 100) == connections
