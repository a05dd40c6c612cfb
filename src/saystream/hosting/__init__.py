"""Engines in processes of their own: started, kept running, scheduled and fed.

The rest of saystream sees ``front.py``, which does not say where the engines run; ``local.py`` decides that. On this
side of the pipe ``process.py`` talks to one engine process; on the other side ``worker.py`` is that process;
``frames.py`` is what they say to each other.
"""
