"""Chooses the engine for a language and turns a system voice into a request to that engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saystream.catalog import Catalog
from saystream.engines.base import EngineInfo, SynthesisRequest
from saystream.errors import EngineUnavailable
from saystream.languages import LANGUAGE_CODES, LANGUAGE_NAMES
from saystream.voices.recipes import quality, recipe

__all__ = ["Casting", "Choice", "Role"]


@dataclass(frozen=True, slots=True)
class Role:
    """Who speaks, and how."""

    engine: str
    request: SynthesisRequest
    quality: str
    """Of this voice in this language: ``native``, ``approximate`` or ``robotic``."""


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
    """Of that engine's speech; a voice may be worse, see ``Casting.quality``."""
    advice: str = ""
    """The command that would give the language an engine that the settings prefer; "" if that one already speaks."""


class Casting:
    """For each language, the first engine of an order that speaks it; a fixed engine is an order of one.

    An engine that only approximates a language gives way to a later one that is native in it.
    """

    def __init__(
        self,
        order: Sequence[str],
        engines: Mapping[str, EngineInfo],
        faults: Mapping[str, EngineUnavailable] | None = None,
        *,
        catalog: Catalog,
    ) -> None:
        """``engines`` are those that can run here, ``faults`` say why others cannot; other names in ``order`` are
        skipped. The system voices are those of ``catalog``."""
        self._catalog = catalog
        self._faults = dict(faults or {})
        self._order = tuple(order)
        self._engines = dict(engines)
        self._eligible = [self._engines[name] for name in self._order if name in self._engines]

    def role(self, *, voice: str, language: str, spoke_before: str | None = None) -> Role:
        """How ``voice`` says something in ``language`` (ISO 639-1).

        The engine in ``spoke_before`` continues if it is as good as the first of the order, because another one would
        sound like another person. Raises EngineUnavailable, with what would help, if no engine of the order speaks the
        language; InvalidValue if there is no such voice.
        """
        engine = self._speaker(language)
        if engine is None:
            raise EngineUnavailable(self._what_would_help(language))
        entry = self._catalog.voice(voice)
        how_good = quality(entry, language, engine)
        assert how_good is not None, "it was chosen because it speaks the language"
        before = next((known for known in self._eligible if known.name == spoke_before), engine)
        if quality(entry, language, before) == how_good:
            engine = before
        ingredients = recipe(entry, engine, language)
        request = SynthesisRequest(
            voice=ingredients.base,
            language=language,
            speed=ingredients.speed,
            pitch=ingredients.pitch,
            formant=ingredients.formant,
        )
        return Role(engine.name, request, how_good)

    def quality(self, voice: str, language: str) -> str | None:
        """How good ``voice`` is in ``language`` (ISO 639-1); ``None`` if no engine speaks it.

        Raises InvalidValue if there is no such voice.
        """
        engine = self._speaker(language)
        entry = self._catalog.voice(voice)
        return None if engine is None else quality(entry, language, engine)

    def is_settled(self, language: str) -> bool:
        """Whether the engine that now speaks ``language`` (ISO 639-1) gives way to no later one in the order."""
        speaker = self._speaker(language)
        return speaker is not None and speaker.quality(language) != "approximate"

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
        if engine is None:
            return Choice(language_type, language, None, None, self.advice(language))
        return Choice(language_type, language, engine.name, engine.quality(language), self.advice(language))

    def _speaker(self, language: str) -> EngineInfo | None:
        speakers = [engine for engine in self._eligible if engine.speaks(language)]
        first = next(iter(speakers), None)
        if first is None or first.quality(language) != "approximate":
            return first
        natives = (engine for engine in speakers if engine.quality(language) == "native")
        return next(natives, first)

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
