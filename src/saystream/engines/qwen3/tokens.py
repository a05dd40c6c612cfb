"""Text to ids: the byte-level BPE of ``vocab.json`` and ``merges.txt``, whole or piece by piece.

User text never becomes a control token: the tokenizer of text has none, and their spellings are removed so that they
are not spoken.
"""

from __future__ import annotations

import bisect
import json
import re
import unicodedata
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from saystream.errors import CheckpointInvalid

__all__ = ["WORDS", "IncrementalTokenizer", "Tokens"]

WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen2's tokenizer cuts text into words before BPE; no token crosses such a cut."""

_BYTE_LEVEL = decoders.ByteLevel()


class Tokens:
    """The tokenizer of one checkpoint."""

    def __init__(self, vocabulary: Path, merges: Path, control: dict[str, int]) -> None:
        """``control`` holds the spellings of control tokens and their ids."""
        self._bpe = Tokenizer(BPE.from_file(str(vocabulary), str(merges)))
        self._words = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
        self._bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        self._bpe.pre_tokenizer = pre_tokenizers.Sequence([self._words, self._bytes])
        self._text_of = decoders.ByteLevel()
        self.control = control
        self._speakable: dict[int, bool] = {}
        self._control = re.compile("|".join(map(re.escape, control)) or r"(?!)")
        # Every incomplete beginning of a spelling: text that ends with one may become that spelling.
        self._begun = {spelling[:end] for spelling in control for end in range(1, len(spelling))}
        self._longest_control = max(map(len, control), default=0)
        self._sorted = sorted(self._bpe.get_vocab())
        self.longest = max(map(len, self._sorted))
        """Bytes of the longest token."""

    @classmethod
    def read(cls, folder: Path) -> Tokens:
        """The tokenizer of the checkpoint in ``folder``. Raises CheckpointInvalid."""
        settings = folder / "tokenizer_config.json"
        try:
            added = json.loads(settings.read_bytes())["added_tokens_decoder"]
            control = {str(entry["content"]): int(key) for key, entry in added.items()}
        except FileNotFoundError:
            raise CheckpointInvalid(f"{settings} is missing; a Qwen3-TTS checkpoint must have it.") from None
        except (KeyError, TypeError, AttributeError, ValueError):
            raise CheckpointInvalid(f"{settings} does not list the control tokens correctly.") from None
        try:
            return cls(folder / "vocab.json", folder / "merges.txt", control)
        except Exception as error:  # tokenizers raises nothing more specific for files that it cannot read
            raise CheckpointInvalid(f"{folder}: vocab.json or merges.txt cannot be read: {error}") from None

    def encode(self, text: str) -> list[int]:
        """Ids of user text, without control tokens; empty for text that contains nothing else."""
        return self.encode_clean(self._control.sub("", text))

    def is_speakable(self, identity: int) -> bool:
        """Whether a text id contains something to hear: a letter, digit or symbol, or some of its bytes."""
        if identity not in self._speakable:
            token = self._bpe.id_to_token(identity) or ""
            text = _BYTE_LEVEL.decode([token])
            self._speakable[identity] = any(unicodedata.category(character)[0] in "LNS" for character in text)
        return self._speakable[identity]

    def decode(self, ids: list[int]) -> str:
        """The text of ids; bytes that are not a whole character become U+FFFD."""
        spelled = [self._bpe.id_to_token(identity) or "" for identity in ids]
        return self._text_of.decode(spelled)

    def incremental(self) -> IncrementalTokenizer:
        """For one text that arrives in pieces."""
        return IncrementalTokenizer(self)

    def encode_clean(self, text: str) -> list[int]:
        """Ids of text as it is: the spelling of a control token, if one is left, gives ids of plain characters."""
        ids: list[int] = self._bpe.encode(unicodedata.normalize("NFC", text)).ids
        return ids

    def split_control(self, text: str) -> tuple[str, str]:
        """Text without the spellings of control tokens, and its end that may still become one.

        Text that forms a spelling only because another was removed stays.
        """
        last = max((match.end() for match in self._control.finditer(text)), default=0)
        head, tail = self._control.sub("", text[:last]), text[last:]
        for length in range(min(self._longest_control - 1, len(tail)), 0, -1):
            if tail[-length:] in self._begun:
                return head + tail[:-length], tail[-length:]
        return head + tail, ""

    def words(self, text: str) -> list[str]:
        """The words that add up to ``text``; no token crosses from one into the next."""
        return [word for word, _ in self._words.pre_tokenize_str(text)]

    def spell(self, word: str) -> str:
        """A word in the letters of the vocabulary, one for each byte."""
        return "".join(piece for piece, _ in self._bytes.pre_tokenize_str(word))

    def spelled_ends(self, word: str) -> dict[int, int]:
        """Where characters of ``word`` end in its spelling -> how many characters that is."""
        ends, length = {}, 0
        for count, character in enumerate(word, start=1):
            length += len(character.encode())
            ends[length] = count
        return ends

    def pieces(self, spelled: str) -> list[tuple[int, str]]:
        """Ids and spellings of the tokens of one spelled word."""
        return [(token.id, token.value) for token in self._bpe.model.tokenize(spelled)]

    def begins_a_token(self, spelled: str) -> bool:
        """Whether a longer token begins like this."""
        place = bisect.bisect_right(self._sorted, spelled)
        return place < len(self._sorted) and self._sorted[place].startswith(spelled)


def _joins_nothing_before(character: str) -> bool:
    """Whether it can neither combine with nor be reordered before what precedes it (Unicode's NFC)."""
    return not unicodedata.category(character).startswith("M") and not "\u1100" <= character <= "\u11ff"


class IncrementalTokenizer:
    """Ids as soon as later text can no longer change them; together exactly ``Tokens.encode`` of the whole.

    Held back are the end of the last word, white space at the end (it joins with more of it), characters that may
    combine with a later mark, and an end that may be the beginning of a control token.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._raw = ""  # may be the beginning of a control token
        self._text = ""  # free of control tokens, not yet given out as ids

    def push(self, text: str) -> list[int]:
        """Take more text; return the ids that are now final."""
        clean, self._raw = self._tokens.split_control(self._raw + text)
        self._text = unicodedata.normalize("NFC", self._text + clean)
        words = self._settled_words()
        # Word by word: white space at the end of these would be cut differently if nothing followed it.
        ids = [identity for word in words for identity, _ in self._tokens.pieces(self._tokens.spell(word))]
        self._text = self._text[sum(map(len, words)) :]
        more, end = self._settled_in_word()
        self._text = self._text[end:]
        return ids + more

    def finish(self) -> list[int]:
        """The text has ended: return the rest."""
        ids = self._tokens.encode_clean(self._text + self._raw)
        self._raw = self._text = ""
        return ids

    def _settled_words(self) -> list[str]:
        """All words except the last and those that later text can still change."""
        words = self._tokens.words(self._text)
        while words:
            last = words.pop()
            # White space is cut depending on what follows all of it.
            if not last.isspace() and _joins_nothing_before(last[0]):
                break
        return words

    def _settled_in_word(self) -> tuple[list[int], int]:
        """Ids at the beginning of the last word that hold whatever comes, and the characters they stand for.

        Chinese has no spaces: the text between two marks is one word, too long to wait for. BPE's ids up to a cut are
        those of the text up to it. One token of the later text covers or touches the present end; it begins where the
        text from there to the end begins some token. What the ids up to all such places have in common is final.
        """
        word = self._text[:-1]  # the last character may still combine
        if len(word) < 2 or not all(
            unicodedata.category(character)[0] == "L" for character in self._text[1:]
        ):
            return [], 0
        spelled = self._tokens.spell(word)
        settled = self._tokens.pieces(spelled)
        for start in range(max(0, len(spelled) - self._tokens.longest), len(spelled)):
            if self._tokens.begins_a_token(spelled[start:]):
                settled = _shared(settled, self._tokens.pieces(spelled[:start]))
        length = 0
        best: tuple[int, int] = (0, 0)
        ends = self._tokens.spelled_ends(word)
        for count, (_, piece) in enumerate(settled, start=1):
            length += len(piece)
            if length in ends:
                best = (count, ends[length])
        return [identity for identity, _ in settled[: best[0]]], best[1]


def _shared(one: list[tuple[int, str]], other: list[tuple[int, str]]) -> list[tuple[int, str]]:
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return one[:index]
    return one[: min(len(one), len(other))]
