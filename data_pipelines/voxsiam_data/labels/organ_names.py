"""Which of the eight organs does a data set mean by a label's name?"""

import re
from difflib import get_close_matches
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.types import ORGANS

_OTHER_WORDS = {
    "l": "left",
    "lt": "left",
    "oesophagus": "esophagus",
    "gall": "gallbladder",
}
_ALIKE = 0.8
_TUMOUR = re.compile(r"cancer|carcinoma|tumou?r|lesion|metasta", re.IGNORECASE)


def organ_value(name: str) -> int | None:
    """Find our label value for a name, whatever its case, word order or punctuation.

    Returns:
        1..8, or None for anything else: "kidney" alone may be either side, and a name with more
        words ("liver tumour") is another structure.
    """
    return _BY_WORDS.get(_words(name))


def refuse_misspelt(name: str, path: Path) -> None:
    """Refuse a name that is nearly an organ's: it would become background without a word.

    Args:
        name: Of a label.
        path: The file that says so.

    Raises:
        UserError: With the organ that was probably meant.
    """
    words = _words(name)
    if any(words >= organ for organ in _BY_WORDS):
        return  # an organ, or a part of one: another structure
    organs = {" ".join(sorted(organ)): ORGANS[value - 1] for organ, value in _BY_WORDS.items()}
    close = get_close_matches(" ".join(sorted(words)), organs, n=1, cutoff=_ALIKE)
    if close:
        raise UserError(
            f"The label '{name[:40]}' is none of the eight organs, but nearly one.",
            where=str(path),
            fix=f"did you mean '{organs[close[0]]}'? Otherwise give it another name",
        )


def is_tumour(name: str) -> bool:
    """Tell whether a name is one of a tumour, which may lie inside of an organ."""
    return _TUMOUR.search(name) is not None


def _words(name: str) -> frozenset[str]:
    split = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    found: list[str] = re.findall(r"[a-z]+", split.lower())
    words = {_OTHER_WORDS.get(word, word) for word in found}
    if "gallbladder" in words:
        words.discard("bladder")  # of "gall bladder"
    return frozenset(words)


_BY_WORDS: dict[frozenset[str], int] = {
    frozenset(organ.split("_")): value for value, organ in enumerate(ORGANS, start=1)
}
