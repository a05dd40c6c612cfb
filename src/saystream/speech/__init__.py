"""The spine: text in, ordered responses of encoded audio out. Every door joins it here."""
