"""Kokoro-82M: natural voices in eight languages on a CPU, many times smaller than a language model.

The way of a text: ``reading`` turns it into the symbols of the model, each stretch by the reader of its language;
``splitting`` cuts them into what the model says in one pass; ``model`` makes the sound.
"""
