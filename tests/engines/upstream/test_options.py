import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from saystream.config import PoolSettings, Settings
from saystream.engines.upstream.options import (
    ServerOptions,
    UpstreamOptions,
    VoiceOptions,
    read_upstream_options,
    realtime_address,
    speech_address,
)
from saystream.errors import ConfigurationError

GUIDE = Path(__file__).parents[3] / "docs" / "howto" / "use-an-upstream-server.md"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://gpu:8091", "http://gpu:8091/v1"),
        ("http://gpu:8091/", "http://gpu:8091/v1"),
        ("https://host/v1", "https://host/v1"),
        ("https://host/v1/", "https://host/v1"),
        ("https://host/openai/v1/audio/speech", "https://host/openai/v1"),
        ("https://host/speech", "https://host/speech/v1"),
    ],
)
def test_an_address_with_or_without_its_path_is_the_same(url: str, address: str) -> None:
    assert speech_address(url) == address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ws://host:8321", "ws://host:8321/api-ws/v1/realtime?model=m"),
        ("wss://host/api-ws/v1/realtime", "wss://host/api-ws/v1/realtime?model=m"),
        ("wss://host/a?model=x&b=1", "wss://host/a/api-ws/v1/realtime?b=1&model=m"),
    ],
)
def test_a_realtime_address_has_the_model_in_its_query(url: str, address: str) -> None:
    assert realtime_address(url, "m") == address


def test_one_server_or_several_are_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_KEY", "sk-secret")
    one = read_upstream_options({"url": "http://a", "key_env": "GPU_KEY", "concurrency": "4"})
    two = read_upstream_options(
        {
            "servers": [
                {"url": "http://a", "key_env": "GPU_KEY", "concurrency": 4},
                {"url": "http://b", "key": "sk-b"},
            ]
        }
    )
    assert one.servers == two.servers[:1]
    assert one.servers[0].key == "sk-secret"
    assert two.servers[1].key == "sk-b"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "No server is named"),
        ({"url": "http://a", "servers": [{"url": "http://b"}]}, "either url"),
        ({"servers": [{"url": "http://b"}], "key": "sk-secret"}, "the table of its server"),
        ({"url": "gpu:8091"}, "http://host:port"),
        ({"url": "ws://gpu"}, "http://host:port"),
        ({"url": "http://gpu:port"}, "cannot be read"),
        ({"url": "http://sk-secret@gpu"}, "key_env"),
        ({"url": "http://a", "kind": "dashscope", "model": "m"}, "ws://host:port"),
        ({"url": "ws://a", "kind": "dashscope"}, "model"),
        ({"url": "ws://a", "kind": "dashscope", "model": "m", "sample_rate": 11025}, "44100"),
        ({"url": "ws://a", "kind": "dashscope", "model": "m", "parameters": {"seed": 1}}, "other kinds"),
        (
            {"url": "ws://a", "kind": "dashscope", "model": "m", "voices": {"A": {"ref_audio": "x"}}},
            "only takes names",
        ),
        ({"url": "http://a", "kind": "vllm"}, "vllm|choice"),
        ({"url": "http://a", "kind": "vllm-omni", "takes_speed": True}, "takes_speed"),
        ({"url": "http://a", "key": "sk-secret", "key_env": "B"}, "either key or key_env"),
        ({"url": "http://a", "key_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE is not set"),
        ({"url": "http://a", "parameters": {"input": "x", "voice": "y"}}, "input, voice"),
        ({"url": "http://a", "voices": {"A": {"ref_audio": "x", "description": "y"}}}, "both"),
        ({"url": "http://a", "voices": {"A": {"ref_audio": "x"}}}, "ref_text"),
        ({"url": "http://a", "languages": ["english"]}, "languages"),
        ({"url": "http://a", "attempts": 0}, "attempts"),
        ({"servers": "http://a"}, "JSON"),
        ({"servers": "[" * 100_000}, "JSON"),
        ({"url": "http://a", "no_such_option": 1}, "no_such_option"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_what_would(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as refused:
        read_upstream_options(options)
    assert "sk-secret" not in refused.value.message


def test_the_options_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = "SAYSTREAM_ENGINES__UPSTREAM__"
    monkeypatch.setenv(f"{prefix}KIND", "vllm-omni")
    monkeypatch.setenv(f"{prefix}URL", "http://gpu:8091")
    monkeypatch.setenv(f"{prefix}CONCURRENCY", "8")
    monkeypatch.setenv(f"{prefix}VOICES", '{"Cherry": "vivian"}')
    read = read_upstream_options(Settings().engines["upstream"])
    assert read.kind == "vllm-omni"
    assert [server.concurrency for server in read.servers] == [8]
    assert read.voices == {"Cherry": "vivian"}


def test_several_servers_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYSTREAM_ENGINES__UPSTREAM__SERVERS", '[{"url": "http://a"}, {"url": "http://b"}]')
    read = read_upstream_options(Settings().engines["upstream"])
    assert [server.url for server in read.servers] == ["http://a/v1", "http://b/v1"]


def test_every_configuration_of_the_guide_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECH_KEY", "sk-a")
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-b")
    blocks = re.findall(r"```toml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    kinds = [read_upstream_options(tomllib.loads(block)["engines"]["upstream"]).kind for block in blocks]
    assert set(kinds) == {"vllm-omni", "sglang-omni", "openai", "dashscope"}


def test_the_guide_names_every_option_and_its_default() -> None:
    rows = re.findall(r"^\| (`.*?) \| (.*?) \| (.*) \|$", GUIDE.read_text("utf-8"), re.MULTILINE)
    said = {name: default for names, default, _ in rows for name in re.findall(r"`(\w+)`", names)}
    defaults = {name: getattr(UpstreamOptions(), name) for name in UpstreamOptions.__struct_fields__}
    assert said.keys() == defaults.keys()
    for name, default in defaults.items():
        if isinstance(default, int | float) and not isinstance(default, bool):
            assert float(said[name]) == default, name
    (servers,) = [meaning for names, _, meaning in rows if names == "`servers`"]
    (voices,) = [meaning for names, _, meaning in rows if names == "`voices`"]
    assert set(ServerOptions.__struct_fields__) == set(re.findall(r"`(\w+)`", servers))
    assert set(VoiceOptions.__struct_fields__) == set(re.findall(r"`(\w+)`", voices))


def test_the_times_end_before_those_of_the_pool() -> None:
    assert UpstreamOptions().first_audio_s < PoolSettings().first_chunk_timeout_s
    assert UpstreamOptions().chunk_s < PoolSettings().chunk_timeout_s
