"""Mandarin: the Pinyin of every character, as it is said in its sentence.

Words are found by jieba. One with several characters is read by the dictionary of pypinyin; a character alone that can
be read in several ways by g2pM, a small model of the sentence around it. Then come the rules of speech: the tones of
"one" and "not", syllables without a tone, and the "r" of "zher".
"""

from __future__ import annotations

import logging
import pickle
import tomllib
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import jieba
import numpy as np
from pypinyin import Style, lazy_pinyin
from pypinyin.constants import PHRASES_DICT
from pypinyin.seg import mmseg

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Mandarin", "Word"]

Word = tuple[str, list[str]]
"""A word, and the Pinyin of each of its characters, such as ``zhong1``; the neutral tone is 5. A character that nothing
reads has none: then there are fewer."""

_MOST_CHARACTERS = 120
"""Of one sentence for the model: its time grows with them."""
_NUMERALS = frozenset("零〇一二三四五六七八九两")
_UNITS = frozenset("十百千万亿")
_PRONOUNS = frozenset(
    ("我", "你", "您", "他", "她", "它", "咱", "谁", "我们", "你们", "他们", "她们", "咱们", "大家")
)
_MUST = frozenset(("就", "也", "还", "都", "总", "必", "只", "可", "非", "真", "又"))
_NOT_MUST = frozenset("了到过出分奖票胜名第很不知以")
_PLACES = frozenset("上下里中面方球区点铁图位形势")


class Mandarin:
    def __init__(self) -> None:
        jieba.setLogLevel(logging.WARNING)
        jieba.initialize()
        self._polyphones = _Polyphones()
        tables = tomllib.loads(
            resources.files(__package__).joinpath("mandarin.toml").read_text(encoding="utf-8")
        )
        lists = {name: frozenset(words.split()) for name, words in tables.items()}
        self._neutral, self._child, self._given_back = lists["neutral"], lists["child"], lists["given_back"]
        self._ordinal_before, self._ordinal_after = lists["ordinal_before"], lists["ordinal_after"]

    def words(self, han: str) -> list[Word]:
        """``han``, characters with nothing between them, as words in order."""
        words = jieba.lcut(han)
        read = [
            lazy_pinyin(each, style=Style.TONE3, neutral_tone_with_five=True, errors="ignore")
            for each in words
        ]
        self._by_sentence(han, words, read)
        for place in range(len(words)):
            if len(read[place]) == len(words[place]):
                self._by_word(words, read, place)
        if all(len(each) == len(word) for each, word in zip(read, words, strict=True)):
            _change_tones(words, read, self._tells_which)
        return list(zip(words, read, strict=True))

    def _tells_which(self, before: str, after: str) -> bool:
        if before in self._ordinal_before or after in self._ordinal_after:
            return True
        if before in _NUMERALS or after in _NUMERALS:
            return True
        # Of a long number it is the count of its hundreds and thousands that changes.
        return before in _UNITS and (after == "十" or after not in _UNITS)

    def _by_sentence(self, han: str, words: Sequence[str], read: list[list[str]]) -> None:
        """What the dictionary does not know: characters alone, and words that it does not have."""
        places: dict[int, tuple[int, int]] = {}
        start = 0
        for number, word in enumerate(words):
            if len(read[number]) == len(word) and word not in PHRASES_DICT:
                within = 0
                for piece in mmseg.seg.cut(word):
                    if len(piece) == 1:
                        places[start + within] = number, within
                    within += len(piece)
            start += len(word)
        for place, pinyin in self._polyphones.read(han, list(places)):
            number, within = places[place]
            read[number][within] = pinyin

    def _by_word(self, words: Sequence[str], read: list[list[str]], place: int) -> None:
        word, pinyin = words[place], read[place]
        before = words[place - 1] if place else ""
        after = words[place + 1] if place + 1 < len(words) else ""
        if len(before) > 1 and (word == "地说" or (word == "地" and after and after[0] not in _PLACES)):
            pinyin[0] = "de5"
        elif word == "还" and after in self._given_back:
            pinyin[0] = "huan2"
        elif word == "得" and after:
            pinyin[0] = _de(before, after)
        elif len(word) == 3 and word[1] == "得":
            pinyin[1] = "de5"
        elif word == "长得":
            pinyin[:] = "zhang3", "de5"
        elif word[0] == "还" and word[1:] in self._given_back:
            pinyin[0] = "huan2"
        if word in self._neutral or (len(word) > 1 and word[-2:] in self._neutral):
            pinyin[-1] = f"{pinyin[-1][:-1]}5"
        if word[-1] == "儿" and word not in self._child and (len(word) > 1 or before):
            pinyin[-1] = "er5"


def _de(before: str, after: str) -> str:
    """A particle after a verb, or "must" before one, or the verb "to get"."""
    if before in _PRONOUNS or before in _MUST:
        return "de2" if after[0] in _NOT_MUST else "dei3"
    return "de2" if not before or after[0] in _NOT_MUST - frozenset("很不出") else "de5"


def _change_tones(
    words: Sequence[str], read: list[list[str]], tells_which: Callable[[str, str], bool]
) -> None:
    """Of "one" and "not", by the tone of what follows. ``tells_which`` is whether "one" counts nothing between the
    characters before and after it."""
    han = "".join(words)
    places = [(number, within) for number, word in enumerate(words) for within in range(len(word))]
    for place, character in enumerate(han):
        if character not in "一不":
            continue
        number, within = places[place]
        before, after = han[place - 1 : place], han[place + 1 : place + 2]
        following = "" if not after else read[places[place + 1][0]][places[place + 1][1]][-1]
        ends_word = 0 < within == len(words[number]) - 1
        if before and before == after:
            tone = "5"
        elif character == "不":
            is_weak = len(words[number]) == 3 and within == 1
            tone = "5" if is_weak else "2" if following == "4" else "4"
        elif not after or ends_word or tells_which(before, after):
            tone = "1"
        else:
            tone = "2" if following == "4" or after == "个" else "4"
        read[number][within] = read[number][within][:-1] + tone


class _Weights(pickle.Unpickler):
    """Reads arrays and what Python itself has, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.partition(".")[0], name) not in _IN_WEIGHTS:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of weights")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


_IN_WEIGHTS = frozenset((("numpy", "ndarray"), ("numpy", "dtype"), ("numpy", "_reconstruct")))


def _unpickled(name: str) -> Any:
    """A file of g2pM."""
    with resources.files("g2pM").joinpath(name).open("rb") as file:
        return _Weights(file).load()


class _Polyphones:
    """The network of g2pM: one LSTM in each direction, whose products are taken at once where that is possible."""

    def __init__(self) -> None:
        # Its own loader leaves the files open, and what they name was moved in NumPy.
        self._numbers: dict[str, int] = _unpickled("char2idx.pkl")
        self._readings: dict[str, list[str]] = _unpickled("digest_cedict.pkl")
        self._classes: dict[str, int] = _unpickled("class2idx.pkl")
        weights: dict[str, NDArray[Any]] = _unpickled("np_ckpt.pkl")
        self._embeddings = np.asarray(weights["embedding.weight"], np.float32)
        self._forward, self._backward = (
            _Direction(
                weights[f"lstm.weight_ih_l0{way}"],
                weights[f"lstm.weight_hh_l0{way}"],
                weights[f"lstm.bias_ih_l0{way}"] + weights[f"lstm.bias_hh_l0{way}"],
            )
            for way in ("", "_reverse")
        )
        self._layers = [
            (
                np.asarray(weights[f"logit_layer.{number}.weight"], np.float32).T,
                np.asarray(weights[f"logit_layer.{number}.bias"], np.float32),
            )
            for number in (0, 2)
        ]

    def read(self, text: str, places: Sequence[int]) -> Iterator[tuple[int, str]]:
        """The Pinyin of those of ``places`` whose character has several readings."""
        for start in range(0, len(text), _MOST_CHARACTERS):
            end = start + _MOST_CHARACTERS
            within = [
                place for place in places if start <= place < end and len(self._choices(text[place])) > 1
            ]
            if within:
                scores = self._scores(text[start:end], [place - start for place in within])
                for place, row in zip(within, scores, strict=True):
                    choices = self._choices(text[place])
                    best = max(choices, key=lambda reading: row[self._classes[reading]])
                    yield place, best.replace("u:", "v")

    def _choices(self, character: str) -> list[str]:
        return [each for each in self._readings.get(character, ()) if each in self._classes]

    def _scores(self, text: str, places: Sequence[int]) -> NDArray[np.float32]:
        unknown = self._numbers["<UNK>"]
        inner = (self._numbers.get(character, unknown) for character in text)
        inputs = self._embeddings[[self._numbers["시"], *inner, self._numbers["끝"]]]
        outer = np.concatenate([self._forward.run(inputs), self._backward.run(inputs[::-1])[::-1]], axis=1)
        hidden = outer[[place + 1 for place in places]]
        (first, first_bias), (last, last_bias) = self._layers
        scores: NDArray[np.float32] = np.maximum(hidden @ first + first_bias, 0) @ last + last_bias
        return scores


class _Direction:
    def __init__(self, inputs: NDArray[Any], state: NDArray[Any], bias: NDArray[Any]) -> None:
        self._inputs = np.asarray(inputs, np.float32).T
        self._state = np.ascontiguousarray(np.asarray(state, np.float32).T)
        self._bias = np.asarray(bias, np.float32)

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The state after each of the inputs."""
        size = self._state.shape[0]
        gates = inputs @ self._inputs + self._bias
        states = np.zeros((len(inputs), size), np.float32)
        state, cell = np.zeros(size, np.float32), np.zeros(size, np.float32)
        for place, row in enumerate(gates):
            each = row + state @ self._state
            opened = 1 / (1 + np.exp(-each))
            cell = opened[size : 2 * size] * cell + opened[:size] * np.tanh(each[2 * size : 3 * size])
            state = opened[3 * size :] * np.tanh(cell)
            states[place] = state
        return states
