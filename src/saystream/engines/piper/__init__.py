"""Piper: VITS voices in ONNX, one file and language each, from many authors."""

from saystream.engines.piper.engine import PiperEngine

__all__ = ["PiperEngine"]
