"""A process for ``dsp/test_decode.py``: decode many damaged copies of one file, confined as an upload is.

``python tests/fuzz_uploads.py FORMAT COUNT SEED MAX_MEMORY_BYTES MAX_CPU_S`` prints a JSON object: how often each
outcome came, the slowest decode in seconds of work, and the bytes by which the process grew.
"""

from __future__ import annotations

import collections
import json
import resource
import sys
import time

from saystream.dsp.decode import decode
from saystream.errors import AudioRefused
from saystream.voices.upload_worker import confine
from uploads import encoded, mutations

_KIB = 1024


def outcome(upload: bytes) -> str:
    try:
        return f"decoded at {decode(upload, max_duration_s=10).sample_rate} Hz"
    except AudioRefused as refusal:
        return type(refusal).__name__


def grown_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB


def main(name: str, count: int, seed: int, max_memory_bytes: int, max_cpu_s: int) -> None:
    file = encoded(name, 0.6)
    outcomes = collections.Counter([outcome(file)])
    before = grown_bytes()
    confine(max_memory_bytes=max_memory_bytes, max_cpu_s=max_cpu_s)
    slowest_s = 0.0
    for damaged in mutations(file, count, seed):
        start = time.process_time()
        try:
            outcomes[outcome(damaged)] += 1
        except MemoryError:
            outcomes["MemoryError"] += 1
        slowest_s = max(slowest_s, time.process_time() - start)
    print(
        json.dumps(
            {
                "outcomes": outcomes,
                "slowest_s": slowest_s,
                "grown_bytes": grown_bytes() - before,
                "count": count,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
