"""What went wrong first, without the layers that Ray puts around it."""

from voxsiam.errors import UserError
from voxsiam.training.context import TrainingEndedError

LAYERS = ("controller_failure", "cause", "_base_exc")
"""Where Ray's errors keep the error that they are about."""


class WorkersFailedError(RuntimeError):
    """The workers failed more often than that is worth; it says what became of the last ones."""


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
