from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from saystream import sdk
from saystream.sdk.common.api_key import get_default_api_key


def test_a_key_that_was_set_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "api_key", "sk-set")
    monkeypatch.setattr(sdk, "api_key_file_path", "/no/such/file")
    assert get_default_api_key() == "sk-set"


def test_else_the_named_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(" sk-file\n", "utf-8")
    monkeypatch.setattr(sdk, "api_key_file_path", str(file))
    assert get_default_api_key() == "sk-file"


def test_an_empty_file_holds_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch()
    monkeypatch.setattr(sdk, "api_key_file_path", str(file))
    assert get_default_api_key() is None


def test_a_named_file_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sdk, "api_key_file_path", str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError):
        get_default_api_key()


def test_no_key_is_no_error() -> None:
    assert get_default_api_key() is None


def test_the_globals_come_from_the_environment() -> None:
    script = (
        "from saystream import sdk; print(sdk.api_key, sdk.api_key_file_path, sdk.base_websocket_api_url)"
    )
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("DASHSCOPE_", "SAYSTREAM_"))
    }
    given = {
        "DASHSCOPE_API_KEY": "sk-1",
        "DASHSCOPE_API_KEY_FILE_PATH": "/file",
        "DASHSCOPE_WEBSOCKET_BASE_URL": "ws://host/api-ws/v1/inference",
    }
    for environment, expected in (
        (own, "None None ws://127.0.0.1:8321/api-ws/v1/inference"),
        ({**own, **given}, "sk-1 /file ws://host/api-ws/v1/inference"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.stdout.strip() == expected, done.stderr
