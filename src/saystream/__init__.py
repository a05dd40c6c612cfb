"""saystream: self-hosted, real-time speech synthesis over the Qwen-TTS realtime protocol."""

__all__ = ["__version__"]

__version__ = "0.1.0"
