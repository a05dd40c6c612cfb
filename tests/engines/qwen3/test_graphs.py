from __future__ import annotations

import torch

from saystream.engines.qwen3.graphs import Graphs, capture_on, no_capture


def test_where_nothing_can_be_recorded_the_work_itself_is_done() -> None:
    assert capture_on(torch.device("cpu")) is no_capture
    done = []
    graphs = Graphs(no_capture)
    graphs.record("key", lambda: done.append("recorded"))
    graphs.run("key", lambda: done.append("given"))
    graphs.run("other", lambda: done.append("other"))
    assert done == ["recorded", "recorded", "other"]
    assert len(graphs) == 1
