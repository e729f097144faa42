"""What whoever starts MLflow's server is told of holes that no version of it answers yet."""

from voxsiam_cli.console import say


def tell_open_advisories() -> None:
    """Name them, and say what to do."""
    from voxsiam.orchestration.tracking.advisories import unanswered

    for advisory in unanswered():
        say(f"{advisory.name} ({advisory.what}): no MLflow is known to answer it;", "yellow")
        say("let nobody reach this port whom you do not trust (docs/tracking.md)", "yellow")
