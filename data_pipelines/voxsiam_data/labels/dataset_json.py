"""The table `labels` of a dataset.json: what each value means, and what is not said by it.

nnU-Net writes it as name -> value, the Medical Segmentation Decathlon as value -> name. The latter
may give two values one name: then both are that organ.
"""

from collections.abc import Mapping
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.types import ORGANS
from voxsiam_data.labels.organ_names import is_tumour, organ_value, refuse_misspelt
from voxsiam_data.labels.protocols import LabelProtocol
from voxsiam_data.text_files import read_json_object

_MAX_LABEL_VALUE = 65535
_MOST_LABELS = 5000
_LISTED = 20


def read_label_values(
    path: Path, labels: object, organs: tuple[str, ...] = ORGANS
) -> dict[int, int]:
    """Translate the table into source value -> our value: 1.. for the organs, else 0."""
    named = _named(path, labels)
    for _, name in named:
        refuse_misspelt(name, path, organs)
    result = {value: organ_value(name, organs) or 0 for value, name in named}
    if len(result) < len(named):
        raise _refuse(path, "Two labels have the same value.", "give each label its own value")
    if result.setdefault(0, 0):
        raise _refuse(path, "Value 0 is an organ.", "keep 0 for the background")
    found = {name: organ for _, name in named if (organ := organ_value(name, organs))}
    if not found:
        raise _refuse(
            path,
            "None of its labels is one of the organs that are looked for.",
            f"name the labels: {', '.join(organs)}",
        )
    if len(set(found.values())) < len(found):
        raise _refuse(path, "Two labels name the same organ.", "merge them, or rename one")
    return result


def read_protocol(path: Path) -> LabelProtocol:
    """Read what the values of a data set's label maps mean."""
    labels = read_json_object(path).get("labels")
    read_label_values(path, labels)
    names = {value: name for value, name in _named(path, labels) if value}
    return LabelProtocol(path.name, f"what {path.name} says", names)


def label_notes(path: Path, labels: object) -> tuple[str, ...]:
    """Say which labels become background, and what that does to tumours inside of an organ."""
    others = [(v, name) for v, name in sorted(_named(path, labels)) if v and not organ_value(name)]
    if not others:
        return ()
    noun = "labels {} are" if len(others) > 1 else "label {} is"
    notes = [f"{noun.format(_listed(others))} none of the eight organs: background"]
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
