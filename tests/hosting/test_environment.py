"""What engines see of the server's environment."""

from __future__ import annotations

import json
from typing import Any

import psutil
import pytest

from saystream.config import PoolSettings
from saystream.hosting.environment import engine_environment

from .engines_for_tests import engine_processes
from .pools import pool_of

OURS = {
    "PATH": "/bin",
    "HOME": "/home/someone",
    "LC_ALL": "C.UTF-8",
    "PYTHONPATH": "/src",
    "OMP_NUM_THREADS": "2",
    "CUDA_VISIBLE_DEVICES": "0",
    "SAYSTREAM_MODELS_DIR": "/weights",
}
SECRETS = {
    "SAYSTREAM_DATABASE_URL": "postgresql://user:password@host/db",
    "SAYSTREAM_LIMITS_URL": "redis://:password@host",
    "SAYSTREAM_ENGINES__UPSTREAM__KEY": "secret",
    "SAYSTREAM_API_KEY": "secret",
    "DASHSCOPE_API_KEY": "secret",
    "SPEECH_KEY": "secret",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "HF_TOKEN": "secret",
    "PGPASSWORD": "secret",
}
PROXIES = {"HTTPS_PROXY": "http://user:password@proxy", "no_proxy": "localhost"}
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
ALL = {**OURS, **SECRETS, **PROXIES}


def seen_with(options: dict[str, Any], *further: str) -> set[str]:
    """What is seen beyond what every engine gets."""
    return engine_environment(ALL, options, further=further).keys() - (OURS | ONE_THREAD).keys()


def test_an_engine_gets_what_python_and_its_libraries_need_and_no_secret() -> None:
    assert engine_environment(ALL, {"frequency_hz": 220.0, "speakers": 3}) == OURS | ONE_THREAD


def test_numpy_has_one_thread_unless_the_owner_says_otherwise() -> None:
    assert engine_environment({}, {}) == ONE_THREAD
    assert engine_environment({"OPENBLAS_NUM_THREADS": "4"}, {}) == {"OPENBLAS_NUM_THREADS": "4"}


@pytest.mark.parametrize(
    "servers",
    [
        [{"concurrency": 2, "key_env": "SPEECH_KEY"}],
        json.dumps([{"concurrency": 2, "key_env": "SPEECH_KEY"}]),
    ],
)
def test_an_engine_gets_the_variables_that_its_options_name(servers: object) -> None:
    assert seen_with({"key_env": "DASHSCOPE_API_KEY"}) == {"DASHSCOPE_API_KEY"}
    assert seen_with({"servers": servers}) == {"SPEECH_KEY"}


def test_an_option_that_only_looks_like_json_names_nothing() -> None:
    for text in ('{"key_env": "SPEECH_KEY"', "[" * 100_000):
        assert seen_with({"voices": text}) == set()


def test_only_an_engine_that_is_told_an_address_gets_the_proxies() -> None:
    assert seen_with({"servers": [{"url": "wss://speech.example"}]}) == PROXIES.keys()
    assert seen_with({"voice": "https"}) == set()


def test_the_owner_can_name_more() -> None:
    assert seen_with({}, "AWS_SECRET_ACCESS_KEY", "NOT_SET") == {"AWS_SECRET_ACCESS_KEY"}


@pytest.mark.slow
async def test_the_process_of_an_engine_holds_no_secret_of_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {**SECRETS, "WANTED": "wanted"}.items():
        monkeypatch.setenv(name, f"canary {value}")
    async with pool_of(PoolSettings(engine_environment=("WANTED",))):
        (engine,) = engine_processes()
        environment = psutil.Process(engine.pid).environ()
    assert environment["WANTED"] == "canary wanted"
    assert [name for name, value in environment.items() if "canary" in value] == ["WANTED"]
