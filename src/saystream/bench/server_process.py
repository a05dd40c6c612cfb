"""A server of our own to measure, and the resources that it and its engine processes use."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import psutil

from saystream.errors import ConnectionFailed

__all__ = ["ServerProcess", "Usage"]

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server has used so far, and holds now."""

    gateway_cpu_s: float
    engines_cpu_s: float
    gateway_memory_bytes: int
    """Memory that only the gateway uses: what would be free again if it ended."""


class ServerProcess:
    """``saystream serve`` on a free port of the loopback interface, while the ``with`` block lasts."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._port = _free_port()
        self._command = [sys.executable, "-m", "saystream", "serve", "--port", str(self._port), *arguments]
        self._environment = {"SAYSTREAM_LOG__LEVEL": "error", **environment}
        self.url = f"ws://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, env=self._environment)
        self._gateway = psutil.Process(self._process.pid)
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def usage(self) -> Usage:
        own = self._gateway.cpu_times()
        engines = (child.cpu_times() for child in self._gateway.children(recursive=True))
        return Usage(
            gateway_cpu_s=own.user + own.system,
            engines_cpu_s=sum(times.user + times.system for times in engines),
            gateway_memory_bytes=self._gateway.memory_full_info().uss,
        )

    def _wait_until_ready(self) -> None:
        ready_url = f"http://127.0.0.1:{self._port}/readyz"
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            if self._process.poll() is not None:
                raise ConnectionFailed(f"the server ended with code {self._process.returncode} at start")
            try:
                with urllib.request.urlopen(ready_url, timeout=1) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(_POLL_S)
        raise ConnectionFailed(f"the server was not ready after {_START_TIMEOUT_S:g} s")

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
