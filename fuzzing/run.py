"""Runs targets under the fuzzer, one process each, and keeps what came of it. ``scripts/fuzz`` starts it.

``results.json`` sums up the runs of each target, and says at which commit the last one was. An input that breaks a
target is kept in ``findings/``; what the fuzzer has learnt is kept in ``corpus/``, from where the next run goes on.
"""

from __future__ import annotations

import argparse
import datetime
import fcntl
import importlib
import json
import logging
import os
import platform
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TARGETS = sorted(path.stem for path in (HERE / "targets").glob("[!_]*.py"))
RESULTS = HERE / "results.json"

_INSTRUMENTED = ["saystream", "h11", "websockets", "uvicorn"]
_MAX_MEMORY_MB = 3000
_SUMMED = ("inputs", "cpu_seconds", "findings")
_INTERRUPTED = 72
"""How the fuzzer ends if it is told to end."""
_COUNTED = re.compile(r"^#(\d+)\s.*?\bcov: (\d+)\b", re.MULTILINE)
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_PEAK = re.compile(r"stat::peak_rss_mb:\s+(\d+)")
_SLOWEST = re.compile(r"stat::slowest_unit_time_sec:\s+(\d+)")


def fuzz(name: str, arguments: list[str]) -> None:
    """In a process of its own: the fuzzer never returns."""
    import atheris
    import structlog

    with atheris.instrument_imports(include=_INSTRUMENTED):
        target = importlib.import_module(f"fuzzing.targets.{name}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for logger in (logging.getLogger(), logging.getLogger("uvicorn.error")):
        logger.addHandler(logging.NullHandler())
    logging.getLogger("uvicorn.error").propagate = False
    arguments.append(f"-max_len={target.MAX_BYTES}")
    if (dictionary := HERE / "dictionaries" / f"{target.DICTIONARY}.dict").is_file():
        arguments.append(f"-dict={dictionary}")
    atheris.Setup([name, *arguments], target.one)
    atheris.Fuzz()


def run(name: str, *, runs: int, seconds: int, input_s: int, seed: int) -> dict[str, Any]:
    """What came of ``runs`` inputs, or of ``seconds`` if they end earlier."""
    corpus, findings = HERE / "corpus" / name, HERE / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    log = findings / f"{name}.log"
    options = {
        "runs": runs,
        "max_total_time": seconds,
        "timeout": input_s,
        "rss_limit_mb": _MAX_MEMORY_MB,
        "seed": seed,
        "artifact_prefix": f"{findings}/{name}-",
        "print_final_stats": 1,
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]
    folders = [str(corpus), str(HERE / "seeds" / name)]
    began_s = _cpu_s()
    with log.open("wb") as output:
        command = [sys.executable, "-m", "fuzzing.run", "--only", name, "--", *arguments, *folders]
        code = subprocess.run(command, stdout=output, stderr=output, check=False).returncode
    said = log.read_text("utf-8", "replace")
    counted = _COUNTED.findall(said)
    executed = _EXECUTED.search(said)
    return {
        "inputs": int(executed[1] if executed else counted[-1][0] if counted else 0),
        "edges": max((int(edges) for _, edges in counted), default=0),
        "cpu_seconds": round(_cpu_s() - began_s),
        "peak_memory_mb": int(found[1]) if (found := _PEAK.search(said)) else None,
        "slowest_input_s": int(found[1]) if (found := _SLOWEST.search(said)) else None,
        "findings": 0 if code in (0, _INTERRUPTED) else 1,
        **_where_and_when(),
    }


def _cpu_s() -> float:
    """Of all child processes so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _where_and_when() -> dict[str, str]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True)
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit.stdout.strip() or "unknown",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }


def keep(name: str, result: dict[str, Any]) -> None:
    """Add ``result`` to what is on record. Several runs may end at once."""
    with (HERE / "findings" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = json.loads(RESULTS.read_text("utf-8"))["targets"] if RESULTS.exists() else {}
        before = kept.get(name, {})
        sums = {field: before.get(field, 0) + result[field] for field in _SUMMED}
        kept[name] = result | sums
        inputs = sum(target["inputs"] for target in kept.values())
        content = {"inputs": inputs, "targets": dict(sorted(kept.items()))}
        RESULTS.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz", description="Runs targets, by default all, in turn."
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--runs", type=int, default=100_000, help="inputs for each target (%(default)s)")
    parser.add_argument("--seconds", type=int, default=3600, help="at most, for each target (%(default)s)")
    parser.add_argument("--input-seconds", type=int, default=60, help="a longer input hangs (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the fuzzer; 0 is a new one each time")
    parser.add_argument("--no-results", action="store_true", help="leave results.json as it is")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(unknown))}; there are: {', '.join(TARGETS)}")
    broken = []
    for name in options.targets or TARGETS:
        limits = {"runs": options.runs, "seconds": options.seconds, "input_s": options.input_seconds}
        result = run(name, seed=options.seed, **limits)
        print(
            f"{name}: {result['inputs']} inputs, {result['edges']} edges, {result['cpu_seconds']} s",
            flush=True,
        )
        if result["findings"]:
            broken.append(name)
            print(
                f"  BROKEN: the input is in fuzzing/findings/, the traceback in findings/{name}.log",
                flush=True,
            )
        if not options.no_results:
            keep(name, result)
    return 1 if broken else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--only"]:
        fuzz(sys.argv[2], sys.argv[4:])
    sys.exit(main())
