"""Says whether a model takes a voice, format, rate or parameter; a refusal lists what it does take.

The facts are in ``models.toml`` and ``voices/``; ``loading.py`` reads them. Which formats this build can encode is not
checked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from saystream.catalog.entries import Door, Model, Voice
from saystream.errors import InvalidValue, ModelNotFound, quote
from saystream.languages import AUTO
from saystream.parameters import PARAMETERS

__all__ = ["Catalog"]

_MAX_NAME_CHARACTERS = 64
"""Longer names get no suggestion: comparing them is slow, and they are not typing errors."""


class Catalog:
    """The models and their system voices. ``load()`` returns the one that is shipped."""

    def __init__(
        self, models: Iterable[Model], voices: Iterable[Voice], elsewhere: Mapping[str, str]
    ) -> None:
        """``elsewhere`` maps the beginning of a name of a foreign model to the path that serves it.

        Raises ValueError for two voices of one name.
        """
        self.models = tuple(models)
        self.all_voices = tuple(voices)
        """Of every door, those of a family together."""
        self.system_voices = tuple(voice for voice in self.all_voices if voice.family == "qwen")
        """Those of Qwen-TTS, which the realtime, HTTP and OpenAI doors take."""
        self._elsewhere = dict(elsewhere)
        self._model_by_name = {model.name: model for model in self.models}
        self._voice_by_name = {voice.name: voice for voice in self.all_voices}
        if len(self._voice_by_name) < len(self.all_voices):
            raise ValueError("two voices have one name")
        self._voices_by_model = {
            model.name: {voice.name: voice for voice in self.all_voices if model.name in voice.models}
            for model in self.models
        }

    def model(self, name: str, *, door: Door) -> Model:
        """The model with that name at ``door``. Raises ModelNotFound, which names the right path or model."""
        model = self._model_by_name.get(name)
        if model is None:
            raise self._unknown_model(name, [known for known in self.models if known.door == door], door)
        if model.door != door:
            raise ModelNotFound(
                f"Model '{name}' is not served here: it belongs to {model.path}.", param="model"
            )
        return model

    def voice(self, name: str, *, param: str = "voice") -> Voice:
        """The system voice with that name. Raises InvalidValue."""
        voice = self._voice_by_name.get(name)
        if voice is None:
            raise _unknown_voice(name, self._voice_by_name, "", param)
        return voice

    def has_voice(self, name: str) -> bool:
        """Whether there is a system voice with that name."""
        return name in self._voice_by_name

    def voices(self, model: str) -> tuple[Voice, ...]:
        """The system voices that ``model`` takes: none if its voices are cloned or designed."""
        return tuple(self._voices_by_model[self._any_door(model).name].values())

    def check_voice(self, model: str, voice: str, *, param: str = "voice") -> None:
        """Raises InvalidValue for ``param`` if ``model`` does not take the voice, or ModelNotFound."""
        self._check_voice(self._any_door(model), voice, param)

    def default_voice(self, model: str) -> str:
        """The voice of a session that names none; empty if the model has no voice of its own."""
        return self._any_door(model).default_voice

    def is_same_model(self, name: str, other: str) -> bool:
        """Whether both names mean one model: a name without a date stands for one with it."""

        def dated(of: str) -> str:
            model = self._model_by_name.get(of)
            return of if model is None else model.stands_for or of

        return dated(name) == dated(other)

    def check(
        self, model: str, asked: Mapping[str, Any], *, prefix: str = "session.", own_voice: bool = False
    ) -> None:
        """Check that ``model`` takes ``asked``, parameters of a session and their values; with ``own_voice`` its voice
        is known to be one of the model's that somebody made.

        The values must be ones that ``saystream.parameters`` allows; missing parameters are not checked. Every model
        takes a parameter that it does not list if it has its default value.

        Raises InvalidValue for the first field at fault, its ``param`` beginning with ``prefix``, or
        ModelNotFound.
        """
        entry = self._any_door(model)
        choices = {
            "response_format": entry.response_formats,
            "sample_rate": entry.sample_rates,
            "language_type": (AUTO, *entry.languages),
        }
        for name, value in asked.items():
            param = f"{prefix}{name}"
            if name == "voice":
                if not own_voice:
                    self._check_voice(entry, value, param)
            elif name in choices:
                _check_choice(entry, param, value, choices[name])
            elif PARAMETERS[name].is_listed and name not in entry.parameters:
                self._check_default(entry, name, value, param)

    def _any_door(self, name: str) -> Model:
        model = self._model_by_name.get(name)
        if model is None:
            raise self._unknown_model(name, self.models)
        return model

    def _unknown_model(self, name: str, offered: Sequence[Model], door: Door | None = None) -> ModelNotFound:
        beginnings = [beginning for beginning in self._elsewhere if name.startswith(beginning)]
        path = self._elsewhere[max(beginnings, key=len)] if beginnings else ""
        if path and not (door and any(model.path == path for model in offered)):
            message = f"Model '{quote(name)}' is not served here: it belongs to {path}."
            return ModelNotFound(message, param="model")
        names = [model.name for model in offered]
        said = f"Model '{quote(name)}' does not exist." if name else "No model was named."
        dated = (model.name for model in offered if model.undated == name)
        near = next(dated, None) or _nearest(name, names)
        suggestion = f" Did you mean '{near}'?" if near else ""
        return ModelNotFound(f"{said}{suggestion} Models: {', '.join(_shortened(offered))}.", param="model")

    def _check_voice(self, model: Model, voice: str, param: str) -> None:
        if model.voice_kind != "system":
            raise self._not_ones_own(model, voice, param)
        taken = self._voices_by_model[model.name]
        if voice in taken:
            return
        known = self._voice_by_name.get(voice)
        if known is None:
            raise _unknown_voice(voice, taken, f" of {model.name}", param)
        reason = f"{model.name} does not take this voice; {self._takers(known, model.door)}."
        raise InvalidValue(param, voice, _how_many(taken, f" of {model.name}"), reason=reason)

    def _not_ones_own(self, model: Model, voice: str, param: str) -> InvalidValue:
        reason = f"{model.name} takes no system voices."
        known = self._voice_by_name.get(voice)
        if known is not None:
            reason += f" As to this one, {self._takers(known, model.door)}."
        made = "cloned or designed" if model.voice_kind == "custom" else model.voice_kind
        allowed = f"voices {made} for {model.name}; `GET /v1/voices` lists those there are"
        return InvalidValue(param, voice, allowed, reason=reason)

    def _takers(self, voice: Voice, door: Door) -> str:
        """Which models take it, at ``door`` if there are any: ``qwen3-tts-flash-realtime* do``."""
        models = [self._model_by_name[name] for name in voice.models]
        here = _patterns(models, door)
        if here:
            return f"{here} do"
        doors = dict.fromkeys((model.door, model.path) for model in models)
        return "; ".join(f"{_patterns(models, there)} do at {path}" for there, path in doors)

    def _check_default(self, model: Model, name: str, value: object, param: str) -> None:
        """``model`` does not list the parameter ``name``."""
        default = PARAMETERS[name].default
        if value == default:
            return
        takers = _patterns((other for other in self.models if name in other.parameters), model.door)
        reason = f"{model.name} does not take {name}" + (f"; {takers} do." if takers else ".")
        raise InvalidValue(param, _shown(value), f"{_shown(default)}, the default", reason=reason)


def _shown(value: object) -> str:
    if isinstance(value, str):
        # Instructions may be private; their length is enough to recognise them.
        return f"{len(value)} characters" if value else "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_choice(model: Model, param: str, value: object, taken: tuple[object, ...]) -> None:
    if value not in taken:
        raise InvalidValue(param, value, taken, reason=f"{model.name} does not take it.")


def _unknown_voice(name: str, taken: Mapping[str, Voice], whose: str, param: str) -> InvalidValue:
    near = _nearest(name, taken)
    reason = "No such voice" + (f"; did you mean '{near}'?" if near else ".")
    return InvalidValue(param, name, _how_many(taken, whose), reason=reason)


def _how_many(taken: Mapping[str, Voice], whose: str) -> str:
    return f"{len(taken)} voices{whose}; `saystream voices` lists them, case matters"


def _nearest(name: str, names: Iterable[str]) -> str | None:
    if len(name) > _MAX_NAME_CHARACTERS:
        return None
    by_folded = {known.casefold(): known for known in names}
    matches = get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[matches[0]] if matches else None


def _shortened(models: Iterable[Model]) -> Iterable[str]:
    """Their names; those of Sambert, which are as many as its voices, as one."""
    return dict.fromkeys(
        "sambert-*-v1" if model.family.startswith("sambert") else model.name for model in models
    )


def _patterns(models: Iterable[Model], door: Door) -> str:
    """The models of ``door``, with their versions combined: ``qwen-tts-realtime*``."""
    undated = dict.fromkeys(model.undated for model in models if model.door == door)
    return ", ".join(name if door == "inference" else f"{name}*" for name in undated)
