"""Which MLflow may serve: the lowest version that answers the published advisories."""

import importlib.metadata
from dataclasses import dataclass

from packaging.version import Version

from voxsiam.errors import UserError


@dataclass(frozen=True)
class Advisory:
    """A published hole of MLflow's server.

    Attributes:
        name: Its number.
        what: What it lets somebody do.
        answered: The first version without it; empty where none was published.
    """

    name: str
    what: str
    answered: str


ADVISORIES = (
    Advisory("CVE-2026-2635", "a login whose password everybody knows", "3.8.0"),
    Advisory("CVE-2026-2614", "reads any file of the server", "3.10.0"),
    Advisory("CVE-2026-2652", "reaches routes that ask for no login", "3.10.0"),
    Advisory("CVE-2026-2651", "writes over the artifacts of others", "3.11.0"),
    Advisory("CVE-2026-4137", "uses folders that anybody can write to", "3.11.0"),
    Advisory("CVE-2026-0545", "starts jobs without a login (jobs are off here)", "3.12.0"),
    Advisory("CVE-2026-96804", "loads pickles although that is forbidden", "3.15.0"),
    Advisory("CVE-2026-116692", "runs code without a login", ""),
)

# For what no version is known to answer, the newest that installs whole is the best there is:
# 3.18.0 came out a week after that advisory, but not all of its parts (mlflow-skinny).
LOWEST = "3.17.2"


def unanswered() -> tuple[Advisory, ...]:
    """List what no version is known to answer."""
    return tuple(advisory for advisory in ADVISORIES if not advisory.answered)


def check_mlflow(installed: str | None = None) -> None:
    """Refuse to serve with an MLflow whose holes are published.

    Args:
        installed: Its version; what is installed here by default.

    Raises:
        UserError: It is older than the lowest version that answers them.
    """
    version = installed or importlib.metadata.version("mlflow")
    if Version(version) >= Version(LOWEST):
        return
    open_ones = [a for a in ADVISORIES if a.answered and Version(version) < Version(a.answered)]
    known = ", ".join(f"{a.name} ({a.what})" for a in open_ones) or "those of its successors"
    raise UserError(
        f"MLflow {version} has holes that are published: {known}",
        where="mlflow",
        fix=f"pip install 'mlflow>={LOWEST},<4'",
    )
