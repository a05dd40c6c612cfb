"""Voices of one's own over HTTP: making, listing, changing and deleting them, without any I/O."""
