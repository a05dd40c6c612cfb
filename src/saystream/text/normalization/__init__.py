"""What is not a word, as words: one module for each language."""
