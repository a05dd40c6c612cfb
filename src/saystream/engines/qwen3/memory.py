"""How many sessions a device has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from saystream.engines.qwen3.model import Qwen3Model

__all__ = ["bytes_per_slot", "slots_that_fit"]

_RESERVED_BYTES = 1 << 30
"""For the kernels' workspaces and recorded steps."""
_RESERVED_SHARE = 0.1
"""An extra share of the free memory: other programs may use the card too, and memory is lost between allocations."""


def bytes_per_slot(model: Qwen3Model, max_positions: int) -> int:
    """Memory of the model's device that one more session takes. Leaves the model without usable caches."""
    model.allocate(slots=1, max_positions=max_positions)
    one = _bytes(model)
    model.allocate(slots=2, max_positions=max_positions)
    return _bytes(model) - one


def slots_that_fit(free_bytes: int, slot_bytes: int, most: int) -> int:
    """Sessions, from 0 to ``most``, besides the slot that no session owns."""
    room = int(free_bytes * (1 - _RESERVED_SHARE)) - _RESERVED_BYTES
    return max(0, min(most, room // slot_bytes - 1))


def _bytes(model: Qwen3Model) -> int:
    """For everything that is not weights: caches and states are buffers."""
    tensors: list[torch.Tensor] = []
    for module in model.modules():
        tensors += [value for value in vars(module).values() if isinstance(value, torch.Tensor)]
        tensors += list(module.buffers(recurse=False))
    return sum({id(tensor): tensor.nbytes for tensor in tensors}.values())
