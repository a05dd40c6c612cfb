"""Autobahn's own cases against the transport. Writes ``benchmarks/results/autobahn.json``.

    PATH=/where/kosoku/is/bin:$PATH python benchmarks/autobahn.py

Autobahn's suite needs Python 2; kosoku (``pip install kosoku``, best in an environment of its own) runs its case files
in today's. They talk to a server that sends back what it gets, so such an application runs on the server's transport
in place of the doors; ``tests/server/transport/test_conformance.py`` has the same cases at the realtime door. Sections
1-7 and 10 run with the limits that a server has; 9, with its messages of 16 MiB, without. One case of 12 stands for 12
and 13: compression is not offered. Takes half a minute.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn

from saystream.config import Settings
from saystream.server.runner import uvicorn_config
from saystream.server.transport.websocket import REFUSAL

RESULTS = Path(__file__).parent / "results" / "autobahn.json"

PORT = 9001
AS_SERVED = [f"{section}.*" for section in (1, 2, 3, 4, 5, 6, 7, 10)] + ["12.1.1"]
WITHOUT_LIMITS = ["9.*"]
NO_LIMITS = {
    "max_frame_bytes": 64 << 20,
    "max_bytes_per_second": 1e12,
    "max_frames_per_second": 1e9,
    "max_unfinished_bytes": 1 << 30,
}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Sends back what it gets."""
    if scope["type"] != "websocket":
        raise RuntimeError("no lifespan")
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        if (refusal := message.get(REFUSAL)) is not None:
            await send({"type": "websocket.close", "code": refusal.close_code, "reason": refusal.message})
            return
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


def serve(limits: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_validate({"data_dir": folder, "port": PORT, "limits": limits})
        uvicorn.Server(uvicorn_config(echo, settings)).run()


def tested(cases: list[str], limits: dict[str, Any]) -> dict[str, dict[str, Any]]:
    server = subprocess.Popen(
        [sys.executable, __file__, "serve", json.dumps(limits)], stderr=subprocess.PIPE, text=True
    )
    try:
        _wait_until_served()
        with tempfile.TemporaryDirectory() as folder:
            included = [argument for case in cases for argument in ("-i", case)]
            command = ["kosoku", "-p", "4", "-o", folder, *included, f"127.0.0.1:{PORT}"]
            subprocess.run(command, check=False)  # fails for each case that is not implemented
            ((_, results),) = json.loads((Path(folder) / "index.json").read_text()).items()
    finally:
        server.terminate()
        _, logged = server.communicate()
    if logged:
        print("logged:", logged)
    return dict(results)


def _wait_until_served() -> None:
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        try:
            socket.create_connection(("127.0.0.1", PORT)).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server does not start")


def main() -> None:
    results = tested(AS_SERVED, {}) | tested(WITHOUT_LIMITS, NO_LIMITS)
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cases": len(results),
        "behavior": Counter(result["behavior"] for result in results.values()),
        "close": Counter(result["behaviorClose"] for result in results.values()),
        "not strictly ok": {
            case: f"{result['behavior']}, closed with {result['remoteCloseCode']}"
            for case, result in results.items()
            if result["behavior"] != "OK"
        },
    }
    print(json.dumps(report, indent=2))
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(json.loads(sys.argv[2]))
    else:
        main()
