"""Engines in processes of their own: started, kept up, scheduled and fed.

On this side of the pipe ``process.py`` talks to one engine process, on the other side ``worker.py`` is that process;
``frames.py`` is what they say to each other.
"""
