"""``saystream bench``: real sessions over real sockets, timed by a listener who plays the audio as it arrives."""

from saystream.bench.load import Door, Load, run_load
from saystream.bench.report import Report, summarise, table
from saystream.bench.server_process import ServerProcess

__all__ = ["Door", "Load", "Report", "ServerProcess", "run_load", "summarise", "table"]
