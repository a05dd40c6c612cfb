"""Sound as computation: no I/O. Every stage is ``push(x) -> [y]``, ``flush() -> [y]``."""
