"""Voices of one's own: what they are, where they are kept, and how engines speak them."""
