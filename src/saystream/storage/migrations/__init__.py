"""Alembic's folder: Alembic runs ``env.py``; ``versions`` holds the migrations in order."""
