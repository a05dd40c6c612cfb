"""Plain text with markup in it, from what is pushed to what is spoken."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from client.virtual_time import on_virtual_time
from saystream.audio import AudioFormat
from saystream.config import Settings
from saystream.parameters import Markup
from saystream.speech.events import ResponseEnded, SpeechConfig
from saystream.speech.session import SynthesisSession
from saystream.speech.synthesizer import Synthesizer
from saystream.text.rewriting import Rewritten
from saystream.text.script import Passage
from speech.test_marks import Heard, ToneHere, heard_in, synthesizer_with

WRITTEN = "# Title\n\nThis is **very** <b>new</b>, see [[Kitchen Plan]] 😀. Then ~winks~ goes."
WORDS = ["Title", "This", "is", "very", "new", "see", "Kitchen", "Plan", "Then", "winks", "goes"]
RATE = 24000


def session_of(
    *, server_commit: bool, markup: Markup = "auto", settings: Settings | None = None
) -> SynthesisSession:
    synthesizer = synthesizer_with(ToneHere())
    if settings is not None:
        synthesizer = Synthesizer(settings, hosting=synthesizer.hosting, casting=synthesizer.casting)
    config = SpeechConfig(
        "Cherry",
        audio_format=AudioFormat("pcm", RATE),
        server_commit=server_commit,
        marks=True,
        markup=markup,
    )
    return synthesizer.session(config)


async def said(session: SynthesisSession, pieces: Iterable[str | Passage]) -> list[Heard]:
    for piece in pieces:
        session.push(piece)
    session.finish()
    return await heard_in(session, RATE)


@pytest.mark.parametrize("pieces", [[WRITTEN], [*WRITTEN]], ids=["whole", "letter by letter"])
@pytest.mark.parametrize("server_commit", [True, False])
async def test_words_are_spoken_and_signs_are_not(pieces: list[str], server_commit: bool) -> None:
    (heard,) = await said(session_of(server_commit=server_commit), pieces)
    assert heard.text == "Title\n\nThis is very new, see Kitchen Plan . Then winks goes."


@pytest.mark.parametrize("server_commit", [True, False])
async def test_marks_have_their_places_in_the_text_as_it_was_pushed(server_commit: bool) -> None:
    (heard,) = await said(session_of(server_commit=server_commit), [WRITTEN[:30], WRITTEN[30:]])
    assert [WRITTEN[mark.start : mark.end].strip("[]") for mark in heard.marks] == WORDS


async def test_a_request_or_the_settings_may_say_that_signs_are_read() -> None:
    (by_request,) = await said(session_of(server_commit=False, markup="read"), [WRITTEN])
    reading = Settings(markup="read")
    (by_setting,) = await said(session_of(server_commit=True, settings=reading), [WRITTEN])
    (by_both,) = await said(session_of(server_commit=True, markup="strip", settings=reading), [WRITTEN])
    assert by_request.text == by_setting.text == WRITTEN
    assert by_both.text.startswith("Title\n")


async def test_a_passage_is_spoken_as_it_is() -> None:
    (heard,) = await said(session_of(server_commit=False), [Passage(Rewritten.of("a *b* c"))])
    assert heard.text == "a *b* c"


@pytest.mark.parametrize("server_commit", [True, False])
async def test_tags_alone_get_a_response_without_sound(server_commit: bool) -> None:
    (heard,) = await said(session_of(server_commit=server_commit), ["<b>", "</b> 😀"])
    assert not heard.text.strip() and not len(heard.samples)


@pytest.mark.parametrize("server_commit", [True, False])
async def test_signs_alone_are_no_response(server_commit: bool) -> None:
    assert await said(session_of(server_commit=server_commit), ["---\n😀 ", "**"]) == []


@on_virtual_time
async def test_what_may_become_markup_is_spoken_as_text_once_nothing_more_comes() -> None:
    session = session_of(server_commit=True)
    session.push("Press the button [here now")
    assert session.waiting_characters >= len("[here now")
    texts = []
    async for event in session.events():
        if isinstance(event, ResponseEnded):
            texts.append(event.text)
            session.finish()
    assert texts == ["Press the button [here now"]


async def test_a_cleared_beginning_of_markup_is_forgotten() -> None:
    session = session_of(server_commit=True)
    session.push("[Not this")
    session.clear()
    (heard,) = await said(session, ["but this."])
    assert heard.text == "but this."


async def test_a_flush_speaks_what_was_held_back() -> None:
    session = session_of(server_commit=True)
    session.push("One [two")
    session.flush()
    (heard,) = await said(session, [" three](x)."])
    assert heard.text == "One [two three](x)."
