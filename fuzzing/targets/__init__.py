"""One module for each target.

It has ``one(data)``, which raises nothing whatever the bytes are unless there is a fault, and ``MAX_BYTES``, the
longest input that is worth trying. ``DICTIONARY`` names a file of ``dictionaries/`` with words that inputs are likely
to need.
No target imports the fuzzer, so that the tests can replay its seeds.
"""
