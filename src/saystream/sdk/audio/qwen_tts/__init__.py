"""Qwen-TTS over HTTP, by its older name."""

from saystream.sdk.audio.qwen_tts.speech_synthesizer import SpeechSynthesizer

__all__ = ["SpeechSynthesizer"]
