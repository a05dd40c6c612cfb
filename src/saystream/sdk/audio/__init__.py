"""Speech."""

from saystream.sdk.audio import qwen_tts_realtime

__all__ = ["qwen_tts_realtime"]
