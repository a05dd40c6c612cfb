"""What is heard: English through hibari, over the wire, judged by a recogniser that is not ours."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from foreign import Recogniser
from saystream.bench import ServerProcess
from saystream.client import connect

pytestmark = pytest.mark.asr

SENTENCES = [
    "The train to Manchester leaves from platform nine in twenty minutes.",
    "Could you please tell me where the nearest hospital is?",
    "She paid forty two dollars for the book and gave the driver a tip.",
    "Michael and Sarah have lived in Edinburgh for a very long time.",
    "If it rains tomorrow, we will stay at home and play chess.",
    "The museum opens at ten o'clock, but the garden is open all day.",
    "Please remember to switch off the lights before you leave the office.",
    "My grandmother taught me how to bake bread when I was seven.",
    "The quick brown fox jumps over the lazy dog.",
    "Nobody expected the concert to be sold out within an hour.",
    "He opened the window, looked at the sky, and smiled.",
    "Our new neighbour plays the violin every evening after dinner.",
    "What would you like to drink with your breakfast?",
    "The government announced a new plan to protect the forests.",
    "I have never seen such a beautiful sunset in my life.",
    "Turn left at the second traffic light, then go straight ahead.",
    "The children were laughing because the dog had stolen a sausage.",
    "Scientists discovered a small planet that circles a distant star.",
    "We should leave early, or we will miss the beginning of the film.",
    "Thank you for calling, and have a wonderful weekend!",
]


@pytest.fixture(scope="module")
def hibari(start_server: Callable[..., ServerProcess]) -> ServerProcess:
    return start_server("hibari")


@pytest.fixture(scope="module")
def piper(start_server: Callable[..., ServerProcess], piper_folder: Path) -> ServerProcess:
    """One that says a text the same way each time: of its random readings the recogniser takes one in thirty for
    something else altogether."""
    return start_server(
        "piper",
        SAYSTREAM_MODELS_DIR=str(piper_folder.parent),
        SAYSTREAM_ENGINES='{"piper": {"noise_scale": 0, "noise_w": 0}}',
    )


async def spoken(url: str, text: str, voice: str = "Cherry") -> bytes:
    async with connect(url, model="qwen3-tts-flash-realtime") as session:
        await session.update(voice=voice, language_type="English")
        await session.append(text)
        await session.finish()
        return b"".join([audio async for audio in session.audio()])


def write_wav(path: Path, pcm: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 24000, 0, "NONE", ""))
        file.writeframes(pcm)
    return path


def test_twenty_sentences_over_the_wire_are_understood(
    hibari: ServerProcess, recogniser: Recogniser, tmp_path: Path
) -> None:
    wavs = [
        write_wav(tmp_path / f"{number}.wav", asyncio.run(spoken(hibari.url, sentence)))
        for number, sentence in enumerate(SENTENCES)
    ]
    heard = recogniser.hear(wavs, SENTENCES)
    print(f"word error rate {heard.word_error_rate:.2%}; {heard.differences}")
    assert heard.word_error_rate <= 0.05


def test_a_piper_voice_is_understood_over_the_wire(
    piper: ServerProcess, recogniser: Recogniser, tmp_path: Path
) -> None:
    sentences = SENTENCES[:10]
    wavs = [
        write_wav(tmp_path / f"{number}.wav", asyncio.run(spoken(piper.url, sentence, "Ethan")))
        for number, sentence in enumerate(sentences)
    ]
    heard = recogniser.hear(wavs, sentences)
    print(f"word error rate {heard.word_error_rate:.2%}; {heard.differences}")
    assert heard.word_error_rate <= 0.1


def test_the_wire_and_the_command_line_give_the_same_samples(hibari: ServerProcess, tmp_path: Path) -> None:
    text = " ".join(SENTENCES[:4])
    file = tmp_path / "said.wav"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "saystream",
        "say",
        text,
        "--language",
        "English",
        "-o",
        file,
    ]
    environment = {**os.environ, "SAYSTREAM_ENGINE": "hibari"}
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    with wave.open(str(file)) as said:
        in_process = said.readframes(said.getnframes())
    assert in_process == asyncio.run(spoken(hibari.url, text))
