"""Voices that users bring: from the audio they upload on."""
