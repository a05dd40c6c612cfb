"""Piper: VITS voices in ONNX, a file and a language each, from many hands."""

from saystream.engines.piper.engine import PiperEngine

__all__ = ["PiperEngine"]
