"""Japanese as it is read aloud, for engines that know kana but not kanji."""

from __future__ import annotations

import functools
import re
import threading
import warnings
from collections.abc import Iterator
from types import ModuleType

from saystream.text.rewriting import Rewritten, joined

__all__ = ["in_kana"]

_KANA, _KANJI = r"\u3041-\u3096\u30a1-\u30fa", r"々〆\u3400-\u9fff\uf900-\ufaff"
_JAPANESE = re.compile(rf"[0-9０-９]*[{_KANA}{_KANJI}][{_KANA}{_KANJI}ー0-9０-９]*")
"""A stretch without marks, spaces and Latin letters, which say more as they are written."""
_DEVOICED = str.maketrans("", "", "’'")

_library_in_use = threading.Lock()
"""Open JTalk is one set of global variables."""


def in_kana(text: str) -> Rewritten:
    """``text``, which has no lone surrogates, with Japanese in the katakana of its pronunciation: kana too, because
    "ha" may be pronounced "wa". Unchanged if the package pyopenjtalk-plus is not installed."""
    written = Rewritten.of(text)
    library = _open_jtalk()
    if library is None:
        return written
    parts: list[Rewritten] = []
    end = 0
    with _library_in_use, warnings.catch_warnings():
        # For kanji missing from its own dictionary it asks another package, in a way that is outdated there.
        warnings.simplefilter("ignore", DeprecationWarning)
        for stretch in _JAPANESE.finditer(text):
            parts += written[end : stretch.start()], *_pronounced(library, written[slice(*stretch.span())])
            end = stretch.end()
    return joined([*parts, written[end:]])


def _pronounced(library: ModuleType, japanese: Rewritten) -> Iterator[Rewritten]:
    """With a space between phrases, each of which has one accent: Whisper-small then misheard 36 % of eSpeak NG's
    characters, 50 % without spaces, and nearly all of them from kanji (21 sentences)."""
    spoken = ""
    end = 0
    begun = False
    for word in library.run_frontend(japanese.text, use_sudachi_kanji_yomi=False):
        start = japanese.text.find(word["string"], end)
        # Of a number the library returns other characters: they are read for what stands before the next word.
        if spoken and start > end:
            yield japanese[end:start].becomes(spoken)
            spoken, end = "", start
        begins_phrase = begun and word["chain_flag"] != 1
        begun = True
        reading = word["string"] if word["pos"] == "記号" else word["pron"]
        spoken += " " * begins_phrase + reading.translate(_DEVOICED)
        if start >= 0 and word["string"]:
            place = start + len(word["string"])
            yield japanese[end:place].becomes(spoken)
            spoken, end = "", place
    if spoken:
        yield japanese[min(end, len(japanese) - 1) :].becomes(spoken)


@functools.cache
def _open_jtalk() -> ModuleType | None:
    try:
        import pyopenjtalk
    except ImportError:
        return None
    return pyopenjtalk
