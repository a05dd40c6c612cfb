"""A realtime session's configuration, as the catalogue and the spine take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saystream.audio import AudioFormat, Effects
from saystream.speech.events import SpeechConfig

if TYPE_CHECKING:
    from saystream.catalog import Catalog
    from saystream.protocol.realtime.session_config import SessionConfig

__all__ = ["check_session", "speech_config"]


def check_session(catalog: Catalog, model: str, config: SessionConfig, *, prefix: str = "session.") -> None:
    """Raises InvalidValue for what ``model`` does not take, its ``param`` beginning with ``prefix``, or
    ModelNotFound."""
    catalog.check(
        model,
        voice=config.voice,
        response_format=config.response_format,
        sample_rate=config.sample_rate,
        language_type=config.language_type,
        speech_rate=config.speech_rate,
        volume=config.volume,
        pitch_rate=config.pitch_rate,
        bit_rate=config.bit_rate,
        instructions=config.instructions,
        optimize_instructions=config.optimize_instructions,
        prefix=prefix,
    )


def speech_config(config: SessionConfig) -> SpeechConfig:
    """What the spine needs of ``config``."""
    return SpeechConfig(
        voice=config.voice,
        language_type=config.language_type,
        audio_format=AudioFormat(config.response_format, config.sample_rate, config.bit_rate),
        effects=Effects(config.speech_rate, config.pitch_rate, config.volume),
        server_commit=config.mode == "server_commit",
        instructions=config.instructions,
        normalize_text=config.enable_tn,
    )
