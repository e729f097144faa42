"""What whoever starts MLflow's server is told of holes that no version of it answers yet."""

from voxsiam_cli.console import say

# 3.18.0 came out a week after it, but not all of its parts (mlflow-skinny): the floor stays 3.17.2.
UNANSWERED = {"CVE-2026-116692": "runs code without a login"}


def tell_open_advisories() -> None:
    """Name them, and say what to do."""
    for name, what in UNANSWERED.items():
        say(f"{name} ({what}): no MLflow is known to answer it;", "yellow")
        say("let nobody reach this port whom you do not trust (docs/tracking.md)", "yellow")
