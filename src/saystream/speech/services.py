"""Which engine speaks which text of a session, and how: opens the streams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from saystream.errors import EngineUnavailable
from saystream.speech.instructions import Instructions
from saystream.text.language import SpokenLanguage
from saystream.text.readable import readable_parts, scripts_of

if TYPE_CHECKING:
    from saystream.config import Settings
    from saystream.engines.base import EngineInfo
    from saystream.hosting.front import Hosting, StreamHandle
    from saystream.hosting.playback import Playback
    from saystream.speech.events import SpeechConfig
    from saystream.text.script import Manner
    from saystream.voices.casting import Casting, Role

__all__ = ["SpeechServices", "StreamOpener"]


@dataclass(frozen=True, slots=True)
class SpeechServices:
    """What all sessions of one process share."""

    settings: Settings
    hosting: Hosting
    casting: Casting
    latin_languages: frozenset[str]
    """The languages in Latin letters that some engine speaks."""

    def spoken_language(self, config: SpeechConfig) -> SpokenLanguage:
        """What detects the language of each segment of a session."""
        return SpokenLanguage(
            config.language,
            self.latin_languages,
            likely=self.casting.home_language(config.voice, config.own_voice),
            usual=config.usual_language or self.settings.usual_language,
        )


class StreamOpener:
    """Opens the streams of one session, one text after the other."""

    def __init__(self, services: SpeechServices, config: SpeechConfig, playback: Playback) -> None:
        self._services = services
        self._config = config
        self._playback = playback
        self.language = services.spoken_language(config)
        self.instructions = _instructions_of(config)
        self._engine: str | None = None
        """The engine that spoke last."""

    def configure(self, config: SpeechConfig) -> None:
        self._config = config
        self.language = self._services.spoken_language(config)
        self.instructions = _instructions_of(config)

    def takes_text_uncut(self, text: str) -> bool:
        """Whether the engine that would speak ``text`` takes it while it speaks; not if nobody speaks it."""
        engine = self._speaker(text, "", "")
        return engine is not None and engine.incremental_text

    def readable_parts(self, text: str, following: str, manner: Manner) -> list[str]:
        """``text`` cut so that an engine reads each part: words in a script that the one for ``text`` does not read are
        spoken by another, or refused."""
        engine = self._speaker(text, following, manner.voice)
        if engine is None or not engine.scripts or scripts_of(text) <= set(engine.scripts):
            return [text]
        return readable_parts(text, engine.scripts)

    def open(self, text: str, following: str, manner: Manner) -> StreamHandle:
        """A new stream of the engine that suits ``text``; ``following`` is some of the text known to come after it.
        Raises ServerFault if the engine refuses."""
        role = self._role(self.language.speak(text, following), manner.voice)
        self._engine = role.engine
        config = self._config
        asked = role.request
        if config.instructions:
            asked = self.instructions.put_into(asked, self._services.hosting.engine(role.engine))
        request = replace(
            asked,
            normalize_text=config.normalize_text,
            marks=config.marks,
            phonemes=config.phonemes,
            seed=config.seed,
        )
        return self._services.hosting.open(role.engine, request, playback=self._playback)

    def _speaker(self, text: str, following: str, voice: str) -> EngineInfo | None:
        """The engine that would speak ``text``; ``None`` if there is none, which ``open`` says with its reason."""
        try:
            return self._services.hosting.engine(self._role(self.language.of(text, following), voice).engine)
        except EngineUnavailable:
            return None

    def _role(self, language: str, voice: str = "") -> Role:
        config = self._config
        return self._services.casting.role(
            voice=voice or config.voice,
            language=language,
            spoke_before=self._engine,
            own_voice=config.own_voice if voice in ("", config.voice) else None,
        )


def _instructions_of(config: SpeechConfig) -> Instructions:
    return Instructions.read(config.instructions, optimize=config.optimize_instructions)
