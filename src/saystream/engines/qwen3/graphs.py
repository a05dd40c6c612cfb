"""Work of fixed shape on fixed tensors, recorded once on a GPU and replayed with one launch.

A step of a few hundred kernels takes longer to launch than to compute while the batch is small. Recorded as a CUDA
graph, it is launched at once. Recorded work may read and write only tensors that stay where they are, and may depend on
nothing else: numbers that change from step to step must be in a tensor. On a CPU, and wherever nothing is recorded, the
same function is called.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch

__all__ = ["Capture", "Graphs", "capture_on", "no_capture"]

Work = Callable[[], None]
Capture = Callable[[Work], Work]
"""Runs the work once or more, and returns a function that does the same again."""

_WARM_UP_RUNS = 2
"""Before recording: libraries choose their kernels and allocate their workspaces in the first runs."""


def no_capture(work: Work) -> Work:
    """For devices that cannot record."""
    work()
    return work


def capture_on(device: torch.device) -> Capture:
    """The best that ``device`` can do. All recordings of one ``Capture`` share their memory: only one runs at a
    time."""
    if device.type != "cuda":
        return no_capture
    pool = torch.cuda.graph_pool_handle()

    def capture(work: Work) -> Work:
        aside = torch.cuda.Stream(device)
        aside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UP_RUNS):
                work()
        torch.cuda.current_stream(device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            work()
        return graph.replay

    return capture


class Graphs:
    """The recorded work of one runner, by key."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._recorded: dict[Hashable, Work] = {}

    def __len__(self) -> int:
        return len(self._recorded)

    def record(self, key: Hashable, work: Work) -> None:
        """Run and record it. Only while its tensors hold nothing that matters: it is run more than once."""
        self._recorded[key] = self._capture(work)

    def run(self, key: Hashable, work: Work) -> None:
        """Replay what was recorded under ``key``, else do ``work``."""
        self._recorded.get(key, work)()
