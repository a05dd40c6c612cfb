"""Which engine voice speaks for which name, and the reading of uploaded recordings."""
