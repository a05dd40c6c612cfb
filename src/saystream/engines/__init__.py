"""What an engine is, and the built-in engines.

To write an engine, read ``base.py`` and ``saystream/conformance.py``, nothing else.
"""
