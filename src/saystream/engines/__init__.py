"""What an engine is, and those that are built in.

An author of an engine reads ``base.py`` and ``conformance.py``, nothing else.
"""
