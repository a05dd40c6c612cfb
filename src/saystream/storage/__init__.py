"""What an installation keeps: its database (SQLite in the data directory, or another through its URL) and audio files.

A new table is a ``Table`` in ``schema.py`` and one numbered migration in ``migrations/versions``; a test
holds the two equal. Migrations run at every start and go forward only.
"""

from saystream.storage.database import Store, open_store, serving_store

__all__ = ["Store", "open_store", "serving_store"]
