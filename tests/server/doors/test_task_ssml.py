"""Every element of SSML at the task door, measured in what its client hears."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from saystream.protocol.task.events import SentenceEnd, SentenceSynthesis, TaskFinished
from server.live import Live, live_server

from .task_peer import SAMBERT, VOICE, Heard, audio_of, sentences_of, task_peer

pytestmark = pytest.mark.asyncio(loop_scope="module")

RATE = 16000
TEXT = "Hello there, my friend, how are you today"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def voiced(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """A server with a voice: what filters do cannot be heard on one tone."""
    async with live_server(tmp_path_factory.mktemp("server"), engine="hibari") as live:
        yield live


async def spoken(server: Live, document: str, **parameters: Any) -> list[Heard]:
    async with task_peer(server) as peer:
        await peer.begin(enable_ssml=True, **parameters)
        await peer.say(document)
        await peer.finish()
        return await peer.until_end()


async def samples_of(server: Live, document: str, **parameters: Any) -> np.ndarray:
    heard = await spoken(server, document, **parameters)
    return np.frombuffer(audio_of(heard), "<i2") / 32768


async def words_of(server: Live, document: str) -> list[str]:
    heard = await spoken(server, document, word_timestamp_enabled=True)
    return [word.text for event in heard if isinstance(event, SentenceEnd) for word in event.words]


def longest_silence_ms(samples: np.ndarray) -> float:
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    return float(np.diff(loud).max()) * 1000 / RATE


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def spectrum(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies, and the power at each."""
    return np.fft.rfftfreq(len(samples), 1 / RATE), np.abs(np.fft.rfft(samples)) ** 2


def change_db(before: np.ndarray, after: np.ndarray, low_hz: float, high_hz: float) -> float:
    """How much louder a band is."""
    levels = []
    for samples in (before, after):
        frequencies, power = spectrum(samples)
        levels.append(power[(frequencies >= low_hz) & (frequencies < high_hz)].sum() / RATE**2 + 1e-12)
    return float(10 * np.log10(levels[1] / levels[0]))


def main_hz(samples: np.ndarray) -> float:
    frequencies, power = spectrum(samples)
    return float(frequencies[power.argmax()])


# --- pauses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("breaks", "duration_ms"),
    [
        ("<break time='300ms'/>", 300),
        ("<break time='0.7s'/>", 700),
        ("<break/>", 1000),
        ("<break time='400ms'/> <break time='500ms'/>", 900),
    ],
)
async def test_a_break_is_as_long_as_it_says(server: Live, breaks: str, duration_ms: float) -> None:
    samples = await samples_of(server, f"<speak>One{breaks}two</speak>")
    assert longest_silence_ms(samples) == pytest.approx(duration_ms, abs=20)


async def test_a_break_in_a_voice_is_as_long_as_it_says(voiced: Live) -> None:
    short, long = [
        await samples_of(voiced, f"<speak>One,<break time='{time}'/>two</speak>") for time in ("500ms", "10s")
    ]
    assert (len(long) - len(short)) * 1000 / RATE == pytest.approx(9500, abs=20)
    assert longest_silence_ms(short) >= 500


async def test_tags_are_not_billed_and_words_have_their_places(server: Live) -> None:
    document = "<speak>One.<break time='700ms'/>Two.</speak>"
    heard = await spoken(server, document, word_timestamp_enabled=True)
    finished = heard[-1]
    assert isinstance(finished, TaskFinished)
    assert finished.characters == len("One.Two.")
    assert [event.characters for event in heard if isinstance(event, SentenceEnd)][-1] == len("One.Two.")
    words = [word.text for event in heard if isinstance(event, SentenceSynthesis) for word in event.words]
    assert words == ["One", "Two"]


# --- manners ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "ratio"), [("2", 0.5), ("0.5", 2.0)])
async def test_rate_changes_how_long_it_takes(server: Live, rate: str, ratio: float) -> None:
    plain = await samples_of(server, f"<speak>{TEXT}</speak>")
    made = await samples_of(server, f"<speak rate='{rate}'>{TEXT}</speak>")
    assert len(made) / len(plain) == pytest.approx(ratio, rel=0.1)
    own = await samples_of(server, f"<speak rate='{rate}'>{TEXT}</speak>", rate=1.3)
    assert len(own) == len(made)


@pytest.mark.parametrize("pitch", [0.5, 2.0])
async def test_pitch_changes_how_high_it_is(server: Live, pitch: float) -> None:
    made = await samples_of(server, f"<speak pitch='{pitch}'>{TEXT}</speak>", pitch=1.2)
    assert main_hz(made) == pytest.approx(220 * pitch, rel=0.03)


async def test_volume_changes_how_loud_it_is(server: Live) -> None:
    levels = [
        rms(await samples_of(server, f"<speak volume='{volume}'>{TEXT}</speak>")) for volume in (5, 50, 90)
    ]
    assert levels[0] < 0.8 * levels[1] < 0.8 * 0.8 * levels[2]
    silent = await samples_of(server, f"<speak volume='0'>{TEXT}</speak>", volume=80)
    assert rms(silent) == 0


async def test_each_speak_has_its_own_manner(server: Live) -> None:
    heard = await spoken(
        server, f"<speak pitch='2'>One two three.</speak><speak voice='{VOICE}' rate='0.5'>Four.</speak>"
    )
    assert len(sentences_of(heard)) == 2
    samples = np.frombuffer(audio_of(heard), "<i2") / 32768
    assert main_hz(samples[: RATE // 2]) == pytest.approx(440, rel=0.03)
    assert main_hz(samples[-RATE // 2 :]) == pytest.approx(220, rel=0.03)


# --- effects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effect", "low_hz", "high_hz", "least_db", "most_db"),
    [
        ("effect='lowpass'", 4000, 8000, -99, -20),
        ("effect='lowpass'", 100, 700, -3, 3),
        ("effect='lpfilter' effectValue='1000'", 3000, 8000, -99, -20),
        ("effect='hpfilter' effectValue='2000'", 80, 700, -99, -20),
        ("effect='hpfilter' effectValue='2000'", 4000, 8000, -4, 4),
        ("effect='eq' effectValue='0 0 0 0 0 0 -20 0'", 3500, 4500, -25, -12),
        ("effect='eq' effectValue='0 0 0 0 0 0 -20 0'", 100, 700, -3, 3),
    ],
)
async def test_a_filter_changes_the_band_that_it_names(
    voiced: Live, effect: str, low_hz: float, high_hz: float, least_db: float, most_db: float
) -> None:
    plain = await samples_of(voiced, f"<speak>{TEXT}</speak>")
    made = await samples_of(voiced, f"<speak {effect}>{TEXT}</speak>")
    assert least_db <= change_db(plain, made, low_hz, high_hz) <= most_db
    assert len(made) == pytest.approx(len(plain), rel=0.02)


async def test_lolita_is_higher(server: Live) -> None:
    assert main_hz(await samples_of(server, f"<speak effect='lolita'>{TEXT}</speak>")) == pytest.approx(
        1.4 * 220, rel=0.03
    )


async def test_an_echo_comes_after_the_voice(server: Live) -> None:
    plain = await samples_of(server, f"<speak>{TEXT}<break time='1s'/>a</speak>")
    made = await samples_of(server, f"<speak effect='echo'>{TEXT}<break time='1s'/>a</speak>")
    silent = longest_silence_ms(plain)
    assert longest_silence_ms(made) == pytest.approx(silent - 260, abs=40)


async def test_a_robot_speaks_on_one_note(voiced: Live) -> None:
    made = await samples_of(voiced, f"<speak effect='robot'>{TEXT}</speak>")
    plain = await samples_of(voiced, f"<speak>{TEXT}</speak>")

    def regularity(samples: np.ndarray) -> float:
        """How much of the power is in the strongest one in a hundred frequencies."""
        _, power = spectrum(samples)
        return float(np.sort(power)[-len(power) // 100 :].sum() / power.sum())

    assert regularity(made) > 1.2 * regularity(plain)
    assert len(made) == pytest.approx(len(plain), rel=0.05)


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ("effect='choir'", ("effect", "'choir'", "'robot'")),
        ("effect='eq' effectValue='1 2'", ("effectValue", "2 numbers", "8 numbers")),
        ("effect='eq' effectValue='0 0 0 0 0 0 0 21'", ("effectValue", "20")),
        ("effect='lpfilter' effectValue='8001'", ("effectValue", "8000")),
        ("effect='hpfilter'", ("effectValue", "one frequency")),
        ("effect='echo' effectValue='1'", ("effectValue", "echo")),
    ],
)
async def test_an_effect_that_cannot_be_is_refused_before_anything_is_spoken(
    server: Live, attributes: str, named: tuple[str, ...]
) -> None:
    async with task_peer(server) as peer:
        await peer.begin(enable_ssml=True)
        await peer.say(f"<speak>One.</speak><speak {attributes}>Two.</speak>")
        heard, code, _ = await peer.until_closed()
    (failed,) = heard
    assert code == 1000
    assert getattr(failed, "error_code", "") == "InvalidParameter"
    assert all(word in getattr(failed, "error_message", "") for word in named), failed


# --- what is said ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        ("<sub alias='World Wide Web Consortium'>W3C</sub> it is", "World Wide Web Consortium it is"),
        ("<say-as interpret-as='digits'>2025</say-as> it is", "two zero two five it is"),
        (
            "<say-as interpret-as='cardinal'>12,345</say-as> of them",
            "twelve thousand three hundred forty-five of them",
        ),
        ("<say-as interpret-as='telephone'>911</say-as> it is", "nine one one it is"),
        ("<say-as interpret-as='characters'>abc</say-as> it is", "A B C it is"),
        ("a<say-as interpret-as='punctuation'>,</say-as>b", "acommab"),
        ("<say-as interpret-as='name'>Ann Smith</say-as>", "Ann Smith"),
        ("<emphasis level='strong'>very</emphasis> <w role='x'>good</w><mark name='m'/>", "very good"),
        ("<p>so</p><s>it is</s>", "so\nit is\n"),
    ],
)
async def test_an_element_is_spoken_as_long_as_what_it_stands_for(
    server: Live, marked: str, said: str
) -> None:
    made = await samples_of(server, f"<speak>{marked}</speak>")
    meant = await samples_of(server, said)
    assert len(made) == pytest.approx(len(meant), abs=RATE // 10)


async def test_what_stands_for_something_else_is_told_as_it_was_sent(server: Live) -> None:
    document = "<speak>It is <sub alias='doctor'>Dr.</sub> Who</speak>"
    words = await words_of(server, document)
    assert words == ["It", "is", "Dr.", "Who"]


async def test_a_phoneme_is_heard(voiced: Live) -> None:
    async def heard(text: str) -> np.ndarray:
        return await samples_of(voiced, f"<speak>{text}</speak>")

    plain = await heard("wind")
    other = await heard("<phoneme alphabet='cmu' ph='W AY1 N D'>wind</phoneme>")
    respelt = await heard("<phoneme alphabet='ipa' ph='waɪnd'>wind</phoneme>")
    assert not np.array_equal(plain, other)
    assert not np.array_equal(plain, respelt)
    same = await heard("<phoneme alphabet='cmu' ph='W IH1 N D'>wind</phoneme>")
    assert len(same) == pytest.approx(len(plain), abs=RATE // 5)


async def test_what_is_no_ssml_is_plain_text(server: Live) -> None:
    heard = await spoken(server, "if a < b, say so.")
    assert sentences_of(heard) == ["if a < b, say so."]


async def test_sambert_takes_ssml_too(server: Live) -> None:
    async with task_peer(server) as peer:
        await peer.begin(
            model=SAMBERT, streaming="out", text_type="SSML", text="<speak>One.<break/>Two.</speak>"
        )
        heard = await peer.until_end()
    samples = np.frombuffer(audio_of(heard), "<i2") / 32768
    assert longest_silence_ms(samples) == pytest.approx(1000, abs=20)


@pytest.mark.parametrize(
    ("document", "hint"),
    [
        ("<speak>\na<break time='20s'/></speak>", "SSML, line 2, <break>: "),
        ("<speak><soundEvent src='file:///etc/passwd'/></speak>", "http or https"),
        ("<speak voice='nobody'>a</speak>", "418"),
        ("<speak>a<prosody rate='2'>b</prosody></speak>", "<prosody>"),
    ],
)
async def test_what_cannot_be_spoken_so_fails(server: Live, document: str, hint: str) -> None:
    async with task_peer(server) as peer:
        await peer.begin(enable_ssml=True)
        await peer.say(document)
        code, message = await peer.failure()
    assert code == "InvalidParameter"
    assert hint in message
