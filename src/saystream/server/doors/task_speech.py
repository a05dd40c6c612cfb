"""From the parameters and the text of a task to speech; the HTTP door of the same models uses it as well."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from saystream.audio import AudioFormat, Effects
from saystream.dsp.voice_effects import check_effect
from saystream.errors import InvalidValue, ModelNotFound, TaskModelUnknown, VoiceRefused
from saystream.languages import AUTO, LANGUAGE_NAMES
from saystream.speech.events import SpeechConfig
from saystream.text.counting import billed_characters
from saystream.text.inline_pauses import InlinePauses, without_pauses
from saystream.text.markdown import MarkdownFilter
from saystream.text.replacing import Replacer, read_entries
from saystream.text.rewriting import Rewritten
from saystream.text.script import Part, Passage, Pause, Places, Sound
from saystream.text.ssml import is_ssml, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saystream.catalog import Catalog, Model
    from saystream.protocol.task.parameters import TaskParameters
    from saystream.server.access.auth import Principal
    from saystream.server.doors.base import Services
    from saystream.voices.custom.voice import OwnVoice

__all__ = [
    "Preparation",
    "TaskSpeech",
    "check_parts",
    "nothing_to_speak",
    "own_voice_of",
    "speech_of",
    "urls_of",
]

_MAX_INSTRUCTION_CHARACTERS: Final = 128
"""Of the official SDK. The interface's documents allow 100, and count a Han character as two: what they allow is always
within this."""

_OPUS_BIT_RATE_KBPS: Final = 32
"""Of the documents; other formats have the default of every door."""

_TAG_BEGINS: Final = re.compile(r"[<\[]?[^<\[]*")


@dataclass(frozen=True, slots=True)
class TaskSpeech:
    """What speaks a task, and how."""

    model: Model
    config: SpeechConfig
    parameters: TaskParameters

    @property
    def is_sambert(self) -> bool:
        """Whether the model takes its text whole, and names its voice."""
        return self.model.task == "out"


async def own_voice_of(
    services: Services, principal: Principal, model: str, parameters: TaskParameters
) -> OwnVoice | None:
    """The cloned or designed voice that a task of ``model`` asks for; ``None`` if it asks for none.

    Raises VoiceRefused if the model does not take it, and StoreUnavailable.
    """
    try:
        entry = services.catalog.model(model, door="inference")
    except ModelNotFound:
        return None  # ``speech_of`` says so
    if entry.task == "out":
        return None
    try:
        return await services.own_voices.resolve(principal.owner, entry.name, parameters.voice)
    except InvalidValue as error:
        raise _refused(entry, error.message) from None


def speech_of(
    catalog: Catalog,
    model: str,
    parameters: TaskParameters,
    *,
    prefix: str,
    own_voice: OwnVoice | None = None,
) -> TaskSpeech:
    """What speaks a task of ``model``; ``prefix`` is where its parameters stand, such as ``payload.parameters.``, and
    ``own_voice`` is what ``own_voice_of`` gives for it.

    What a model does not take but this server can do all the same is done: replaced words, a seed, a bit rate. Raises
    TaskModelUnknown, VoiceRefused, and InvalidValue for a format, sample rate, instruction or ``hot_fix`` that cannot
    be.
    """
    try:
        entry = catalog.model(model, door="inference")
    except ModelNotFound as error:
        raise TaskModelUnknown(reason=error.message) from None
    read_entries(_as_sent(parameters), f"{prefix}hot_fix")
    characters = len(parameters.instruction)
    if characters > _MAX_INSTRUCTION_CHARACTERS:
        allowed = f"at most {_MAX_INSTRUCTION_CHARACTERS} characters"
        raise InvalidValue(f"{prefix}instruction", f"{characters} characters", allowed)
    hint = parameters.language_hints[0] if parameters.language_hints else ""
    config = SpeechConfig(
        voice=parameters.voice if own_voice is not None else _voice(catalog, entry, parameters.voice),
        language_type=LANGUAGE_NAMES.get(hint, AUTO),
        further_language="" if hint in LANGUAGE_NAMES else hint,
        audio_format=_audio_format(entry, parameters, prefix),
        effects=Effects(parameters.rate, parameters.pitch, parameters.volume),
        instructions=parameters.instruction,
        marks=parameters.word_timestamp_enabled,
        phonemes=_wants_phonemes(entry, parameters),
        seed=parameters.seed or None,  # 0, the default, asks for nothing
        one_response=True,
        own_voice=own_voice,
    )
    return TaskSpeech(entry, config, parameters)


def _wants_phonemes(model: Model, parameters: TaskParameters) -> bool:
    """Only with the times of words, and only Sambert tells of them."""
    wanted = parameters.word_timestamp_enabled and parameters.phoneme_timestamp_enabled
    return wanted and model.task == "out"


def nothing_to_speak(speech: TaskSpeech) -> VoiceRefused:
    """The refusal of a text that holds nothing to speak."""
    return _refused(speech.model, "the text holds nothing to speak")


def _voice(catalog: Catalog, model: Model, voice: str) -> str:
    if model.task == "out":
        return catalog.default_voice(model.name)
    try:
        catalog.check_voice(model.name, voice or catalog.default_voice(model.name))
    except InvalidValue as error:
        raise _refused(model, error.message) from None
    return voice or catalog.default_voice(model.name)


def _refused(model: Model, reason: str) -> VoiceRefused:
    if model.name.startswith("qwen-audio"):
        message = "[cosyvoice:]Engine error [411]: TTS speak operation failed"
    else:
        message = f"[{'tts' if model.task == 'out' else 'cosyvoice'}:]Engine return error code: 418"
    return VoiceRefused(message, reason=reason)


def _audio_format(model: Model, parameters: TaskParameters, prefix: str) -> AudioFormat:
    container = parameters.format or model.default_format
    if container not in model.response_formats:
        reason = f"{model.name} does not take it."
        raise InvalidValue(f"{prefix}format", container, model.response_formats, reason=reason)
    sample_rate = parameters.sample_rate or model.default_sample_rate
    if sample_rate not in model.sample_rates:
        reason = f"{model.name} does not take it."
        raise InvalidValue(f"{prefix}sample_rate", sample_rate, model.sample_rates, reason=reason)
    bit_rate = parameters.bit_rate
    if bit_rate is None:
        bit_rate = _OPUS_BIT_RATE_KBPS if container == "opus" else AudioFormat().bit_rate_kbps
    return AudioFormat(container, sample_rate, bit_rate)


def _as_sent(parameters: TaskParameters) -> object:
    return parameters.changes().get("hot_fix")


def check_parts(catalog: Catalog, speech: TaskSpeech, parts: Iterable[Part]) -> None:
    """Check what SSML asks for. Raises VoiceRefused for a voice that the model does not take, and InvalidValue for an
    effect that there is not."""
    sample_rate = speech.config.audio_format.sample_rate
    for part in parts:
        if not isinstance(part, Passage):
            continue
        own_voice = speech.config.own_voice
        is_own = own_voice is not None and part.manner.voice == own_voice.name
        if part.manner.voice and not is_own and speech.model.task != "out":
            _voice(catalog, speech.model, part.manner.voice)
        if part.manner.effect:
            check_effect(part.manner.effect, part.manner.effect_values, sample_rate)


def urls_of(parts: Iterable[Part]) -> list[str]:
    """The recordings and the music that ``parts`` name, each once."""
    urls: dict[str, None] = {}
    for part in parts:
        if isinstance(part, Sound):
            urls[part.url] = None
        elif isinstance(part, Passage) and part.manner.background is not None:
            urls[part.manner.background.url] = None
    return [*urls]


class Preparation:
    """The text of one task as it comes, made into parts that a session speaks. It knows what of the text as it was sent
    each part of the spoken text is, and what it is billed for."""

    def __init__(self, parameters: TaskParameters, *, inline_pauses: bool) -> None:
        entries = read_entries(_as_sent(parameters))
        self._may_be_ssml = parameters.may_be_ssml
        hint = next(iter(parameters.language_hints), "")
        self._language = hint if hint in LANGUAGE_NAMES else ""
        self._markup: _Markup | None = None
        """Of a text that is SSML."""
        self.places = Places()
        self.has_text = False
        """Something came that is not blank."""
        self.billed = 0
        """Characters that are billed for all that came."""
        self._markdown = MarkdownFilter() if parameters.enable_markdown_filter else None
        self._replacer = Replacer(entries) if entries else None
        self._pauses = InlinePauses() if inline_pauses else None
        self._pieces: list[str] = []
        """All text as it was sent."""
        self._unjoined: list[str] = []
        """Those that are not in…"""
        self._sent = ""
        """…the text as it was sent, without what ``forget`` has dropped."""
        self._dropped = 0
        self._taken = 0
        """How much of the text is in parts, or held by the replacer."""
        self._tags = 0
        """How much of that were tags of pauses."""

    def push(self, text: str) -> list[Part]:
        """What ``text`` makes certain. Raises InvalidMarkup for SSML that cannot be read."""
        if self._may_be_ssml and text and not self._pieces and is_ssml(text):
            return self._marked_up(text)
        self._pieces.append(text)
        self._unjoined.append(text)
        self.billed += billed_characters(text)
        self.has_text = self.has_text or not text.isspace()
        if self._pauses is None:
            return self._passages(text)
        parts: list[Part] = []
        for piece in _TAG_BEGINS.findall(text):
            parts += self._with_pauses(self._pauses, piece)
        return parts

    def flush(self) -> list[Part]:
        """What was held back: all that came is to be spoken now."""
        parts: list[Part] = []
        if self._pauses is not None:
            parts += self._passages(self._pauses.flush())
        return [*parts, *self._held()]

    def _marked_up(self, document: str) -> list[Part]:
        parts = list(parse(document, language=self._language))
        passages = [part for part in parts if isinstance(part, Passage)]
        for passage in passages:
            self.places.add(passage)
        self._markup = _Markup(passages)
        self._pieces.append(document)
        self._unjoined.append(document)
        self.billed = self._markup.billed(0, len(document))
        self.has_text = True
        return parts

    def spoken(self, end: int) -> str:
        """What is billed of the text up to ``end``, as it was sent: all but tags."""
        if self._markup is not None:
            return self._markup.text(end)
        return self._without_tags("".join(self._pieces)[:end])

    @property
    def text(self) -> str:
        """What is billed of all text."""
        return self.spoken(sum(map(len, self._pieces)))

    def billed_in(self, start: int, end: int) -> int:
        """Characters that are billed for that part of the text as it was sent."""
        if self._markup is not None:
            return self._markup.billed(start, end)
        return billed_characters(self._without_tags(self.sent(start, end)))

    def _without_tags(self, text: str) -> str:
        return text if self._pauses is None else without_pauses(text)

    def sent(self, start: int, end: int) -> str:
        """That part of the text as it was sent; what was forgotten is missing."""
        if self._unjoined:
            self._sent += "".join(self._unjoined)
            self._unjoined.clear()
        return self._sent[max(0, start - self._dropped) : max(0, end - self._dropped)]

    def forget(self, before: int) -> None:
        """What was sent before that place is not asked for any more."""
        if before > self._dropped:
            self.sent(0, 0)
            self._sent = self._sent[before - self._dropped :]
            self._dropped = before

    def _with_pauses(self, pauses: InlinePauses, piece: str) -> list[Part]:
        """``piece`` begins no more than one tag, so between the texts of its parts there is no more than one."""
        parts: list[Part] = []
        end = self._taken + len(pauses.held) + len(piece)
        found = pauses.push(piece)
        end -= len(pauses.held)
        for number, part in enumerate(found):
            if isinstance(part, Pause):
                parts += [*self._held(), part]
                tag = (
                    end
                    - self._taken
                    - sum(len(text) for text in found[number + 1 :] if isinstance(text, str))
                )
                self._taken += tag
                self._tags += tag
                self.billed -= tag  # which has no Han characters
            else:
                parts += self._passages(part)
        return parts

    def _passages(self, text: str) -> list[Part]:
        if not text:
            return []
        start = self._taken
        self._taken += len(text)
        if self._markdown is not None:
            return self._filtered(self._markdown.push(text))
        if self._replacer is not None:
            return self._kept(self._replacer.push(text), self._tags)
        end = start + len(text)
        return self._kept(Passage(Rewritten(text, range(start, end), range(start + 1, end + 1))), 0)

    def _filtered(self, text: Rewritten) -> list[Part]:
        """``text`` has no signs of Markdown any more; its places do not count the tags of pauses."""
        passage = Passage(text) if self._replacer is None else self._replacer.push(text)
        return self._kept(passage, self._tags)

    def _held(self) -> list[Part]:
        parts = [] if self._markdown is None else self._filtered(self._markdown.finish())
        return parts if self._replacer is None else [*parts, *self._kept(self._replacer.finish(), self._tags)]

    def _kept(self, passage: Passage, shift: int) -> list[Part]:
        if not passage.text.text:
            return []
        if shift:
            passage = Passage(passage.text.shifted(shift), passage.pronunciations, passage.manner)
        self.places.add(passage)
        return [passage]


class _Markup:
    """What a document of SSML says, by its places in the document."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._text = "".join(passage.text.text for passage in passages)
        self._starts = [start for passage in passages for start in passage.text.starts]
        self._billed = [0, *accumulate(map(billed_characters, self._text))]

    def text(self, end: int) -> str:
        return self._text[: bisect_left(self._starts, end)]

    def billed(self, start: int, end: int) -> int:
        return self._billed[bisect_left(self._starts, end)] - self._billed[bisect_left(self._starts, start)]
