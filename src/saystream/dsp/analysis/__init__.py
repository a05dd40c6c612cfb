"""What a recording says of its speaker: pitch, pace and the slope of the spectrum. Pure NumPy."""
