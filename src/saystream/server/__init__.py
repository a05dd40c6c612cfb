"""The ASGI server: the doors, who may use them, and what they report."""
