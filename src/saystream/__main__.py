"""``python -m saystream``, and the command ``saystream``."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line, or say in one line which package it lacks."""
    try:
        from saystream.cli import main as run

        run()
    except ModuleNotFoundError as error:
        sys.exit(
            f"saystream: the module '{error.name}' is not installed. "
            "Install all that the command line needs with: pip install 'saystream[server]'"
        )


if __name__ == "__main__":
    main()
