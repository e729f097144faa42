"""The table `labels` of a dataset.json: what each value means, and what is not said by it.

nnU-Net writes it as name -> value, the Medical Segmentation Decathlon as value -> name. The latter
may give two values one name: then both are that organ.
"""

from collections.abc import Mapping
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam_data.labels.organ_names import (
    class_name,
    count_words,
    is_tumour,
    organ_value,
    refuse_misspelt,
)
from voxsiam_data.labels.protocols import LabelProtocol, protocol
from voxsiam_data.text_files import read_json_object

_MAX_LABEL_VALUE = 65535
_MOST_LABELS = 5000
_MOST_LETTERS = 80
_LISTED = 20


def find_protocol(name: str | None, labels: Path | None) -> LabelProtocol | None:
    """Return the meaning of label values that the user named, if any."""
    if name and labels:
        raise UserError(
            "two options say what the label values mean",
            where="--protocol and --labels",
            fix="leave one of them out",
        )
    if labels:
        return read_protocol(labels)
    return protocol(name) if name else None


def read_protocol(path: Path) -> LabelProtocol:
    """Read what the values of a data set's label maps mean."""
    named = _named(path, read_json_object(path).get("labels"))
    for _, name in named:
        refuse_misspelt(name, path)
    names = dict(named)
    if len(names) < len(named):
        raise _refuse(path, "Two labels have the same value.", "give each label its own value")
    if organ_value(names.pop(0, "background")):
        raise _refuse(path, "Value 0 is an organ.", "keep 0 for the background")
    if not names:
        raise _refuse(path, "It names no organ.", 'add one to "labels": "liver": 1, for example')
    if "" in map(class_name, names.values()):
        raise _refuse(path, "A label has no name.", "give it one, of letters and numbers")
    longest = max(names.values(), key=len)
    if len(longest) > _MOST_LETTERS:
        what = f"The label '{longest[:40]}...' has {len(longest)} letters."
        raise _refuse(path, what, f"use at most {_MOST_LETTERS}")
    if len(set(map(class_name, names.values()))) < len(set(names.values())):
        raise _refuse(path, "Two labels name the same organ.", "merge them, or rename one")
    return LabelProtocol(path.name, f"what {path.name} says", names, is_own=True)


def label_notes(path: Path, protocol: LabelProtocol, organs: tuple[str, ...]) -> tuple[str, ...]:
    """Say which labels become background, and what that does to tumours inside of an organ."""
    values = protocol.values_for(organs)
    others = [(value, name) for value, name in sorted(protocol.names.items()) if not values[value]]
    if not others:
        return ()
    noun = "labels {} are" if len(others) > 1 else "label {} is"
    notes = [f"{noun.format(_listed(others))} none of the {count_words(organs)}: background"]
    tumours = [(value, name) for value, name in others if is_tumour(name)]
    if tumours:
        value = tumours[0][0]
        notes.append(
            f"voxels of {_listed(tumours)} are cut out of the organ they lie in; to count them as "
            f'the organ, give the value its name in {path.name}: "{value}": "liver", for example'
        )
    return tuple(notes)


def _listed(named: list[tuple[int, str]]) -> str:
    listed = ", ".join(f"'{name[:40]}' ({value})" for value, name in named[:_LISTED])
    more = len(named) - _LISTED
    return listed + (f" and {more} more" if more > 0 else "")


def _named(path: Path, labels: object) -> list[tuple[int, str]]:
    if not isinstance(labels, Mapping):
        raise _refuse(path, "It has no table 'labels'.", 'add "labels": {"background": 0, ...}')
    if len(labels) > _MOST_LABELS:
        raise _refuse(
            path,
            f"Its table 'labels' has {len(labels):,} names, more than {_MOST_LABELS:,}.",
            "name the values that occur in the label maps",
        )
    return [_value_and_name(path, key, value) for key, value in labels.items()]


def _refuse(path: Path, what: str, fix: str) -> UserError:
    return UserError(what, where=str(path), fix=fix)


def _value_and_name(path: Path, key: object, value: object) -> tuple[int, str]:
    if isinstance(key, str) and isinstance(value, str) and key.isdecimal() and len(key) < 6:
        number, name = int(key), value
    elif isinstance(key, str) and isinstance(value, int) and not isinstance(value, bool):
        number, name = value, key
    else:
        raise _refuse(
            path,
            f"The label {str(key)[:40]!r}: {str(value)[:40]!r} is not a name and one value.",
            'write "liver": 5 (nnU-Net v2) or "5": "liver" (Decathlon); no regions',
        )
    if not 0 <= number <= _MAX_LABEL_VALUE:
        raise _refuse(path, f"The label {name[:40]!r} has value {number}.", "use 0 to 65535")
    if name.lower() == "ignore":
        raise _refuse(
            path, "It has an 'ignore' label.", "only fully labelled cases can be used: remove it"
        )
    return number, name
