"""Kokoro-82M: natural voices in eight languages on a CPU, many times smaller than a language model.

``reading`` turns a text into the model's symbols, each stretch by the reader of its language; ``splitting`` cuts them
into what the model says in one pass; ``model`` makes the audio.
"""
