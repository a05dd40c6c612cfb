from __future__ import annotations

import subprocess
import sys

import msgspec
import numpy as np
import pytest

from saystream.voices.upload_worker import WorkerLimits, WorkerReply
from uploads import encoded

LIMITS = WorkerLimits(
    min_sample_rate=16000, min_duration_s=0.5, max_duration_s=60, max_memory_bytes=128 << 20, max_cpu_s=10
)


def answer(upload: bytes, limits: WorkerLimits = LIMITS) -> tuple[WorkerReply, bytes]:
    command = [sys.executable, "-P", "-m", "saystream.voices.upload_worker"]
    ran = subprocess.run(
        [*command, msgspec.json.encode(limits).decode()], input=upload, capture_output=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    head, _, samples = ran.stdout.partition(b"\n")
    return msgspec.json.decode(head, type=WorkerReply), samples


def confined(code: str) -> str:
    """What code prints in a process that may take 64 MiB more and open nothing."""
    first = "from saystream.voices.upload_worker import confine\nconfine(max_memory_bytes=64 << 20, max_cpu_s=5)\n"
    ran = subprocess.run([sys.executable, "-c", first + code], capture_output=True, text=True, timeout=300)
    return ran.stdout + ran.stderr.strip().rpartition("\n")[2]


def test_the_answer_is_a_line_and_then_the_samples() -> None:
    reply, samples = answer(encoded("flac", 1.0))
    assert reply == WorkerReply(sample_rate=24000)
    assert len(np.frombuffer(samples, "<f4")) == 24000


@pytest.mark.parametrize(
    "upload, error",
    [
        (b"no audio", "AudioFormatUnsupported"),
        (encoded("wav-16", 0.4), "AudioTooShort"),
        (encoded("wav-16", 1.0, amplitude=0.0), "AudioSilent"),
    ],
)
def test_a_refusal_is_named_and_nothing_follows(upload: bytes, error: str) -> None:
    reply, samples = answer(upload)
    assert (reply.error, reply.sample_rate, samples) == (error, 0, b"")
    assert reply.message


def test_a_file_that_needs_more_memory_than_is_left_is_refused_by_name() -> None:
    limits = msgspec.structs.replace(LIMITS, max_duration_s=3600, max_memory_bytes=64 << 20)
    reply, _ = answer(encoded("wav-8", 300.0), limits)
    assert (reply.error, "memory" in reply.message) == ("AudioUndecodable", True)


def test_a_confined_process_opens_no_file_and_no_socket() -> None:
    assert "Too many open files" in confined("print(open('/etc/hostname').read())")
    assert "Too many open files" in confined("import socket\nsocket.socket()")


def test_a_confined_process_gets_no_more_memory() -> None:
    assert confined("len(bytes(32 << 20)); print('enough')") == "enough\n"
    assert "MemoryError" in confined("bytes(80 << 20)")
