"""Voice match: the mix of Kokoro's voices that comes nearest to a speaker. It is no clone."""
