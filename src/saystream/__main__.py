"""``python -m saystream``."""

from saystream.cli import main

main()
