"""Text as a model reads it: words, and the runs of letters in them. Imports no torch."""

from __future__ import annotations

import re
import unicodedata
import zlib
from functools import lru_cache

GRAMS = 8192
"""Size of the table that runs of letters are hashed into."""
_LENGTHS = (3, 4)


def words(text: str) -> list[str]:
    """The words of a text, in lower case and without accents, of a to z and 0 to 9; anything else parts words."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return re.findall(r"[a-z0-9]+", "".join(letter for letter in plain if not unicodedata.combining(letter)))


@lru_cache(maxsize=4096)
def grams(text: str) -> tuple[int, ...]:
    """Places, below `GRAMS`, of the words of a text and of the runs of three and four letters in them, each once.

    Words that share letters share places, so a word that was never met is read by its parts (fastText, Bojanowski et
    al. 2016, arXiv 1607.04606, section 3.2); the order of the words is not kept.
    """
    return tuple(sorted({zlib.crc32(run.encode()) % GRAMS for word in words(text) for run in _runs(f"<{word}>")}))


def _runs(word: str) -> set[str]:
    parts = {word[at : at + length] for length in _LENGTHS for at in range(len(word) - length + 1)}
    return {word, *parts}
