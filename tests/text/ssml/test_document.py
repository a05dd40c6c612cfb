"""SSML documents: what they become, and how each mistake is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.errors import InvalidMarkup
from saystream.text.script import Background, Manner, Part, Passage, Pause, Pronunciation, Sound
from saystream.text.ssml import MAX_ELEMENTS, is_ssml, parse


def said(document: str, language: str = "") -> list[object]:
    """Texts, pauses in milliseconds, and addresses of sounds."""
    return [shown(part) for part in parse(document, language=language)]


def shown(part: Part) -> object:
    match part:
        case Passage():
            return part.text.text
        case Pause():
            return part.duration_ms
        case Sound():
            return part.url


def refusal(document: str) -> str:
    with pytest.raises(InvalidMarkup) as refused:
        parse(document)
    assert refused.value.param == "text"
    return refused.value.message


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<speak>a</speak>", True),
        (' \n<?xml version="1.0" encoding="utf-8"?>\n<speak>a</speak>', True),
        ('<speak rate="2">', True),
        ("<!DOCTYPE a><speak>a</speak>", True),
        ("if a < b", False),
        ("<speaker>a</speaker>", False),
        ("Hello <speak>a</speak>", False),
        ("", False),
    ],
)
def test_a_document_is_known_by_its_beginning(text: str, answer: bool) -> None:
    assert is_ssml(text) is answer


def test_text_pauses_and_sounds_come_in_order() -> None:
    document = (
        "<speak>你好<break time='500ms'/>世界<soundEvent src=' http://a.example/b.wav '/>再<break/>"
        "见<break time='.5s'/></speak>"
    )
    assert said(document) == ["你好", 500.0, "世界", "http://a.example/b.wav", "再", 1000.0, "见", 500.0]


@pytest.mark.parametrize(
    ("time", "duration_ms"), [("50ms", 50.0), ("10s", 10_000.0), ("1.5s", 1500.0), ("", 1000.0)]
)
def test_a_break_is_as_long_as_it_says(time: str, duration_ms: float) -> None:
    assert said(f'<speak><break time="{time}"/></speak>') == [duration_ms]


def test_breaks_in_a_row_are_one_of_at_most_ten_seconds() -> None:
    assert said("<speak>a<break time='400ms'/> <break time='2s'/>b</speak>") == ["a", 2400.0, "b"]
    assert said("<speak>a" + '<break time="9s"/>' * 3 + "</speak>") == ["a", 10_000.0]
    assert said("<speak><break time='9s'/>a<break time='9s'/></speak>") == [9000.0, "a", 9000.0]


@pytest.mark.parametrize("time", ["20s", "49ms", "1", "-1s", "1m", "abc"])
def test_a_break_of_another_length_is_refused(time: str) -> None:
    message = refusal(f'<speak>a\n<break time="{time}"/></speak>')
    assert message.startswith("SSML, line 2, <break>: ") and f"'{time}'" in message and "10000 ms" in message


def test_each_character_knows_where_it_was_sent() -> None:
    document = '<?xml version="1.0"?><speak>你 &amp; <![CDATA[<b>]]>😀é&#233;\r\nc</speak>'
    (passage,) = parse(document)
    assert isinstance(passage, Passage)
    text = passage.text
    assert text.text == "你 & <b>😀éé c"
    sent = [document[start:end] for start, end in zip(text.starts, text.ends, strict=True)]
    assert sent == ["你", " ", "&amp;", " ", "<", "b", ">", "😀", "é", "&#233;", "", "c"]


def test_what_replaces_a_word_belongs_to_the_word() -> None:
    document = '<speak>The <sub alias="World Wide Web Consortium">W3C</sub><sub alias="!"/></speak>'
    (passage,) = parse(document)
    assert isinstance(passage, Passage)
    assert passage.text.text == "The World Wide Web Consortium!"
    assert document[slice(*passage.text.span(4, 9))] == "W3C"
    assert document[slice(*passage.text.span(29, 30))] == '<sub alias="!"/>'


def test_a_pronunciation_keeps_its_word_also_behind_spaces() -> None:
    document = (
        '<speak>  去\n  <phoneme alphabet="py" ph=" dian3 dang4 hang2 ">典当行</phoneme>,  '
        '<phoneme alphabet="cmu" ph="S AY N">sin</phoneme><phoneme alphabet="ipa" ph="x"> </phoneme></speak>'
    )
    (passage,) = parse(document)
    assert isinstance(passage, Passage)
    assert passage.text.text == " 去 典当行, sin"
    assert passage.pronunciations == (
        Pronunciation(3, 6, "pinyin", "dian3 dang4 hang2"),
        Pronunciation(8, 11, "arpabet", "S AY N"),
    )


def test_a_manner_is_that_of_its_speak() -> None:
    first, second, third = parse(
        '<speak voice="longanyang" rate="0.8" pitch="1.2" volume="80" effect="eq" effectValue="1,-20 3">a</speak>\n'
        '<speak effect="robot" effectValue="">b</speak>'
        '<speak bgm="http://a.example/b.wav" backgroundMusicVolume="30.4" xml:lang="en">c</speak>'
    )
    assert isinstance(first, Passage) and isinstance(second, Passage) and isinstance(third, Passage)
    assert first.manner == Manner("longanyang", 0.8, 1.2, 80, "eq", (1.0, -20.0, 3.0))
    assert second.manner == Manner(effect="robot")
    assert third.manner == Manner(background=Background("http://a.example/b.wav", 30))
    (with_music,) = parse('<speak bgm="http://a.example/b.wav" rate="">d</speak>')
    assert isinstance(with_music, Passage)
    assert with_music.manner == Manner(background=Background("http://a.example/b.wav", 50))


def test_paragraphs_and_sentences_end_what_is_before_them() -> None:
    document = "<speak>\n  <p>One</p>\n  <p>two\n  lines</p><s>three</s></speak>"
    assert said(document) == [" One\ntwo lines\nthree\n"]


@pytest.mark.parametrize(
    ("kind", "written", "read"),
    [
        ("cardinal", "在 12345 里", "一万二千三百四十五"),
        ("digits", "二零二五年 2025", "二零二五"),
        ("telephone", "电话 13812345678", "幺三八幺二三四五六七八"),
    ],
)
def test_numbers_are_read_as_asked(kind: str, written: str, read: str) -> None:
    words, _, number = written.rpartition(" ")
    (text,) = said(f'<speak>{words or "数"}<say-as interpret-as="{kind}">{number}</say-as></speak>')
    assert number == "里" or str(text).endswith(read)


def test_what_is_read_in_its_own_way_belongs_together() -> None:
    document = (
        '<speak>Call <say-as interpret-as="telephone"> 911 </say-as>'
        '<say-as interpret-as="digits"> </say-as>.</speak>'
    )
    (passage,) = parse(document)
    assert isinstance(passage, Passage)
    assert passage.text.text == "Call nine one one."
    assert document[slice(*passage.text.span(5, 6))] == "911"
    assert said(document, "zh") == ["Call 九幺幺."]


def test_numbers_are_read_in_the_language_of_the_text_around_them() -> None:
    number = '<say-as interpret-as="digits">12</say-as>'
    assert said(f"<speak>Room {number}</speak><speak>房间{number}</speak><speak>{number}</speak>") == [
        "Room one two",
        "房间一二",
        "一二",
    ]


def test_a_surname_has_its_own_reading() -> None:
    (passage,) = parse('<speak>我是 <say-as interpret-as="name">单小飞</say-as>。</speak>')
    assert isinstance(passage, Passage)
    assert passage.text.text == "我是 单小飞。"
    assert passage.pronunciations == (Pronunciation(3, 4, "pinyin", "shan4"),)
    (english,) = parse('<speak>I am <say-as interpret-as="name">单小飞</say-as>.</speak>', language="en")
    assert isinstance(english, Passage)
    assert english.pronunciations == ()
    (other,) = parse('<speak>我是<say-as interpret-as="name">王小飞</say-as>。</speak>')
    assert isinstance(other, Passage)
    assert other.pronunciations == ()


def test_elements_of_other_servers_are_left_out_and_what_they_hold_is_spoken() -> None:
    document = (
        '<speak>It <emphasis level="strong">was</emphasis> <w role="x">read</w> <mark name="m"/>so.</speak>'
    )
    assert said(document) == ["It was read so."]


def test_a_document_may_hold_nothing() -> None:
    assert parse("<speak/>") == ()
    assert parse(" <speak> \n </speak> ") == ()


@pytest.mark.parametrize(
    ("document", "line", "named"),
    [
        ("<speak>\na<prosody rate='2'>b</prosody></speak>", 2, ("<prosody>", "known are speak, break")),
        ("<speak><speak>a</speak></speak>", 1, ("<speak>", "one after the other")),
        ("<speak>a</speak><break/>", 1, ("<break>", "within <speak>")),
        ("<speak>a</speak>\nb", 2, ("text must stand within <speak>",)),
        ("<speak><sub>a</sub></speak>", 1, ("<sub>", "alias")),
        ("<speak><sub alias='b'>a<break/></sub></speak>", 1, ("<break>", "<sub> holds only text")),
        ("<speak><phoneme ph='a'>b</phoneme></speak>", 1, ("<phoneme>", "alphabet", "py, cmu")),
        ("<speak><phoneme alphabet='py'>b</phoneme></speak>", 1, ("ph is missing", "Pinyin")),
        ("<speak><phoneme alphabet='x' ph='a'>b</phoneme></speak>", 1, ("alphabet", "'py'")),
        ("<speak><phoneme alphabet='py' ph='qq9'>b</phoneme></speak>", 1, ("ph", "tian1 qi4")),
        ("<speak><phoneme alphabet='cmu' ph='1'>b</phoneme></speak>", 1, ("ph", "CMU phones")),
        ("<speak><say-as>1</say-as></speak>", 1, ("interpret-as is missing", "cardinal")),
        ("<speak><say-as interpret-as='x'>1</say-as></speak>", 1, ("interpret-as", "'telephone'")),
        ("<speak><soundEvent/></speak>", 1, ("src is missing",)),
        ("<speak><soundEvent src='file:///a.wav'/></speak>", 1, ("src", "http or https")),
        ("<speak bgm='a.wav'>a</speak>", 1, ("<speak>", "bgm", "http or https")),
        ("<speak rate='3'>a</speak>", 1, ("rate", "'3'", "0.5 to 2.0")),
        ("<speak volume='loud'>a</speak>", 1, ("volume", "'loud'", "0 to 100")),
        ("<speak effect='eq' effectValue='a'>a</speak>", 1, ("effectValue", "numbers")),
        (f"<speak effect='eq' effectValue='{'1 ' * 17}'>a</speak>", 1, ("effectValue", "at most 16")),
        ("<speak>a &foo; b</speak>", 1, ("not well-formed", "undefined entity")),
        ("<speak>a & b</speak>", 1, ("not well-formed",)),
        ("<speak>a", 1, ("not well-formed",)),
        ("<speak><p>a</speak>", 1, ("mismatched tag",)),
    ],
)
def test_a_mistake_is_named_with_its_line_and_element(
    document: str, line: int, named: tuple[str, ...]
) -> None:
    message = refusal(document)
    assert f"line {line}" in message
    assert all(name in message for name in named), message


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]><speak>&b;</speak>',
        '<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><speak>a</speak>',
        "<speak>a</speak><!DOCTYPE a>",
    ],
)
def test_a_document_type_is_refused(document: str) -> None:
    assert "<!DOCTYPE>" in refusal(document)


def test_documents_are_bounded() -> None:
    assert f"more than {MAX_ELEMENTS}" in refusal(f"<speak>{'<break/>' * MAX_ELEMENTS}</speak>")
    assert "more than 32 deep" in refusal("<speak>" + "<p>" * 40)


def test_characters_that_xml_cannot_hold_are_spaces() -> None:
    assert said("<speak>a\x00b\ud83dc\x08</speak>") == ["a b c "]


TAGS = [
    "<speak>",
    "</speak>",
    "<p>",
    "</p>",
    "<break/>",
    "<sub alias='a'>",
    "</sub>",
    "<say-as interpret-as='id'>",
]
MARKUP = st.lists(
    st.sampled_from([*TAGS, "</say-as>", "&amp;", "&", "a", "你", "😀", "\n", "1", "<", "]]>"])
).map("".join)


@given(st.one_of(MARKUP, MARKUP.map(lambda inner: f"<speak>{inner}</speak>"), st.text()))
def test_any_text_is_parts_or_a_refusal(document: str) -> None:
    try:
        parts = parse(document)
    except InvalidMarkup as refused:
        assert len(refused.message) < 600
        return
    for part in parts:
        if isinstance(part, Passage):
            text = part.text
            assert list(text.starts) == sorted(text.starts) and list(text.ends) == sorted(text.ends)
            assert all(
                0 <= start <= end <= len(document) for start, end in zip(text.starts, text.ends, strict=True)
            )
