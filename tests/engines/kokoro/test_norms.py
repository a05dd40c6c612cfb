from __future__ import annotations

import numpy as np

from saystream.engines.kokoro.norms import (
    CHANNELS,
    NORMS,
    NUM_STATISTICS,
    STATISTIC_OF_CHANNEL,
    STATISTICS,
    Norm,
)


def test_the_generator_has_48_norms_of_which_parallel_blocks_share_44_statistics() -> None:
    assert (len(NORMS), CHANNELS) == (48, 9216)
    assert (len(STATISTICS), NUM_STATISTICS) == (44, 8448)


def test_blocks_with_the_same_input_have_the_same_statistics() -> None:
    assert Norm("resblocks.2", 1, 0).statistic == Norm("resblocks.0", 1, 0)
    assert Norm("resblocks.2", 1, 1).statistic == Norm("resblocks.2", 1, 1)
    assert Norm("noise_res.1", 1, 0).statistic == Norm("noise_res.1", 1, 0)


def test_every_statistic_belongs_to_a_channel() -> None:
    assert len(STATISTIC_OF_CHANNEL) == CHANNELS
    assert set(np.unique(STATISTIC_OF_CHANNEL)) == set(range(NUM_STATISTICS))
