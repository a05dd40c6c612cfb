from pathlib import Path

import pytest

from .tiny_voice import make_voice


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a man's voice, American English, 22,050 Hz."""
    return make_voice(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four files: a man and three speakers in English, a woman in German at a lower rate, a man in Korean."""
    files = tmp_path_factory.mktemp("voices")
    make_voice(files)
    make_voice(files, "en_GB-several-medium", pitches_hz=(150.0, 210.0, 300.0), default_speaker_id=1)
    make_voice(files, "de_DE-tiny-low", sample_rate=16000, pitches_hz=(190.0,), loudness=0.02)
    make_voice(files, "ko_KR-tiny-medium", pitches_hz=(130.0,))
    return files
