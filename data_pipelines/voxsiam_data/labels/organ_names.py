"""Which organ of a list does a data set mean by a label's name, and how a class is called."""

import re
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.types import PAPER_ORGANS

_OTHER_WORDS = {"l": "left", "lt": "left", "oesophagus": "esophagus", "gall": "gallbladder"}
_ALIKE = 0.8
_TUMOUR = re.compile(r"cancer|carcinoma|tumou?r|lesion|metasta", re.IGNORECASE)


def class_name(name: str) -> str:
    """Name the class of a label: as the paper's organ that it means, else its words joined by _.

    Empty where the name has neither a letter nor a number.
    """
    # A number tells two structures apart: liver_1 is not the liver.
    known = None if any(map(str.isdigit, name)) else organ_value(name)
    return PAPER_ORGANS[known - 1] if known else _joined(name)


def organ_value(name: str, organs: tuple[str, ...] = PAPER_ORGANS) -> int | None:
    """Find our label value, from 1, for a name, whatever its case, word order or punctuation.

    None for anything else: "kidney" alone may be either side, and a name with more words ("liver
    tumour") is another structure.
    """
    for written in (name, _joined(name)):
        if written in organs:
            return organs.index(written) + 1
    return _by_words(organs).get(_words(name))


def refuse_misspelt(name: str, path: Path, organs: tuple[str, ...] = PAPER_ORGANS) -> None:
    """Refuse a name that is nearly an organ's: it would become background without a word."""
    words = _words(name)
    known = _by_words(organs)
    if name in organs or any(words >= organ for organ in known):
        return  # an organ, or a part of one: another structure
    spelt = {" ".join(sorted(organ)): organs[value - 1] for organ, value in known.items()}
    close = get_close_matches(" ".join(sorted(words)), spelt, n=1, cutoff=_ALIKE)
    if close:
        raise UserError(
            f"The label '{name[:40]}' is none of the {count_words(organs)}, but nearly one.",
            where=str(path),
            fix=f"did you mean '{spelt[close[0]]}'? Otherwise give it another name",
        )


def count_words(organs: tuple[str, ...]) -> str:
    """Say how many organs there are: "eight organs" are the paper's."""
    return "eight organs" if organs == PAPER_ORGANS else f"{len(organs)} chosen organs"


def is_tumour(name: str) -> bool:
    """Tell whether a name is one of a tumour, which may lie inside of an organ."""
    return _TUMOUR.search(name) is not None


def _joined(name: str) -> str:
    split = re.sub(r"([a-z])([A-Z])", r"\1_\2", name)
    return re.sub(r"[\W_]+", "_", split.lower()).strip("_")


def _words(name: str) -> frozenset[str]:
    split = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    found: list[str] = re.findall(r"[a-z]+", split.lower())
    words = {_OTHER_WORDS.get(word, word) for word in found}
    if "gallbladder" in words:
        words.discard("bladder")  # of "gall bladder"
    return frozenset(words)


@cache
def _by_words(organs: tuple[str, ...]) -> dict[frozenset[str], int]:
    """Index organs by their words; those that numbers tell apart (rib_left_1) go by their names."""
    words = [_words(organ) for organ in organs]
    return {each: value for value, each in enumerate(words, start=1) if words.count(each) == 1}
