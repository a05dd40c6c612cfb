"""The ways in. A door declares its routes, its error shape and its protocol; the rest is in ``base.py``."""
