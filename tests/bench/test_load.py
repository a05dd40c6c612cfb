from __future__ import annotations

from pathlib import Path

import pytest

from saystream.bench import Door, Load, run_load, summarise
from saystream.bench.report import Report
from server.live import Live, live_server


async def report_of(live: Live, door: Door, **options: float) -> Report:
    load = Load(
        url=f"ws://127.0.0.1:{live.port}",
        text="One short sentence is enough here.",
        door=door,
        tokens_per_second=options.get("tokens_per_second"),
    )
    return summarise(await run_load(load), num_characters=len(load.text))


async def test_sessions_of_every_door_are_heard(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        for door in Door:
            at_once, bit_by_bit = (
                await report_of(live, door),
                await report_of(live, door, tokens_per_second=500),
            )
            assert (at_once.failed, bit_by_bit.failed) == (0, 0)
            assert at_once.audio_s == pytest.approx(bit_by_bit.audio_s, rel=0.2)
            assert at_once.first_audio_ms["p50"] > 0


async def test_what_a_server_refuses_is_in_the_report(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        for door in Door:
            load = Load(url=f"ws://127.0.0.1:{live.port}", text="Hello.", door=door, voice="nobody")
            (timing,) = await run_load(load)
            assert timing.error
            assert timing.first_delta_s is None
