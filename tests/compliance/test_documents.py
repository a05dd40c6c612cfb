"""The programs printed in the vendor's documents, with nothing changed but URL and key."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import urllib.request
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hums import speech
from saystream.dsp.decode import decode
from uploads import written

pytestmark = pytest.mark.sdk

_VENDOR_URL = re.compile(r"wss://dashscope[^'\"]*/api-ws/v1/realtime")
_NULL_SOUND_CARD = Path(__file__).parent / "null_pyaudio"


def document(shared_dir: Path, number: str) -> str:
    (page,) = (shared_dir / "seeds").glob(f"{number}_*.txt")
    return page.read_text("utf-8")


def between(text: str, start: str, end: str, occurrence: int = 0) -> str:
    """The stretch from ``start`` (with it) to the next ``end`` (without it), its indentation removed."""
    begin = [match.start() for match in re.finditer(re.escape(start), text)][occurrence]
    return textwrap.dedent(text[text.rfind("\n", 0, begin) + 1 : text.index(end, begin)])


def run(script: Path, python: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [python, script.name],
        cwd=script.parent,
        env={**os.environ, "DASHSCOPE_API_KEY": "sk-any", **environment},
        input="Hello there. This was typed by a person.\n\n",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(params=["2.0.2", "1.25.11", "ours"])
def sdk_sample(
    request: pytest.FixtureRequest, shared_dir: Path, tone_url: str, tmp_path: Path
) -> Callable[[str, str], str]:
    """Runs a sample of the SDK's page with an official SDK or with ours; what it printed."""
    page = document(shared_dir, "000")

    def sample(start: str, end: str) -> str:
        code = _VENDOR_URL.sub(tone_url, between(page, start, end))
        python = Path(sys.executable)
        if request.param == "ours":
            code = code.replace("import dashscope\n", "import saystream.sdk as dashscope\n")
            code = code.replace("from dashscope.", "from saystream.sdk.")
        else:
            python = request.getfixturevalue("dashscope_python")(request.param)
        script = tmp_path / "sample.py"
        script.write_text(code, "utf-8")
        return run(script, python).stdout

    return sample


def test_the_server_commit_sample_of_the_sdk_page(sdk_sample: Callable[..., Any], tmp_path: Path) -> None:
    printed = sdk_sample("import os\nimport base64", "Commit mode\n")
    assert "session finished" in printed
    assert len((tmp_path / "result_24k.pcm").read_bytes()) > 5 * 48000


def test_the_commit_sample_of_the_sdk_page(sdk_sample: Callable[..., Any], tmp_path: Path) -> None:
    printed = sdk_sample("import base64\nimport os", "Visit GitHub")
    assert printed.count("done") == 3
    assert all(len((tmp_path / f"result_{number}_24k.pcm").read_bytes()) > 48000 for number in range(3))


@pytest.mark.parametrize("script", ["server_commit.py", "commit.py"])
def test_the_asyncio_client_of_the_guide_and_its_scripts(
    script: str, shared_dir: Path, tone_url: str, tmp_path: Path
) -> None:
    page = document(shared_dir, "001")
    client = between(page, "# -- coding: utf-8 --", "  3. Select a speech synthesis mode")
    start = "import os\n    import asyncio\n    import logging"
    occurrence = ["server_commit.py", "commit.py"].index(script)
    end = f"You can run {script}"
    (tmp_path / "tts_realtime_client.py").write_text(client, "utf-8")
    (tmp_path / script).write_text(_VENDOR_URL.sub(tone_url, between(page, start, end, occurrence)), "utf-8")
    run(tmp_path / script, Path(sys.executable), PYTHONPATH=str(_NULL_SOUND_CARD))
    with wave.open(str(tmp_path / "outputs" / "qwen_tts_output.wav")) as spoken:
        assert spoken.getnframes() / spoken.getframerate() > 1


@pytest.mark.parametrize("occurrence", [0, 1], ids=["plain", "dialect"])
@pytest.mark.parametrize("sdk", ["2.0.2", "1.25.11"])
def test_the_cosyvoice_samples_of_the_guide(
    sdk: str,
    occurrence: int,
    dashscope_python: Callable[[str], Path],
    shared_dir: Path,
    tone_url: str,
    tmp_path: Path,
) -> None:
    start = "# coding=utf-8\nimport os\nimport dashscope\nfrom dashscope.audio.tts_v2"
    code = between(document(shared_dir, "002"), start, ["Java\n", "Qwen-TTS\n"][occurrence], occurrence)
    url = tone_url.replace("/realtime", "/inference")
    code, num_urls = re.subn(r"wss://[^'\"]*/api-ws/v1/inference", url, code)
    # The page has lost the indentation of its last line.
    code, num_lines = re.subn(r"\nf\.write", r"\n    f.write", code)
    assert (num_urls, num_lines) == (1, 1)
    (tmp_path / "sample.py").write_text(code, "utf-8")
    printed = run(tmp_path / "sample.py", dashscope_python(sdk)).stdout
    delay = re.search(r"requestId: [0-9a-f]{32}, first package delay: ([\d.]+) ms", printed)
    assert delay is not None and float(delay[1]) > 0
    sound = decode((tmp_path / "output.mp3").read_bytes(), max_duration_s=60)
    assert sound.sample_rate == 22_050
    assert len(sound.samples) > 22_050


_DEPTHS = (
    *(
        (0, 0),
        (40, 1),
        (48, 2),
        (49, 1),
        (68, 2),
        (69, 1),
        (70, 2),
        (71, 1),
        (72, 2),
        (73, 0),
        (74, 1),
        (80, 0),
    ),
    *((82, 1), (86, 2), (91, 1), (92, 2), (93, 1), (94, 2), (98, 1), (99, 2), (100, 3), (102, 4), (103, 3)),
    *((104, 4), (106, 3), (107, 4), (108, 3), (109, 4), (111, 2), (112, 3), (113, 1), (114, 2), (115, 0)),
    *((117, 1), (133, 2), (136, 1)),
)
"""Lines of the cloning program from which on it is indented so deep: the page has lost that."""


def indented(lines: list[str]) -> str:
    ends = [start for start, _ in _DEPTHS[1:]] + [len(lines)]
    depths = [depth for (start, depth), end in zip(_DEPTHS, ends, strict=True) for _ in range(start, end)]
    return "\n".join("    " * depth + line for depth, line in zip(depths, lines, strict=True))


@pytest.mark.parametrize("sdk", ["2.0.2", "1.25.11", "ours"])
def test_the_cloning_sample_of_the_realtime_page(
    sdk: str, request: pytest.FixtureRequest, shared_dir: Path, tone_url: str, tmp_path: Path
) -> None:
    page = document(shared_dir, "003")
    start = page.index("# DashScope SDK 版本需要不低于1.23.9,Python")
    code = indented(page[start : page.index("\nJava\n", start)].splitlines())
    code = _HTTP_URL.sub(http_base(tone_url), _VENDOR_URL.sub(tone_url, code))
    python = Path(sys.executable)
    if sdk == "ours":
        code = code.replace("import dashscope ", "import saystream.sdk as dashscope ")
        code = code.replace("from dashscope.", "from saystream.sdk.")
    else:
        python = request.getfixturevalue("dashscope_python")(sdk)
    (tmp_path / "sample.py").write_text(code, "utf-8")
    (tmp_path / "voice.mp3").write_bytes(written("mp3", "lame", 24_000, speech(12, 24_000)[np.newaxis]))
    printed = run(tmp_path / "sample.py", python, PYTHONPATH=str(_NULL_SOUND_CARD)).stdout
    assert "[TTS] 会话结束" in printed and "[Error]" not in printed
    delay = re.search(r"first_audio_delay=([\d.]+)s", printed)
    assert delay is not None and float(delay[1]) > 0


_HTTP_URL = re.compile(r"https://dashscope[^'\" ]*/api/v1")


def http_base(tone_url: str) -> str:
    return tone_url.replace("ws://", "http://").replace("/api-ws/v1/realtime", "/api/v1")


@pytest.mark.parametrize("occurrence", [0, 1], ids=["plain", "stream"])
@pytest.mark.parametrize("sdk", ["2.0.2", "1.25.11", "ours"])
def test_the_python_samples_of_the_http_page(
    sdk: str, occurrence: int, request: pytest.FixtureRequest, shared_dir: Path, tone_url: str, tmp_path: Path
) -> None:
    page = document(shared_dir, "004")
    start = ["# Install the latest version of the DashScope SDK", "# DashScope SDK version 1.24.5"][
        occurrence
    ]
    code = _HTTP_URL.sub(http_base(tone_url), between(page, start, "Java\n"))
    python = Path(sys.executable)
    if sdk == "ours":
        code = code.replace("import dashscope\n", "import saystream.sdk as dashscope\n")
    else:
        python = request.getfixturevalue("dashscope_python")(sdk)
    (tmp_path / "sample.py").write_text(code, "utf-8")
    printed = [json.loads(line) for line in run(tmp_path / "sample.py", python).stdout.splitlines()]
    assert len(printed) == 1 if occurrence == 0 else len(printed) > 10
    assert {response["status_code"] for response in printed} == {200}
    assert "/files/" in printed[-1]["output"]["audio"]["url"]


@pytest.mark.parametrize("occurrence", [0, 1], ids=["plain", "stream"])
def test_the_curl_samples_of_the_http_page(
    occurrence: int, shared_dir: Path, tone_url: str, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    page = document(shared_dir, "004")
    end = ["Streaming output\n", "To play Base64-encoded audio"][occurrence]
    command = _HTTP_URL.sub(http_base(tone_url), between(page, "curl -X POST", end, occurrence))
    # The page prints an apostrophe inside a quoted text, which no shell takes: it is written as one has to.
    command = command.replace("it's", r"it'\''s").replace("It's", r"It'\''s").replace("you're", r"you'\''re")
    environment = {**os.environ, "DASHSCOPE_API_KEY": "sk-any"}
    shell = ["bash", "-c", command.replace("curl ", "curl --silent --fail-with-body --noproxy '*' ", 1)]
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    if occurrence == 0:
        url = json.loads(done.stdout)["output"]["audio"]["url"]
    else:
        assert done.stdout.startswith("id:1\nevent:result\n:HTTP_STATUS/200\ndata:{")
        url = json.loads(done.stdout.rstrip().rpartition("\ndata:")[2])["output"]["audio"]["url"]
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.read(4) == b"RIFF"
