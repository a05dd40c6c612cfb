from __future__ import annotations

import numpy as np

from saystream.dsp.filters import FilterChain


def test_no_samples_give_none_and_a_graph_that_never_saw_any_ends_without() -> None:
    graph = FilterChain(24_000, [("volume", "0.5")])
    assert graph.push(np.empty(0, np.float32)) == []
    assert graph.flush() == []


def test_samples_go_through_the_filters_and_all_come_out() -> None:
    graph = FilterChain(24_000, [("volume", "0.5"), ("volume", "0.5")])
    samples = np.linspace(-1, 1, 5000, dtype=np.float32)
    heard = np.concatenate([*graph.push(samples[:1]), *graph.push(samples[1:]), *graph.flush()])
    np.testing.assert_allclose(heard, samples / 4, atol=1e-6)
