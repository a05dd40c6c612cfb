"""Kokoro's published export, cut into parts that can be run one window after another.

``export`` reads the published file, ``graph`` writes new ones; ``decoder`` and ``generator`` build those two parts anew
from its weights, ``make`` makes all of them. Needs the package ``onnx``; what runs the
parts does not.
"""
