"""How many sessions a device has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from saystream.engines.qwen3.model import Qwen3Model

__all__ = ["bytes_per_slot", "slots_that_fit"]

_RESERVED_BYTES = 1 << 30
"""For the kernels' work space and recorded steps."""
_RESERVED_SHARE = 0.1
"""More of what is free: others may use the card too, and memory is lost between allocations."""


def bytes_per_slot(model: Qwen3Model, max_positions: int) -> int:
    """What one session more takes of the model's device. Leaves the model without caches worth keeping."""
    model.allocate(slots=1, max_positions=max_positions)
    one = _bytes(model)
    model.allocate(slots=2, max_positions=max_positions)
    return _bytes(model) - one


def slots_that_fit(free_bytes: int, slot_bytes: int, most: int) -> int:
    """Sessions, from 0 to ``most``, beside the slot that nobody owns."""
    room = int(free_bytes * (1 - _RESERVED_SHARE)) - _RESERVED_BYTES
    return max(0, min(most, room // slot_bytes - 1))


def _bytes(model: Qwen3Model) -> int:
    """Of everything that is not weights: caches and states are buffers."""
    tensors: list[torch.Tensor] = []
    for module in model.modules():
        tensors += [value for value in vars(module).values() if isinstance(value, torch.Tensor)]
        tensors += list(module.buffers(recurse=False))
    return sum({id(tensor): tensor.nbytes for tensor in tensors}.values())
