"""Every format over the wire: the deltas of a response, put one after the other, are one clean stream."""

from __future__ import annotations

import numpy as np
import pytest

from listening import decoded
from saystream.dsp.mp3 import MP3_DELAY_SAMPLES
from server.live import Event, Live, audio_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "Hello there, dear listener. This is the second sentence of the text."


def num_deltas(events: list[Event]) -> int:
    return sum(event["type"] == "response.audio.delta" for event in events)


async def plain_duration_s(server: Live, **session: object) -> float:
    return len(audio_of(await server.say(TEXT, **session))) / 2 / 24000


@pytest.mark.parametrize("response_format", ["pcm", "wav"])
async def test_no_delta_is_shorter_than_ten_milliseconds(server: Live, response_format: str) -> None:
    for speech_rate in (0.7, 1.0, 1.3):
        events = await server.say(TEXT, response_format=response_format, speech_rate=speech_rate)
        sizes = [len(audio_of([event])) for event in events if event["type"] == "response.audio.delta"]
        assert min(sizes[1:]) >= 480 and sizes[0] >= 480 + 44 * (response_format == "wav")


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("response_format", ["wav", "mp3", "opus"])
async def test_the_deltas_of_each_format_are_one_clean_stream(
    server: Live, response_format: str, sample_rate: int
) -> None:
    expected_s = await plain_duration_s(server)
    events = await server.say(TEXT, response_format=response_format, sample_rate=sample_rate)
    assert num_deltas(events) > 5
    heard = decoded(audio_of(events), response_format)
    assert heard.warnings == []
    assert heard.sample_rate == (48000 if response_format == "opus" else sample_rate)
    samples = heard.samples[MP3_DELAY_SAMPLES if response_format == "mp3" else 0 :]
    frame_s = 0.072 if response_format == "mp3" else 0.001
    assert -0.001 <= len(samples) / heard.sample_rate - expected_s <= frame_s
    assert np.abs(samples).max() == pytest.approx(0.3, rel=0.1)


async def test_each_response_of_a_session_is_a_stream_of_its_own(server: Live) -> None:
    async with server.peer() as peer:
        await peer.update(mode="commit", response_format="opus")
        await peer.next()
        streams = []
        for _ in range(2):
            await peer.append(TEXT)
            await peer.commit()
            streams.append(audio_of(await peer.until("response.done")))
    assert all(stream.startswith(b"OggS") for stream in streams)
    assert [len(decoded(stream, "opus").samples) for stream in streams][0] > 48000


async def test_speed_pitch_and_volume_are_heard(server: Live) -> None:
    expected_s = await plain_duration_s(server)
    events = await server.say(TEXT, speech_rate=2.0, pitch_rate=0.5, volume=25)
    samples = np.frombuffer(audio_of(events), "<i2") / 32768
    assert len(samples) / 24000 == pytest.approx(expected_s / 2, abs=0.03)
    assert np.abs(samples).max() == pytest.approx(0.15, rel=0.1)
    strongest = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * 24000 / len(samples)
    assert strongest == pytest.approx(110, abs=2)


async def test_a_bit_rate_that_a_format_does_not_have_is_clamped(server: Live) -> None:
    low = audio_of(await server.say(TEXT, response_format="opus", bit_rate=6))
    high = audio_of(await server.say(TEXT, response_format="opus", bit_rate=510))
    assert decoded(low, "opus").warnings == decoded(high, "opus").warnings == []
    assert len(high) > 4 * len(low)


async def test_a_clamped_bit_rate_is_logged_once(server: Live, capsys: pytest.CaptureFixture[str]) -> None:
    await server.say(TEXT, response_format="opus", bit_rate=510)
    logged = [line for line in capsys.readouterr().out.splitlines() if "bit rate clamped" in line]
    assert len(logged) == 1
    assert "wanted_kbps=510" in logged[0] and "written_kbps=256" in logged[0]
