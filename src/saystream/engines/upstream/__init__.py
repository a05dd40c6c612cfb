"""Other speech servers as an engine: vLLM-Omni, SGLang-Omni, any OpenAI-style server, and realtime endpoints of the
kind that this server has itself.

All requests of one engine process run in one event loop, in a thread of its own (``runtime.py``). A stream of the
engine is one task of that loop and one thread of the host that reads what the task hands over (``stream.py``).
"""

from saystream.engines.upstream.engine import UpstreamEngine

__all__ = ["UpstreamEngine"]
