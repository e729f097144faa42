import csv
import json
from typing import Any

import pytest

from tests.voxsiam.orchestration.toy_sweep import SETTINGS, make_ledger
from voxsiam.errors import UserError
from voxsiam.orchestration.runs.plan import RunState
from voxsiam.orchestration.sweeps.plan import Budget, Spent, SweepTrial
from voxsiam.orchestration.tracking.sweep_tracker import SweepTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam_dashboards.figures.sweep_charts import (
    LEAST_TRIALS,
    history,
    importance_bars,
    importances,
    parallel,
    pareto,
    pareto_front,
    slices,
)
from voxsiam_dashboards.reports.sweep import to_csv, write_sweep_report
from voxsiam_dashboards.store.sweep_results import SweepResults, load_sweep

PLAN = {
    "preset": "tiny",
    "data": {"name": "toy", "kind": "phantom"},
    "cases": {"train": 6, "validation": 1},
    "objectives": ["dsc"],
    "sampler": "tpe",
    "stop_early": True,
    "seeds": 1,
    "epochs": 4,
}


def drawn(figure: Any) -> Any:
    """The traces of a figure; plotly's types know no attributes."""
    return figure.data


def trial(number, weight, layers, dsc, seconds=10.0, state: RunState = "finished"):
    epochs = 4 if state == "finished" else 1
    return SweepTrial(
        number=number,
        values={"lambda": weight, "layers": layers},
        seeds=(0,),
        state=state,
        curve={epoch: float(dsc) for epoch in range(1, epochs + 1)},
        objectives={"dsc": dsc, "seconds": seconds} if state == "finished" else {},
    )


def results(trials, best: int | None = 0):
    return SweepResults(
        sweep_id="sweep-lambda-tiny",
        parent_run_id="p" * 32,
        plan=PLAN,
        settings=SETTINGS,
        trials=tuple(trials),
        best=best,
        spent=Spent(seconds=720.0),
        budget=Budget(trials=16),
    )


def many(count=16, stopped=3):
    """Scores that follow from lambda alone; layers change nothing."""
    weights = [0.1 * 1.8**n for n in range(count)]
    found = [trial(n, w, 1 + n % 3, 0.2 + 0.03 * n, 10.0 + n) for n, w in enumerate(weights)]
    late = range(count, count + stopped)
    return results([*found, *(trial(n, 5.0, 2, 0.9, state="stopped") for n in late)], count - 1)


def test_the_setting_that_decides_is_the_important_one_and_the_other_is_not():
    first, second = importances(many())
    assert (first.setting, second.setting) == ("lambda", "layers")
    assert first.share > 0.8
    assert first.share + second.share == pytest.approx(1)
    for each in (first, second):
        assert 0 <= each.low <= each.high <= 1
    assert first.low > second.high
    assert importances(many()) == importances(many())


@pytest.mark.parametrize(
    "found",
    [
        results([trial(n, 1.0 + n, 1, 0.1 * n) for n in range(LEAST_TRIALS - 1)]),
        results([trial(n, 1.0 + n, 1, 0.5) for n in range(LEAST_TRIALS)]),
        results([trial(n, 1.0 + n, 1, 0.1 * n, state="stopped") for n in range(20)], None),
    ],
    ids=["too few", "all equal", "none trained to the end"],
)
def test_where_nothing_can_be_said_nothing_is(found):
    assert importances(found) == ()
    assert importance_bars(()) is None


def test_the_front_holds_what_no_other_beats_in_both():
    trials = [
        trial(0, 1.0, 1, 0.5, 10.0),
        trial(1, 1.0, 1, 0.4, 12.0),  # worse and slower
        trial(2, 1.0, 1, 0.6, 20.0),
        trial(3, 1.0, 1, 0.6, 25.0),  # as good, slower
        trial(4, 1.0, 1, 0.3, 5.0),
    ]
    assert [each.number for each in pareto_front(trials)] == [4, 0, 2]


def test_trials_that_were_stopped_are_drawn_apart():
    found = many()
    done, stopped, best = drawn(history(found))
    assert len(done.x) == 16
    assert len(stopped.x) == 3
    assert {done.marker.symbol, stopped.marker.symbol} == {"circle", "circle-open"}
    assert list(best.y) == sorted(best.y)
    assert max(best.y) < 0.9, "a short training does not lead"
    front = pareto(found)
    assert front is not None
    assert len(drawn(front)[0].x) == 16
    lines = parallel(found)
    assert lines is not None
    assert [each.type for each in drawn(lines)] == ["scatter"] * 16, "no WebGL is needed"
    assert all(0 <= place <= 1 for line in drawn(lines) for place in line.y)
    best = max(range(16), key=lambda number: found.finished[number].objectives["dsc"])
    assert drawn(lines)[best].y[-1] == 1
    assert len(drawn(slices(found))) == 4


def test_the_page_says_who_won_and_stands_alone(tmp_path):
    page = write_sweep_report("How much?", many(), None, tmp_path / "report")
    text = page.read_text()
    assert "Winner: trial 15" in text
    assert "stopped early" in text
    assert "Not trained and tested yet" in text
    assert "<script src" not in text
    assert "default-src 'none'" in text
    lines = list(csv.DictReader((page.parent / "trials.csv").open()))
    assert len(lines) == 19
    assert float(lines[15]["validation_dsc"]) == pytest.approx(0.65)
    assert lines[16]["seconds"] == ""
    told = json.loads((page.parent / "trials.json").read_text())
    assert told["best"] == 15


def test_a_page_without_a_trial_that_came_to_the_end(tmp_path):
    found = results([trial(0, 1.0, 1, 0.4, state="stopped")], None)
    text = write_sweep_report("How much?", found, None, tmp_path / "report").read_text()
    assert "there is no winner" in text
    assert "Nothing can be said" in text


def test_markup_in_an_error_is_shown_as_text(tmp_path):
    broken = trial(0, 1.0, 1, 0.4, state="failed").model_copy(
        update={"error": "<script>x</script>"}
    )
    page = write_sweep_report("How much?", results([broken], None), None, tmp_path / "report")
    assert "<script>x" not in page.read_text()
    assert "&lt;script&gt;x" in page.read_text()


def test_what_was_tracked_is_what_is_read_back(tmp_path):
    workspace = Workspace(tmp_path)
    ledger = make_ledger(tmp_path)
    tracker = SweepTracker(workspace, ledger)
    with pytest.raises(UserError, match="no trial of the sweep"):
        load_sweep(workspace.tracking_uri, "lambda-toy")
    ledger.add({"lambda": 2.0, "layers": 1})
    ended = ledger.update(0, state="stopped", curve={1: 0.25})
    tracker.trial_ended(ended)
    found = load_sweep(workspace.tracking_uri, "lambda-toy")
    assert found.trials == tuple(ledger.trials)
    assert found.settings == ledger.plan.space.settings
    assert found.best is None
    assert to_csv(found).splitlines()[1].startswith("0,stopped,1,0.25")
