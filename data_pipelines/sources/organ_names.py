"""Which of the eight organs does a data set mean by a label's name?"""

import re

from voxsiam.types import ORGANS

_OTHER_WORDS = {
    "l": "left",
    "lt": "left",
    "oesophagus": "esophagus",
    "gall": "gallbladder",
}


def organ_value(name: str) -> int | None:
    """Find our label value for a name, whatever its case, word order or punctuation.

    Returns:
        1..8, or None for anything else: "kidney" alone may be either side, and a name with more
        words ("liver tumour") is another structure.
    """
    split = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    found: list[str] = re.findall(r"[a-z]+", split.lower())
    words = {_OTHER_WORDS.get(word, word) for word in found}
    if "gallbladder" in words:
        words.discard("bladder")  # of "gall bladder"
    return _BY_WORDS.get(frozenset(words))


_BY_WORDS: dict[frozenset[str], int] = {
    frozenset(organ.split("_")): value for value, organ in enumerate(ORGANS, start=1)
}
