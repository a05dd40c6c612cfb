"""A small part of ``benchmarks/quality.py``: real weights, a real server, and the scoring programs, in four languages.

Takes about 40 s of one core.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from foreign import foreign_python
from saystream.bench import ServerProcess
from saystream.quality import Row, Scorer, WireSpeaker, load_corpus, measure

pytestmark = pytest.mark.asr

MOST_ERRORS_PERCENT = 10
"""One or two in two sentences; the whole corpus has far fewer."""
LEAST_MOS = 3.0
"""Of two sentences; a robotic voice has 2.0 to 2.9."""


@pytest.fixture(scope="module")
def scorer(whisper_folder: Path) -> Iterator[Scorer]:
    with Scorer(foreign_python("quality"), whisper_folder) as started:
        yield started


@pytest.fixture(scope="module")
def server(kokoro_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    environment = os.environ | {
        "SAYSTREAM_MODELS_DIR": str(kokoro_folder.parent),
        "SAYSTREAM_DATA_DIR": str(tmp_path_factory.mktemp("data")),
    }
    with ServerProcess(["--engine", "kokoro"], environment) as running:
        yield running


def row(
    server: ServerProcess,
    scorer: Scorer,
    folder: Path,
    *,
    language: str,
    voice: str,
    scores: tuple[str, ...],
    sentences: int = 2,
) -> Row:
    found = measure(
        WireSpeaker(server.url),
        scorer,
        load_corpus()[language][:sentences],
        voice=voice,
        language=language,
        scores=scores,
        folder=folder,
        together=sentences,
    )
    return found.rows[0]


# Cherry's own voice is Chinese; over the whole corpus 6 % of her Spanish words are heard wrong.
@pytest.mark.parametrize(
    ("language", "voice"), [("zh", "Cherry"), ("en", "Cherry"), ("ja", "Cherry"), ("es", "Sonrisa")]
)
def test_kokoro_is_understood_over_the_wire(
    server: ServerProcess, scorer: Scorer, tmp_path: Path, language: str, voice: str
) -> None:
    heard = row(server, scorer, tmp_path, language=language, voice=voice, scores=("words", "mos"))

    print(heard)
    assert heard.error_percent is not None and heard.error_percent <= MOST_ERRORS_PERCENT
    assert heard.mos is not None and heard.mos >= LEAST_MOS


def test_a_man_is_lower_than_a_woman_and_she_is_lower_than_a_child(
    server: ServerProcess, scorer: Scorer, tmp_path: Path
) -> None:
    man, woman, child = (
        row(server, scorer, tmp_path, language="en", voice=voice, scores=("pitch",), sentences=1).pitch_hz
        for voice in ("Ethan", "Cherry", "Bunny")
    )

    assert man is not None and woman is not None and child is not None
    assert man < 170 < woman < 290 < child
