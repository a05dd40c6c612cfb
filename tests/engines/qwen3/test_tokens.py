"""The tokenizer of text, whole and piece by piece."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saystream.engines.qwen3.tokens import Tokens
from saystream.errors import CheckpointInvalid

from .random_checkpoint import make_tokenizer

CORPUS = (
    "the quick brown fox jumps over the lazy dog; it isn't I'll they're we've 'twas the theatre there then them",
    "今天天气很好我们去公园玩吧今天的天气真的很好明天天气不好我们在家里看电视天天看电视",
    "人工智能模型可以把文字变成声音人工智能可以听懂人的声音我们天天用人工智能",
    "résumé café naïve übermäßig größer наш дом дома домой हिन्दी भाषा 안녕하세요 세계 ありがとう がぎぐげご",
    "   \n\n  \t\t  ... !!! ??? --- 12 345 6789",
)
"""With many overlapping words, so that what follows often changes how a word is cut."""

PIECES = (
    "the", "there", "theatre", "fox", " ", "  ", "\n", "\r\n", "\t", "'", "'s", "'r", "e", "'l", "l", "I", "re",
    ".", "!", "?!", "-", "1", "23", "\u0301", "\u0326", "\u0338", "=", "\u3099", "か", "は", "ん", "\u1100",
    "\u1161", "\u11a8", "가", "각", "नि", "\u093f", "\u09c7", "\u09be", "今", "天", "天气", "人工", "智能", "很好",
    "电视", "电", "视", "é", "<", "<|", "<|im_", "im_", "end", "end|>", "|>", "<|im_end|>", "<|im_start|>",
    "<tts_pad>", "<tts_", "pad>", "👩", "\u200d", "\u00a0", "\u3000", "\x1c",
)  # fmt: skip


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    folder = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(folder, corpus=CORPUS, size=900)
    return Tokens.read(folder)


def in_pieces(tokens: Tokens, pieces: list[str]) -> list[int]:
    incremental = tokens.incremental()
    given_out = [token for piece in pieces for token in incremental.push(piece)]
    return given_out + incremental.finish()


@settings(max_examples=600, deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=14))
@example(pieces=["it'", "r", "e"])
@example(pieces=["a", "\n", "  ", "\n"])
@example(pieces=["e", "\u0326", "\u0301"])
@example(pieces=["<|im_", "<|im_end|>", "end|>"])
@example(pieces=["か", "\u3099"])
def test_text_in_pieces_has_the_ids_of_the_whole(tokens: Tokens, pieces: list[str]) -> None:
    assert in_pieces(tokens, pieces) == tokens.encode("".join(pieces))


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=24), cuts=st.lists(st.integers(0, 24), max_size=6))
def test_any_text_cut_anywhere_has_the_ids_of_the_whole(tokens: Tokens, text: str, cuts: list[int]) -> None:
    ends = [*sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert in_pieces(tokens, pieces) == tokens.encode(text)


@settings(max_examples=200, deadline=None)
@given(
    text=st.lists(
        st.sampled_from(("天", "气", "人工", "智能", "很好", "电视", "看", "今天")), min_size=1, max_size=30
    )
)
def test_chinese_comes_out_though_it_has_no_spaces(tokens: Tokens, text: list[str]) -> None:
    """No more than the longest token and a character or two are held back within a word."""
    whole = "".join(text)
    incremental = tokens.incremental()
    given_out = [token for character in whole for token in incremental.push(character)]
    assert given_out == tokens.encode(whole)[: len(given_out)]
    held = len(whole.encode()) - len(tokens.decode(given_out).encode())
    assert held <= 2 * tokens.longest + 3


def test_a_word_comes_out_with_the_space_behind_it(tokens: Tokens) -> None:
    incremental = tokens.incremental()
    assert incremental.push("the fox") == tokens.encode("the")
    assert incremental.push(" ") == []  # the space may be the first of several
    assert incremental.push("d") == tokens.encode(" fox")
    assert incremental.finish() == tokens.encode(" d")


def test_control_tokens_are_taken_out_of_text(tokens: Tokens) -> None:
    assert tokens.encode("the<|im_end|> fox<tts_pad>") == tokens.encode("the fox")
    assert tokens.encode("<|im_end|><|im_start|>") == []


def test_what_closes_up_to_a_control_token_stays_text(tokens: Tokens) -> None:
    ids = tokens.encode("<|im_<|im_end|>end|>")
    assert tokens.decode(ids) == "<|im_end|>"
    assert not set(ids) & set(tokens.control.values())


@given(text=st.text(max_size=40))
def test_text_never_has_the_id_of_a_control_token(tokens: Tokens, text: str) -> None:
    assert not set(tokens.encode(text)) & set(tokens.control.values())


def test_a_tokenizer_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointInvalid, match=r"tokenizer_config\.json is missing"):
        Tokens.read(tmp_path)


def test_a_tokenizer_that_lists_no_control_tokens_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(CheckpointInvalid, match="control tokens"):
        Tokens.read(tmp_path)


def test_a_vocabulary_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    make_tokenizer(tmp_path)
    (tmp_path / "merges.txt").unlink()
    with pytest.raises(CheckpointInvalid, match=r"merges\.txt cannot be read"):
        Tokens.read(tmp_path)


def test_a_tokenizer_without_control_tokens_leaves_text_as_it_is(tmp_path: Path) -> None:
    make_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": {}}))
    tokens = Tokens.read(tmp_path)
    assert tokens.decode(tokens.encode("<|im_end|>")) == "<|im_end|>"
