"""How a word is pronounced, as others write it: Pinyin, ARPAbet, the International Phonetic Alphabet."""
