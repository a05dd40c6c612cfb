from __future__ import annotations

import asyncio
import resource
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import uvloop

from hums import syllables
from saystream.config import UploadSettings
from saystream.errors import (
    AudioFormatUnsupported,
    AudioRateUnsupported,
    AudioReaderUnavailable,
    AudioRefused,
    AudioSilent,
    AudioTooLarge,
    AudioTooLong,
    AudioTooShort,
    AudioUndecodable,
    AudioUnfit,
    Overloaded,
)
from saystream.voices import upload as upload_module
from saystream.voices.upload import UploadReader
from saystream.voices.upload_report import SpeakerLimits
from uploads import FORMATS, encoded, silence, tone, written

pytestmark = pytest.mark.slow

RATE = 16000


def reader(**settings: Any) -> UploadReader:
    return UploadReader(UploadSettings(**{"min_duration_s": 0.5, **settings}))


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No process and no open file outlives a read, however it ended."""
    process = psutil.Process()
    children = set(process.children(recursive=True))
    yield
    assert set(process.children(recursive=True)) <= children


@pytest.fixture
def fake_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a shell script instead of the worker."""

    def install(script: str) -> None:
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sys, "executable", str(program))

    return install


@pytest.mark.parametrize("name", FORMATS)
async def test_every_format_comes_back_as_mono_samples(name: str) -> None:
    audio = await reader().read(encoded(name, 1.0), min_sample_rate=RATE)
    assert audio.sample_rate == FORMATS[name].sample_rate
    assert audio.samples.dtype == np.float32
    assert audio.duration_ms == pytest.approx(1000, abs=100)


async def test_samples_come_back_exactly() -> None:
    audio = await reader().read(encoded("wav-float", 1.0), min_sample_rate=RATE)
    assert np.array_equal(audio.samples, tone(1.0, 48000))


@pytest.mark.parametrize(
    "upload, error, http_code",
    [
        (b"", AudioFormatUnsupported, "BadRequest.UnsupportedFileFormat"),
        (encoded("flac")[:-100], AudioUndecodable, "Audio.DecoderError"),
        (encoded("wav-16", 0.4), AudioTooShort, "Audio.AudioShortError"),
        (encoded("wav-16", 2.1), AudioTooLong, "Audio.DurationLimitError"),
        (encoded("wav-16", 1.0, amplitude=0), AudioSilent, "Audio.AudioSilentError"),
        (bytes(1 << 20), AudioTooLarge, "Audio.FileSizeExceed"),
    ],
)
async def test_a_refusal_comes_with_the_code_of_the_documents(
    upload: bytes, error: type[AudioRefused], http_code: str
) -> None:
    with pytest.raises(error) as caught:
        await reader(max_duration_s=2.0, max_bytes=500_000).read(upload, min_sample_rate=RATE)
    assert (caught.value.http_code, caught.value.http_status) == (http_code, 400)


async def test_what_a_voice_needs_is_asked_for_with_the_file() -> None:
    upload = encoded("wav-16", 1.0)
    with pytest.raises(AudioRateUnsupported, match="24000 Hz. Supported: from 44100 Hz"):
        await reader().read(upload, min_sample_rate=44100)
    with pytest.raises(AudioTooShort, match=r"1\.00 s; at least 5 s"):
        await reader().read(upload, min_sample_rate=RATE, min_duration_s=5.0)


async def test_a_speaker_comes_back_without_silence_and_with_what_was_found() -> None:
    speech = np.concatenate([np.zeros(16000), syllables(24, 4.0), np.zeros(16000)]).astype(np.float32)
    audio, report = await reader().read_speaker(
        written("wav", "pcm_s16le", 16000, speech[np.newaxis]),
        min_sample_rate=RATE,
        speaker=SpeakerLimits(min_speech_s=3.0),
    )
    assert audio.duration_ms / 1000 == pytest.approx(6.4, abs=0.3)
    assert report.speech_s == pytest.approx(6.2, abs=0.3)
    assert report.warnings == ("There is little speech. 10 to 20 seconds give a better voice.",)


async def test_a_sound_that_nobody_makes_is_refused_as_a_speaker() -> None:
    with pytest.raises(AudioUnfit, match="No speech was found") as caught:
        await reader().read_speaker(
            encoded("mp3", 4.0), min_sample_rate=RATE, speaker=SpeakerLimits(min_speech_s=3.0)
        )
    assert (caught.value.http_code, caught.value.http_status) == ("Audio.PreprocessError", 400)


async def test_a_process_that_does_not_judge_is_our_fault(fake_python: Any) -> None:
    fake_python("cat >/dev/null; echo '{\"sample_rate\":24000}'; printf abcd")
    with pytest.raises(AudioReaderUnavailable, match="did not judge it"):
        await reader().read_speaker(b"x", min_sample_rate=RATE, speaker=SpeakerLimits(min_speech_s=3.0))


async def test_a_file_that_is_too_large_starts_no_process(fake_python: Any, tmp_path: Path) -> None:
    fake_python(f"touch {tmp_path}/started")
    with pytest.raises(AudioTooLarge, match="2000 bytes; at most 1999"):
        await reader(max_bytes=1999).read(bytes(2000), min_sample_rate=RATE)
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("bomb", [("flac", "flac", 8000, 36_000), ("ogg", "libopus", 48000, 7200)])
async def test_hours_in_a_small_file_are_refused_fast(bomb: tuple[str, str, int, int]) -> None:
    upload = silence(*bomb)
    before_s = cpu_of_ended_processes_s()
    with pytest.raises(AudioTooLong):
        await reader().read(upload, min_sample_rate=8000)
    took_s = cpu_of_ended_processes_s() - before_s
    print(f"{bomb}: {len(upload)} bytes refused after {took_s:.3f} s of CPU time")
    assert 0 < took_s < 30


def cpu_of_ended_processes_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def test_a_playlist_in_a_process_that_can_open_nothing_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "secret.wav"
    target.write_bytes(encoded("wav-16", 5.0))
    for playlist in (
        f"#EXTM3U\n#EXTINF:5,\n{target.as_uri()}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{target}'\n",
    ):
        with pytest.raises(AudioFormatUnsupported):
            await reader().read(playlist.encode(), min_sample_rate=RATE)


async def test_a_process_that_takes_too_long_is_killed() -> None:
    with pytest.raises(AudioUndecodable, match=r"longer than 0\.01 s"):
        await reader(timeout_s=0.01).read(encoded("wav-16"), min_sample_rate=RATE)


async def test_a_process_that_hangs_is_killed_with_what_it_was_sent(fake_python: Any) -> None:
    fake_python("exec sleep 60")
    with pytest.raises(AudioUndecodable, match=r"longer than 0\.2 s"):
        await reader(timeout_s=0.2).read(bytes(1 << 20), min_sample_rate=RATE)


async def test_a_process_that_needs_too_much_memory_says_so() -> None:
    limited = reader(max_memory_bytes=64 << 20, max_duration_s=36_000)
    with pytest.raises(AudioUndecodable, match="more memory than is allowed"):
        await limited.read(encoded("wav-8", 300.0), min_sample_rate=RATE)


async def test_a_library_that_crashes_for_want_of_memory_is_a_broken_file_too() -> None:
    limited = reader(max_memory_bytes=64 << 20, max_duration_s=36_000, max_bytes=32 << 20)
    with pytest.raises(AudioUndecodable, match="^Decoder audio file failed"):
        await limited.read(encoded("wav-8", 1200.0), min_sample_rate=RATE)


async def test_a_process_that_works_too_long_is_ended_by_the_system() -> None:
    hours = silence("flac", "flac", 8000, 36_000)
    limited = reader(
        max_memory_bytes=4 << 30, max_duration_s=36_000, max_cpu_s=1, max_bytes=len(hours), timeout_s=60
    )
    with pytest.raises(AudioUndecodable, match="ended with SIGXCPU"):
        await limited.read(hours, min_sample_rate=8000)


async def test_cancelling_kills_the_process(fake_python: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started = asyncio.Event()
    connection_made = upload_module._Worker.connection_made

    def noted(self: Any, transport: asyncio.BaseTransport) -> None:
        connection_made(self, transport)
        started.set()

    monkeypatch.setattr(upload_module._Worker, "connection_made", noted)
    fake_python("exec sleep 60")
    reading = asyncio.create_task(reader().read(b"x", min_sample_rate=RATE))
    await started.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


@pytest.mark.parametrize("script", ["kill -SEGV $$", "cat >/dev/null; exec cat /dev/zero"])
async def test_a_process_that_crashes_or_floods_is_a_broken_file(script: str, fake_python: Any) -> None:
    fake_python(script)
    with pytest.raises(AudioUndecodable, match="its decoder ended with SIG"):
        await reader(max_duration_s=1.0).read(b"x" * 200_000, min_sample_rate=RATE)


@pytest.mark.parametrize(
    "script",
    [
        "exit 1",
        "cat >/dev/null; exit 0",
        "cat >/dev/null; echo not json",
        'cat >/dev/null; printf \'{"error":"\\377"}\\n\'',
        'cat >/dev/null; echo \'{"error":"Unheard"}\'',
        "cat >/dev/null; echo '{\"sample_rate\":24000}'",
        "cat >/dev/null; echo '{\"sample_rate\":24000}'; printf abc",
        "cat >/dev/null; echo '{\"sample_rate\":-1}'; printf abcd",
    ],
)
async def test_a_process_that_answers_nonsense_is_our_fault(script: str, fake_python: Any) -> None:
    fake_python(script)
    with pytest.raises(AudioReaderUnavailable, match="its process ended with exit code"):
        await reader(max_duration_s=1.0).read(b"x" * 200_000, min_sample_rate=RATE)


async def test_a_process_that_cannot_be_started_is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(AudioReaderUnavailable, match="no process could be started: No such file") as caught:
        await reader().read(b"x", min_sample_rate=RATE)
    assert caught.value.http_status == 503


async def test_without_pyav_the_error_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "av.py").write_text("raise ModuleNotFoundError(\"No module named 'av'\")")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(AudioReaderUnavailable, match=r"No module named 'av'.*saystream\[server\]"):
        await reader().read(encoded("wav-16"), min_sample_rate=RATE)


async def test_the_process_gets_no_secret_from_the_environment(
    fake_python: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAYSTREAM_FILES__SECRET", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    fake_python(f"env > {tmp_path}/environment; cat >/dev/null")
    with pytest.raises(AudioReaderUnavailable):
        await reader().read(b"x", min_sample_rate=RATE)
    assert "secret" not in (tmp_path / "environment").read_text().lower()


async def test_many_files_are_read_a_few_at_once_and_nothing_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0
    run = upload_module._Worker.run

    async def counted(self: Any, *arguments: Any, **options: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            await run(self, *arguments, **options)
        finally:
            running -= 1

    monkeypatch.setattr(upload_module._Worker, "run", counted)
    shared = reader(max_concurrent=2, max_waiting=10)
    uploads = [encoded(name, 1.0) for name in ("wav-16", "mp3", "flac")] + [b"broken"]
    await asyncio.gather(*(shared.read(upload, min_sample_rate=RATE) for upload in uploads[:2]))
    open_files = psutil.Process().num_fds()
    results = await asyncio.gather(
        *(shared.read(upload, min_sample_rate=RATE) for upload in uploads * 3), return_exceptions=True
    )
    assert [type(result).__name__ for result in results] == [
        *("AudioChunk", "AudioChunk", "AudioChunk", "AudioFormatUnsupported")
    ] * 3
    assert most == 2
    assert psutil.Process().num_fds() == open_files


async def test_one_file_more_than_may_wait_is_refused_and_room_comes_back() -> None:
    shared = reader(max_concurrent=1, max_waiting=1)
    upload = encoded("wav-16", 1.0)
    results = await asyncio.gather(
        *(shared.read(upload, min_sample_rate=RATE) for _ in range(3)), return_exceptions=True
    )
    assert [type(result).__name__ for result in results] == ["AudioChunk", "AudioChunk", "Overloaded"]
    assert isinstance(results[2], Overloaded)
    assert (await shared.read(upload, min_sample_rate=RATE)).sample_rate == 24000


def test_all_of_it_also_holds_on_the_loop_of_the_server(fake_python: Any) -> None:
    python = sys.executable

    async def every_way_it_can_end() -> None:
        assert (await reader().read(encoded("m4a", 1.0), min_sample_rate=RATE)).sample_rate == 44100
        with pytest.raises(AudioFormatUnsupported):
            await reader().read(bytes(2 << 20), min_sample_rate=RATE)
        for timeout_s in (0.0001, 0.001, 0.01, 0.03):
            with pytest.raises(AudioUndecodable, match="longer than"):
                await reader(timeout_s=timeout_s).read(bytes(2 << 20), min_sample_rate=RATE)
        fake_python("kill -SEGV $$")
        with pytest.raises(AudioUndecodable, match="SIGSEGV"):
            await reader().read(bytes(2 << 20), min_sample_rate=RATE)
        sys.executable = python

    async def twice() -> None:
        await every_way_it_can_end()
        open_files = psutil.Process().num_fds()
        await every_way_it_can_end()
        assert psutil.Process().num_fds() == open_files

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(twice())
