"""Other speech servers as an engine: vLLM-Omni, SGLang-Omni, any OpenAI-style server, and realtime endpoints like this
server's own.

All requests of one engine process run in one event loop, in its own thread (``runtime.py``). A stream of the engine is
one task in that loop and one thread of the host, which reads what the task hands over (``stream.py``).
"""

from saystream.engines.upstream.engine import UpstreamEngine

__all__ = ["UpstreamEngine"]
