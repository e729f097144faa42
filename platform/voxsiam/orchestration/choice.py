"""Which study or sweep a text means: its id always, the name of a table where one study has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from voxsiam.errors import UserError, nearest_name

T = TypeVar("T")

_MOST_LISTED = 8


@dataclass(frozen=True)
class Choice(Generic[T]):
    """One of what may be meant.

    Attributes:
        name: On the command line, as `table3`; several may share it.
        own_id: As `table3-mini-0a1b2c3d`; no two share it.
        about: What tells it from others of its name, for people.
    """

    name: str
    own_id: str
    about: str
    item: T


def choose(text: str, choices: Sequence[Choice[T]], kind: str, where: str) -> T:
    """Return the one that a text, a name or an id, means.

    Args:
        choices: All that there are, the latest first.
        kind: study or sweep.
        where: Where it was looked for.

    Raises:
        UserError: None is meant, or several are: both list what there is.
    """
    meant = [one for one in choices if one.own_id == text]
    meant = meant or [one for one in choices if one.name == text]
    if len(meant) == 1:
        return meant[0].item
    if meant:
        kinds = "studies" if kind == "study" else f"{kind}s"
        listed = ", ".join(f"{one.own_id} ({one.about})" for one in meant[:_MOST_LISTED])
        more = len(meant) - _MOST_LISTED
        raise UserError(
            f"'{text}' means {len(meant)} different {kinds} here",
            where=where,
            fix=f"name one by its id: {listed}" + (f" and {more} more" if more > 0 else ""),
        )
    known = tuple(dict.fromkeys(name for one in choices for name in (one.name, one.own_id)))
    raise UserError(
        f"there is no {kind} '{text}' here",
        where=where,
        fix=nearest_name(text, known) if known else f"start one: voxsiam {kind} run --help",
    )
