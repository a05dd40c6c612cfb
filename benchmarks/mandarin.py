"""How often Chinese characters with several readings are read right. Writes ``benchmarks/results/mandarin.json``.

    git clone https://github.com/kakaobrain/g2pM
    python benchmarks/mandarin.py g2pM/data [COUNT]

The sentences are those of the CPP data set (Park and Lee, 2020; Apache-2.0), each with one character marked and its
reading by people. ``before`` is pypinyin alone, word by word, as the reader was before it had a model of the sentence.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import jieba
from pypinyin import Style, lazy_pinyin

from saystream.engines.pronunciation.mandarin import Mandarin

RESULTS = Path(__file__).parent / "results" / "mandarin.json"
MARK = "\u2581"
HAN = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff]+")
SEED = 1


def sentences(folder: Path) -> Iterator[tuple[str, int, str]]:
    """The text, the place of the character and its Pinyin."""
    texts = folder.joinpath("test.sent").read_text(encoding="utf-8").splitlines()
    labels = folder.joinpath("test.lb").read_text(encoding="utf-8").splitlines()
    for text, label in zip(texts, labels, strict=True):
        yield text.replace(MARK, ""), text.index(MARK), label.strip().replace("u:", "v")


def by_dictionary(han: str) -> list[tuple[str, list[str]]]:
    return [
        (word, lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True, errors="ignore"))
        for word in jieba.lcut(han)
    ]


def reading(text: str, place: int, words_of: Callable[[str], list[tuple[str, list[str]]]]) -> str:
    for match in HAN.finditer(text):
        start = match.start()
        if not start <= place < match.end():
            continue
        for word, pinyin in words_of(match[0]):
            if start <= place < start + len(word):
                return pinyin[place - start] if len(pinyin) == len(word) else ""
            start += len(word)
    return ""


def measured(
    cases: list[tuple[str, int, str]], words_of: Callable[[str], list[tuple[str, list[str]]]]
) -> dict[str, float]:
    start = time.process_time()
    right = sum(reading(text, place, words_of) == label for text, place, label in cases)
    spent = time.process_time() - start
    characters = sum(
        len(next(run[0] for run in HAN.finditer(text) if run.end() > place)) for text, place, _ in cases
    )
    return {
        "right_percent": round(100 * right / len(cases), 2),
        "us_per_character": round(1e6 * spent / characters, 1),
    }


def main() -> None:
    cases = list(sentences(Path(sys.argv[1])))
    if len(sys.argv) > 2:
        cases = random.Random(SEED).sample(cases, int(sys.argv[2]))
    mandarin = Mandarin()
    result = {
        "sentences": len(cases),
        "versions": {name: version(name) for name in ("g2pM", "jieba", "pypinyin")},
        "before": measured(cases, by_dictionary),
        "after": measured(cases, mandarin.words),
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
