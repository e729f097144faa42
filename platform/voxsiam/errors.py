"""The one error that a user is meant to read."""

from functools import partial
from pathlib import Path


class UserError(Exception):
    """Input that the user can mend: it says what is wrong, where, and what to do.

    Args:
        what: What is wrong, in one sentence.
        where: The file, field or option.
        fix: What to do about it.
    """

    def __init__(self, what: str, *, where: str, fix: str) -> None:
        super().__init__(what, where, fix)
        self.what, self.where, self.fix = what, where, fix

    def __str__(self) -> str:
        return f"{self.what}\n  where: {self.where}\n  fix:   {self.fix}"

    def __reduce__(self) -> tuple:
        # Ray carries errors between processes; keyword-only arguments need help to survive that.
        return partial(UserError, where=self.where, fix=self.fix), (self.what,)


def refusal(path: Path, what: str, fix: str) -> UserError:
    """Say of a file what is wrong with it, and what to do."""
    return UserError(what, where=str(path), fix=fix)


def is_stop(error: BaseException | None) -> bool:
    """Tell whether Ctrl-C (or SIGTERM) is behind an error.

    A signal that arrives inside a library's C code can come out as an error of that library, with
    the KeyboardInterrupt as its cause or context.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def nearest_name(name: str, valid: tuple[str, ...]) -> str:
    """Say which valid name an unknown one probably meant, else list them all."""
    from difflib import get_close_matches

    close = get_close_matches(name, valid, n=1)
    return f"did you mean '{close[0]}'?" if close else f"use one of: {', '.join(valid)}"
