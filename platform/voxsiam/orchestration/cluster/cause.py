"""What went wrong first, without the layers that Ray puts around it."""

from voxsiam.errors import UserError
from voxsiam.training.context import TrainingEndedError

LAYERS = ("controller_failure", "cause", "_base_exc")
"""Where Ray's errors keep the error that they are about."""


class WorkersFailedError(RuntimeError):
    """The workers failed more often than that is worth; it says what became of the last ones."""


def refusal_in(error: BaseException | None) -> UserError | None:
    """Return the UserError that an error of Ray's is about; None where it is about another."""
    while error is not None and not isinstance(error, UserError):
        inner = (getattr(error, name, None) for name in LAYERS)
        within = next((each for each in inner if isinstance(each, BaseException)), None)
        error = within or error.__cause__
    return error


def cause_of(error: BaseException) -> str:
    """Return the innermost error in one line."""
    if isinstance(error, UserError):
        return f"{error.what} ({error.where}: {error.fix})"
    if isinstance(error, TrainingEndedError | WorkersFailedError):
        return str(error)  # written to be read
    inner = next((each for name in LAYERS if (each := getattr(error, name, None))), None)
    if isinstance(inner, BaseException):
        return cause_of(inner)
    lines = str(error).strip().splitlines() or [""]
    told = lines[-1] if "Traceback" in str(error) else lines[0]
    return f"{type(error).__name__}: {told}"
