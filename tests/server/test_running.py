from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from saystream.config import Settings
from saystream.server.running import announced, running_server


def settings(folder: Path, **others: object) -> Settings:
    return Settings(data_dir=folder, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "ws://127.0.0.1:4000"),
        ("0.0.0.0", "ws://127.0.0.1:4000"),
        ("::", "ws://[::1]:4000"),
        ("speech.local", "ws://speech.local:4000"),
    ],
)
def test_a_server_is_found_while_it_runs(tmp_path: Path, host: str, url: str) -> None:
    with announced(settings(tmp_path, host=host), 4000):
        assert running_server(settings(tmp_path)) == url
    assert running_server(settings(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "other",
    [
        {"engine": "tone"},
        {"engine_order": ("espeak",)},
        {"engines": {"espeak": {"threads": 3}}},
        {"models_dir": Path("elsewhere")},
        {"max_realtime_factor": 0.5},
    ],
    ids=str,
)
def test_a_server_that_would_speak_otherwise_is_not_meant(tmp_path: Path, other: dict[str, object]) -> None:
    with announced(settings(tmp_path), 4000):
        assert running_server(settings(tmp_path, **other)) is None
        assert running_server(settings(tmp_path, port=5000)) is not None


def test_nobody_else_can_read_or_write_what_it_says(tmp_path: Path) -> None:
    with announced(settings(tmp_path, engines={"upstream": {"api_key": "secret-of-mine"}}), 4000):
        (file,) = tmp_path.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "secret-of-mine" not in file.read_text()


def test_a_server_that_was_killed_is_not_found(tmp_path: Path) -> None:
    kill_me = (
        "import os, pathlib, sys; from saystream.config import Settings;"
        "from saystream.server.running import announced;"
        "here = announced(Settings(data_dir=pathlib.Path(sys.argv[1])), 4000); here.__enter__(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", kill_me, str(tmp_path)], check=True, timeout=300)
    assert [file.name for file in tmp_path.iterdir()] == ["server.json"]
    assert running_server(settings(tmp_path)) is None


def test_the_one_that_started_last_is_found_and_keeps_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with announced(settings(tmp_path), 4000):
        with monkeypatch.context() as another:
            another.setattr(os, "getpid", os.getppid)
            newer = announced(settings(tmp_path), 5000)
            newer.__enter__()
        assert running_server(settings(tmp_path)) == "ws://127.0.0.1:5000"
    assert running_server(settings(tmp_path)) == "ws://127.0.0.1:5000"


def test_a_broken_file_is_no_server(tmp_path: Path) -> None:
    for content in (b"{", b"\xff", b'{"x":' + b"[" * 100_000):
        (tmp_path / "server.json").write_bytes(content)
        assert running_server(settings(tmp_path)) is None


def test_a_server_runs_where_it_cannot_say_so(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with capture_logs() as logs, announced(settings(in_the_way), 4000):
        pass
    assert [line["log_level"] for line in logs] == ["warning"]
