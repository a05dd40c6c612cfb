"""Measures how often the language of a short first text is told wrong: python benchmarks/languages.py FOLDER.

``FOLDER`` has a file of sentences for each language, one in a line, such as ``de.txt``: those of lingua, for example
(``language-testdata/sentences`` in its repository). Of each language a hundred lines are taken, and of each line the
first one to six words, or the first 4 to 14 characters of Chinese and Japanese. Prints the share that is told wrong, by
language and by length.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from pathlib import Path

from saystream.languages import LANGUAGE_CODES
from saystream.text.language import SpokenLanguage

EACH = 100
MOST_WORDS = 6


def beginnings(file: Path, language: str) -> list[tuple[int, str]]:
    """Texts, each with its length in words."""
    lines = [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    random.Random(7).shuffle(lines)
    texts = []
    for number, line in enumerate(lines[:EACH]):
        words = 1 + number % MOST_WORDS
        unspaced = language in ("ja", "zh")
        texts.append((words, line[: 2 + 2 * words] if unspaced else " ".join(line.split()[:words])))
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    wrong_by_language: Counter[str] = Counter()
    wrong_by_length: Counter[int] = Counter()
    taken_for: Counter[tuple[str, str]] = Counter()
    num_texts = 0
    for language in LANGUAGE_CODES.values():
        for words, text in beginnings(folder / f"{language}.txt", language):
            num_texts += 1
            if (found := SpokenLanguage(None).of(text)) != language:
                wrong_by_language[language] += 1
                wrong_by_length[words] += 1
                taken_for[language, found] += 1
    print(f"{wrong_by_language.total()} of {num_texts} texts are told wrong")
    print("by language:", dict(wrong_by_language))
    print("by words:", dict(sorted(wrong_by_length.items())))
    for (language, found), number in taken_for.most_common(8):
        print(f"{language} taken for {found}: {number}")


if __name__ == "__main__":
    main()
