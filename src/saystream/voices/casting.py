"""Chooses the engine for a language and turns a voice, of the system or of one's own, into a request to that engine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saystream.catalog import Catalog
from saystream.engines.base import EngineInfo, SynthesisRequest
from saystream.errors import EngineUnavailable
from saystream.languages import LANGUAGE_CODES, LANGUAGE_NAMES
from saystream.voices.custom.voice import OwnVoice, Rendition
from saystream.voices.recipes import Recipe, quality, recipe

__all__ = ["Casting", "Choice", "Role"]


@dataclass(frozen=True, slots=True)
class Role:
    """Who speaks, and how."""

    engine: str
    request: SynthesisRequest
    quality: str
    """Of this voice in this language: ``native``, ``approximate`` or ``robotic``."""

    @property
    def made_from(self) -> str:
        """The engine's voice and what is changed in it, such as ``heart, pitch 0.7, formant 0.88``."""
        ratios = {ratio: getattr(self.request, ratio) for ratio in ("speed", "pitch", "formant")}
        changes = (f"{ratio} {value:g}" for ratio, value in ratios.items() if value != 1.0)
        return ", ".join((self.request.voice, *changes))


@dataclass(frozen=True, slots=True)
class Choice:
    """Which engine speaks a language."""

    language_type: str
    """The language as a session names it, such as ``Chinese``."""
    language: str
    """ISO 639-1 code."""
    engine: str | None
    """``None`` if no engine speaks it."""
    quality: str | None
    """Of that engine's speech; a voice may be worse, see ``Role.quality``."""
    native_voices: int = 0
    """System voices of which the engine has a speaker of this kind, and that are ``native`` in the language."""
    reason: str = ""
    """Why it is this engine, and none that comes earlier in the order."""
    advice: str = ""
    """The command that would give the language an engine that the settings prefer; "" if that one already speaks."""


class Casting:
    """For each language, the first engine of an order that speaks it; a fixed engine is an order of one.

    An engine that only approximates a language, or that is too slow here, gives way to a later one that is native in it
    and fast enough.
    """

    def __init__(
        self,
        order: Sequence[str],
        engines: Mapping[str, EngineInfo],
        faults: Mapping[str, EngineUnavailable] | None = None,
        *,
        catalog: Catalog,
        max_realtime_factor: float = math.inf,
    ) -> None:
        """``engines`` are those that can run here, ``faults`` say why others cannot; other names in ``order`` are
        skipped. The system voices are those of ``catalog``. An engine whose measured ``realtime_factor`` is above
        ``max_realtime_factor`` is too slow."""
        self._catalog = catalog
        self._homes = {
            voice.name: voice.language.partition("-")[0] or "zh"
            for voice in catalog.all_voices
            if voice.family != "qwen"
        }
        self._max_realtime_factor = max_realtime_factor
        self._faults = dict(faults or {})
        self._order = tuple(order)
        self._engines = dict(engines)
        self._eligible = [self._engines[name] for name in self._order if name in self._engines]

    def role(
        self,
        *,
        voice: str,
        language: str,
        spoke_before: str | None = None,
        own_voice: OwnVoice | None = None,
    ) -> Role:
        """How ``voice`` says something in ``language`` (ISO 639-1); with ``own_voice``, how that one does.

        The engine in ``spoke_before`` continues if it is fast enough and as good as the first of the order, because
        another one would sound like another person. Raises EngineUnavailable, with what would help, if no engine of the
        order speaks the language; InvalidValue if there is no such voice.
        """
        engine = self._speaker(language)
        if engine is None:
            raise EngineUnavailable(self._what_would_help(language))
        if own_voice is not None:
            return self._own_role(own_voice.renditions, language, spoke_before)
        entry = self._catalog.voice(voice)
        before = next((known for known in self._eligible if known.name == spoke_before), engine)
        if not self._is_slow(before) and _rank(quality(entry, language, before)) >= _rank(
            quality(entry, language, engine)
        ):
            engine = before
        how_good = quality(entry, language, engine)
        assert how_good is not None, "it was chosen because it speaks the language"
        return Role(engine.name, _request(recipe(entry, engine, language), language), how_good)

    def _own_role(self, renditions: Mapping[str, Rendition], language: str, spoke_before: str | None) -> Role:
        """With the engine that comes nearest to the speaker and is fast enough; else with the one for ``language``."""
        usual = self._speaker(language)
        assert usual is not None
        speakers = [engine for engine in self._eligible if engine.speaks(language)]

        def rank(engine: EngineInfo) -> tuple[bool, int, bool]:
            return (
                not self._is_slow(engine),
                _likeness(renditions.get(engine.name), engine, language),
                engine is usual,
            )

        engine = max(speakers, key=rank)
        before = next((known for known in speakers if known.name == spoke_before), engine)
        if rank(before)[:2] >= rank(engine)[:2] and _rank(before.quality(language)) >= _rank(
            engine.quality(language)
        ):
            engine = before
        how_good = engine.quality(language)
        assert how_good is not None
        made = renditions.get(engine.name, Rendition(Recipe(engine.voices[0])))
        return Role(engine.name, _request(made.recipe, language, made.material), how_good)

    def engines_for_own_voices(self, *, recorded: bool) -> tuple[str, ...]:
        """The engines that would speak an own voice in some language of a session if each had made of it what it can;
        ``recorded`` if there is a recording of its speaker."""
        made = {
            engine.name: Rendition(Recipe(engine.voices[0]), b"+" if recorded and engine.enrolls else b"")
            for engine in self._eligible
        }
        spoken = (language for language in LANGUAGE_NAMES if self._speaker(language) is not None)
        chosen = {self._own_role(made, language, None).engine for language in spoken}
        return tuple(engine.name for engine in self._eligible if engine.name in chosen)

    def home_language(self, voice: str, own_voice: OwnVoice | None = None) -> str | None:
        """The language (ISO 639-1) that a voice was made for, if a session can ask for it and an engine speaks it.
        ``None`` also for the voices of Qwen-TTS, which are at home in all their languages."""
        language = self._homes.get(voice) if own_voice is None else own_voice.language
        if language is None or language not in LANGUAGE_NAMES:
            return None
        return language if self._speaker(language) else None

    def is_settled(self, language: str) -> bool:
        """Whether the engine that now speaks ``language`` (ISO 639-1) gives way to no later one in the order."""
        speaker = self._speaker(language)
        return speaker is not None and not self._gives_way(speaker, language)

    def advice(self, language: str) -> str:
        """The command that would give ``language`` a better engine than the one that now speaks it; "" if none is
        known."""
        speaker = self._speaker(language)
        place = len(self._order) if speaker is None else self._order.index(speaker.name)
        gives_way = speaker is not None and not self.is_settled(language)
        offers = [
            fault
            for number, name in enumerate(self._order)
            if (fault := self._faults.get(name)) is not None and fault.remedy and language in fault.languages
            if number < place or (gives_way and fault.languages[language] != "approximate")
        ]
        best = min(offers, key=lambda fault: fault.languages[language] == "approximate", default=None)
        return "" if best is None else best.remedy

    def describe(self) -> tuple[Choice, ...]:
        """The choice for each of the ten languages of a session."""
        return tuple(self._choice(name, code) for name, code in LANGUAGE_CODES.items())

    def _choice(self, language_type: str, language: str) -> Choice:
        engine = self._speaker(language)
        advice = self.advice(language)
        if engine is None:
            return Choice(language_type, language, None, None, advice=advice)
        spoken = (voice for voice in self._catalog.system_voices if language_type in voice.languages)
        return Choice(
            language_type,
            language,
            engine.name,
            engine.quality(language),
            sum(quality(voice, language, engine) == "native" for voice in spoken),
            self._reason(language, engine),
            advice,
        )

    def _speaker(self, language: str) -> EngineInfo | None:
        speakers = [engine for engine in self._eligible if engine.speaks(language)]
        first = next(iter(speakers), None)
        if first is None or not self._gives_way(first, language):
            return first
        better = (
            engine
            for engine in speakers
            if engine.quality(language) == "native" and not self._is_slow(engine)
        )
        return next(better, first)

    def _gives_way(self, engine: EngineInfo, language: str) -> bool:
        return engine.quality(language) == "approximate" or self._is_slow(engine)

    def _is_slow(self, engine: EngineInfo) -> bool:
        factor = engine.alone_factor
        return factor is not None and factor > self._max_realtime_factor

    def _reason(self, language: str, speaker: EngineInfo) -> str:
        earlier = self._order[: self._order.index(speaker.name)]
        reasons = [why for name in earlier if (why := self._objection(name, language))]
        if not reasons and self._gives_way(speaker, language):
            objection = self._objection(speaker.name, language)
            return f"{objection}, but no engine here is both native in it and fast enough"
        return "; ".join(reasons) or "first in the order"

    def _objection(self, name: str, language: str) -> str:
        """What keeps an engine of the order from speaking ``language``; "" if it does not speak it anyway."""
        if name not in self._engines:
            fault = self._faults.get(name)
            return f"{name} cannot run" if fault is not None and language in fault.languages else ""
        engine = self._engines[name]
        if not engine.speaks(language):
            return ""
        if self._is_slow(engine):
            return f"{name} is too slow here: {engine.alone_factor:.2g} s for a second of sound"
        return f"{name} only approximates it"

    def _what_would_help(self, language: str) -> str:
        name = LANGUAGE_NAMES.get(language)
        spoken = f"{name} ({language})" if name else f"the language '{language}'"
        in_use = ", ".join(f"{engine.name} ({' '.join(engine.languages)})" for engine in self._eligible)
        problem = f"No engine in use speaks {spoken}; in use: {in_use or 'none'}."
        unused = [
            name
            for name, engine in self._engines.items()
            if name not in self._order and engine.speaks(language)
        ]
        missing = [name for name in self._order if name not in self._engines]
        advice = []
        if remedy := self.advice(language):
            advice.append(f"To get one: {remedy}.")
        if unused:
            advice.append(
                f"Installed and able to: {', '.join(unused)}; choose by the setting engine or engine_order."
            )
        if missing:
            advice.append(f"Named in the settings but not usable here: {', '.join(missing)}.")
        if not advice:
            advice.append("Install an engine that speaks it; `saystream engines` lists those installed.")
        return " ".join((problem, *advice))


def _rank(how_good: str | None) -> int:
    """The better, the higher."""
    return (None, "robotic", "approximate", "native").index(how_good)


def _likeness(rendition: Rendition | None, engine: EngineInfo, language: str) -> int:
    """How like its speaker an own voice is with ``engine``: the more, the higher."""
    if rendition is None:
        return -1
    if not rendition.material:
        return 0
    if engine.enrolls == "clone":
        return 2
    # Its voices speak a language that it has not learnt worse than another engine's, however like the speaker they are.
    return int(engine.quality(language) == "native")


def _request(ingredients: Recipe, language: str, material: bytes = b"") -> SynthesisRequest:
    return SynthesisRequest(
        voice=ingredients.base,
        language=language,
        speed=ingredients.speed,
        pitch=ingredients.pitch,
        formant=ingredients.formant,
        intonation=ingredients.intonation,
        loudness_db=ingredients.loudness_db,
        pauses=ingredients.pauses,
        material=material,
    )
