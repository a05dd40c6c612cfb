"""The documented samples for the vendor's SDK, run against the façade: import, URL and key are all that changes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from client.doubles import spoken

DOCUMENT = "seeds/000_2b7ebcdb40147cae.txt"
SAMPLES = {
    "server_commit": ("Server commit mode\n", "\nCommit mode\n"),
    "commit": ("\nCommit mode\n", "\nVisit GitHub"),
}
"""The lines of the document between which each sample stands."""

CHANGES = {
    "import dashscope\n": "import saystream.sdk as dashscope\n",
    "from dashscope.audio.qwen_tts_realtime import *": "from saystream.sdk.audio.qwen_tts_realtime import *",
}
SAMPLE_URL = "wss://dashscope-intl.aliyuncs.com/api-ws/v1/realtime"


def sample(shared_dir: Path, name: str, server_url: str) -> str:
    """The code of a sample, changed for our SDK and ``server_url``."""
    start, end = SAMPLES[name]
    document = (shared_dir / DOCUMENT).read_text("utf-8")
    code = document.partition(start)[2].partition(end)[0]
    for old, new in {**CHANGES, f"url='{SAMPLE_URL}'": f"url='{server_url}'"}.items():
        assert code.count(old) == 1
        code = code.replace(old, new)
    return code


def run(code: str, folder: Path) -> str:
    """What the sample prints; it writes its files into ``folder``."""
    (folder / "sample.py").write_text(code, "utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "dev", "sample.py"],
        cwd=folder,
        env={**os.environ, "DASHSCOPE_API_KEY": "sk-test"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_server_commit_sample_runs(shared_dir: Path, server_url: str, tmp_path: Path) -> None:
    printed = run(sample(shared_dir, "server_commit", server_url), tmp_path)
    text = (
        "Right? I love supermarkets like this.Especially during Chinese New Year,I go shopping at supermarkets."
        "And I feelabsolutely thrilled!I want to buy so many things!"
    )
    assert (tmp_path / "result_24k.pcm").read_bytes() == spoken(text)
    assert "connection opened, init player" in printed
    assert "start session: sess_1" in printed
    assert "response resp_1 done" in printed
    assert "session finished" in printed
    assert re.search(r"\[Metric\] session: sess_1, first audio delay: \d", printed)
    assert "connection closed with code: " in printed
    assert "[Error]" not in printed


def test_the_commit_sample_runs(shared_dir: Path, server_url: str, tmp_path: Path) -> None:
    printed = run(sample(shared_dir, "commit", server_url), tmp_path)
    for number, ordinal in enumerate(("first", "second", "third")):
        heard = (tmp_path / f"result_{number}_24k.pcm").read_bytes()
        assert heard == spoken(f"This is the {ordinal} sentence.")
        assert f"response resp_{number + 1} done" in printed
    assert re.search(r"\[Metric\] session: sess_1, first audio delay: \d", printed)
    assert "[Error]" not in printed
