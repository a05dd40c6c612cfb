from __future__ import annotations

import itertools

import pytest

from saystream import catalog
from saystream.audio import AudioFormat, Effects
from saystream.errors import InvalidMarkup, InvalidRequest, InvalidValue, TaskModelUnknown, VoiceRefused
from saystream.protocol.task.parameters import HotFix, TaskParameters
from saystream.server.doors.task_speech import (
    Preparation,
    check_parts,
    nothing_to_speak,
    speech_of,
    urls_of,
)
from saystream.text.script import Part, Passage, Pause
from saystream.text.ssml import parse

CATALOG = catalog.load()


def speech(model: str = "cosyvoice-v3-flash", **parameters: object):  # type: ignore[no-untyped-def]
    return speech_of(CATALOG, model, TaskParameters(**parameters), prefix="p.")  # type: ignore[arg-type]


def test_what_a_task_does_not_say_is_as_its_model_has_it() -> None:
    made = speech()
    assert made.config.voice == "longanyang"
    assert made.config.audio_format == AudioFormat("mp3", 22050, 128)
    assert made.config.language_type == "Auto"
    assert made.config.one_response
    assert not made.is_sambert
    sambert = speech("sambert-zhichu-v1")
    assert sambert.is_sambert
    assert sambert.config.audio_format.container == "wav"


def test_parameters_reach_the_speech() -> None:
    config = speech(
        voice="longanhuan",
        format="opus",
        sample_rate=16000,
        rate=1.5,
        pitch=0.9,
        volume=60,
        language_hints=("en", "zh"),
        instruction="Softly.",
        word_timestamp_enabled=True,
        seed=7,
    ).config
    assert config.audio_format == AudioFormat("opus", 16000, 32)
    assert config.effects == Effects(1.5, 0.9, 60)
    assert (config.voice, config.language_type) == ("longanhuan", "English")
    assert (config.instructions, config.marks, config.seed) == ("Softly.", True, 7)
    assert speech(format="mp3", bit_rate=64).config.audio_format.bit_rate_kbps == 64
    assert speech(
        "sambert-zhichu-v1", word_timestamp_enabled=True, phoneme_timestamp_enabled=True
    ).config.phonemes
    assert not speech("sambert-zhichu-v1", phoneme_timestamp_enabled=True).config.phonemes
    further = speech(language_hints=("th", "en")).config
    assert (further.language_type, further.language) == ("Auto", "th")
    assert (config.language, speech().config.language) == ("en", None)


@pytest.mark.parametrize(
    ("model", "parameters", "param"),
    [
        ("cosyvoice-v1", {"format": "opus"}, "p.format"),
        ("sambert-zhichu-v1", {"sample_rate": 44100}, "p.sample_rate"),
        ("cosyvoice-v3-flash", {"instruction": "慢" * 129}, "p.instruction"),
        (
            "cosyvoice-v3-flash",
            {"hot_fix": HotFix(pronunciation=(("天", "?"),))},
            "p.hot_fix.pronunciation[0]",
        ),
    ],
)
def test_what_cannot_be_is_named(model: str, parameters: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        speech(model, **parameters)
    assert caught.value.param == param


def test_a_voice_of_another_model_and_an_unknown_model_have_their_messages() -> None:
    for voice in ("nobody", "Cherry"):
        with pytest.raises(VoiceRefused) as caught:
            speech(voice=voice)
        assert caught.value.message == "[cosyvoice:]Engine return error code: 418"
        assert voice in caught.value.reason
    with pytest.raises(TaskModelUnknown) as unknown:
        speech("cosyvoice-v3-flsh")
    assert unknown.value.message == "Model not exist."
    assert "cosyvoice-v3-flash" in unknown.value.reason
    assert nothing_to_speak(speech("sambert-zhichu-v1")).message == "[tts:]Engine return error code: 418"
    newer = next(model.name for model in CATALOG.models if model.name.startswith("qwen-audio"))
    with pytest.raises(VoiceRefused, match=r"Engine error \[411\]"):
        speech(newer, voice="nobody")


def spoken(parts: list[Part]) -> list[str | float]:
    """Texts, joined, and the length of pauses."""
    made: list[str | float] = []
    for part in parts:
        if isinstance(part, Pause):
            made.append(part.duration_ms)
        elif isinstance(part, Passage):
            if made and isinstance(made[-1], str):
                made[-1] += part.text.text
            else:
                made.append(part.text.text)
    return made


TEXT = 'Ab <break time="1.5s"/>cd [pause:200ms]<break/> if a < b [x] ef'
WANTED = ["Ab ", 1500.0, "cd ", 200.0, 1000.0, " if a < b [x] ef"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    "fixes", [HotFix(), HotFix(replace=(("ef", "gh"), ("Ab", "Ab")))], ids=["as is", "replaced"]
)
def test_places_are_those_in_the_text_as_sent_however_it_comes(size: int, fixes: HotFix) -> None:
    preparation = Preparation(TaskParameters(hot_fix=fixes), inline_pauses=True)
    parts: list[Part] = []
    for start in range(0, len(TEXT), size):
        parts += preparation.push(TEXT[start : start + size])
    parts += preparation.flush()
    wanted = [
        each.replace("ef", "gh") if fixes.replace and isinstance(each, str) else each for each in WANTED
    ]
    assert spoken(parts) == wanted
    for part in parts:
        if isinstance(part, Passage):
            ranges = itertools.pairwise([*part.text.starts, part.text.ends[-1]])
            assert all(start <= end for start, end in ranges)
            sent = "".join(TEXT[place] for place in dict.fromkeys(part.text.starts))
            assert sent == part.text.text.replace("gh", "e" if fixes.replace else "gh")
    billed = sum(len(each) for each in WANTED if isinstance(each, str))
    assert len(preparation.text) == preparation.billed == preparation.billed_in(0, len(TEXT)) == billed
    assert preparation.sent(0, 2) == "Ab"
    preparation.forget(3)
    preparation.forget(2)
    assert preparation.sent(3, 5) == TEXT[3:5]


def test_without_the_setting_tags_are_text() -> None:
    preparation = Preparation(TaskParameters(), inline_pauses=False)
    assert spoken(preparation.push(TEXT)) == [TEXT]
    assert preparation.push("") == []
    assert preparation.has_text
    assert not Preparation(TaskParameters(), inline_pauses=False).has_text


DOCUMENT = '<speak rate="1.2">Hi, <sub alias="doctor">Dr.</sub> Oh.<break time="1s"/> Bye.</speak>'


def test_ssml_is_read_where_it_may_be_and_its_tags_are_not_billed() -> None:
    preparation = Preparation(TaskParameters(enable_ssml=True), inline_pauses=True)
    parts = preparation.push(DOCUMENT)
    assert [part.duration_ms for part in parts if isinstance(part, Pause)] == [1000.0]
    said = "".join(part.text.text for part in parts if isinstance(part, Passage))
    assert "doctor" in said
    assert preparation.billed == len(said) == preparation.billed_in(0, len(DOCUMENT))
    assert preparation.text == said
    assert preparation.spoken(DOCUMENT.index("<sub")) == said[:4]
    assert preparation.billed_in(0, DOCUMENT.index("<sub")) == 4
    assert preparation.sent(*preparation.places.sent(4, 10)) == "Dr."
    assert preparation.flush() == []
    plain = Preparation(TaskParameters(enable_ssml=True), inline_pauses=False)
    assert spoken(plain.push("if a < b")) == ["if a < b"]
    assert plain.spoken(2) == "if"
    assert plain.billed_in(0, 2) == 2
    unread = Preparation(TaskParameters(), inline_pauses=False)
    assert spoken(unread.push(DOCUMENT)) == [DOCUMENT]


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ("<speak>Hi</wrong>", InvalidMarkup),
        ('<speak voice="nobody">Hi</speak>', VoiceRefused),
        ('<speak effect="choir">Hi</speak>', InvalidValue),
        ('<speak effect="lpfilter" effectValue="40000">Hi</speak>', InvalidValue),
    ],
)
def test_what_ssml_asks_for_in_vain_is_refused(document: str, error: type[InvalidRequest]) -> None:
    with pytest.raises(error):
        preparation = Preparation(TaskParameters(enable_ssml=True), inline_pauses=False)
        check_parts(CATALOG, speech(), preparation.push(document))
    check_parts(CATALOG, speech(), parse('<speak voice="longanhuan" effect="echo">Hi<break/></speak>'))


def test_recordings_are_named_once() -> None:
    sound = '<soundEvent src="http://a.example/b.wav"/>'
    document = f'<speak bgm="http://a.example/m.mp3">Hi{sound}ho<break/>{sound}</speak><speak>Bye</speak>'
    assert urls_of(parse(document)) == ["http://a.example/m.mp3", "http://a.example/b.wav"]


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("fixes", [HotFix(), HotFix(replace=(("今天", "金天"),))], ids=["as is", "replaced"])
def test_signs_of_markdown_are_left_out(size: int, fixes: HotFix) -> None:
    text = "## 标题\n**今**天<break time='1s'/>很[好](http://a.b)。"
    preparation = Preparation(TaskParameters(hot_fix=fixes, enable_markdown_filter=True), inline_pauses=True)
    parts: list[Part] = []
    for start in range(0, len(text), size):
        parts += preparation.push(text[start : start + size])
    parts += preparation.flush()
    assert spoken(parts) == ["标题\n金天" if fixes.replace else "标题\n今天", 1000.0, "很好。"]
    last = parts[-1]
    assert isinstance(last, Passage)
    assert text[last.text.starts[-1] : last.text.ends[-1]] == "。"
