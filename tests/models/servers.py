"""Places on this machine that models are fetched from, and whose every answer a test decides."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class FileServer:
    """Gives ``files`` by their path, from where a request's range begins."""

    files: dict[str, bytes] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    """Status by path, for files that are refused."""
    breaks_after: dict[str, list[int]] = field(default_factory=dict)
    """By path: after how many bytes each of the next answers ends, although more was promised."""
    holds_after: dict[str, int] = field(default_factory=dict)
    """By path: after how many bytes answers wait until ``go_on`` is set."""
    redirects: dict[str, str] = field(default_factory=dict)
    """By path: what the header ``location`` of its answer holds."""
    endless: set[str] = field(default_factory=set)
    """Paths whose answers never end, in chunks without a length."""
    resumes: bool = True
    """Whether it knows ranges."""
    requests: list[tuple[str, int]] = field(default_factory=list)
    """Path and first byte of each request."""
    go_on: threading.Event = field(default_factory=threading.Event)
    holding: threading.Event = field(default_factory=threading.Event)
    """Set once an answer waits."""
    address: str = ""

    def add_repository(self, name: str, files: dict[str, bytes], *, lfs: bool = True) -> None:
        """Answer as the model hub does for a repository."""
        siblings = [
            {
                "rfilename": path,
                "size": len(content),
                "blobId": git_blob(content),
                **(
                    {"lfs": {"sha256": sha256(content), "size": len(content), "pointerSize": 130}}
                    if lfs
                    else {}
                ),
            }
            for path, content in files.items()
        ]
        about = json.dumps({"id": name, "sha": COMMIT, "siblings": siblings}).encode()
        for revision in ("main", "v1.0.0", COMMIT):
            self.files[f"/api/models/{name}/revision/{revision}"] = about
        for path, content in files.items():
            self.files[f"/{name}/resolve/{COMMIT}/{path}"] = content

    def requested(self, end: str) -> list[int]:
        """First bytes of the requests for paths that end so."""
        return [first for path, first in self.requests if path.endswith(end)]

    @contextmanager
    def running(self) -> Iterator[FileServer]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.go_on.set()
            server.shutdown()
            thread.join()
            server.server_close()


def _handler(server: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            wanted = self.headers.get("range")
            first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.resumes else 0
            server.requests.append((path, first))
            if path in server.redirects:
                self.send_response(302)
                self.send_header("location", server.redirects[path].encode().decode("latin-1"))
                self.send_header("content-length", "0")
                self.end_headers()
                return
            if path in server.refusals or path not in server.files:
                self.send_error(server.refusals.get(path, 404))
                return
            if path in server.endless:
                self.send_response(206 if first else 200)
                self.end_headers()
                with contextlib.suppress(OSError):  # until the client has gone
                    while True:
                        self.wfile.write(bytes(1 << 16))
                return
            content = server.files[path][first:]
            self.send_response(206 if first else 200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            try:
                self._send(path, content)
            except OSError:
                return  # the client has gone

        def _send(self, path: str, content: bytes) -> None:
            if breaks := server.breaks_after.get(path):
                self.wfile.write(content[: breaks.pop(0)])
                return
            if (held_after := server.holds_after.get(path)) is not None:
                self.wfile.write(content[:held_after])
                server.holding.set()
                server.go_on.wait(60)
                content = content[held_after:]
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
