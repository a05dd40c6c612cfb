"""The doors. Each declares its routes, how it reports errors, and its protocol; the rest is in ``base.py``."""
