"""Turns what is not a word into words: one module for each language."""
