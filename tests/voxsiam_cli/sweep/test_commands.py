import json

import pytest
import typer

from tests.voxsiam.orchestration.toy_sweep import make_ledger
from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.capacity import Capacity, Node
from voxsiam.orchestration.sweeps.plan import Budget
from voxsiam_cli.app import app
from voxsiam_cli.sweep.live import LiveSweep
from voxsiam_cli.sweep.session import _check_budget, _exit_without_winner
from voxsiam_experiments.sweeps import SWEEPS


def voxsiam(*arguments):
    return app(list(arguments), standalone_mode=False)


@pytest.mark.parametrize(
    ("arguments", "what", "fix"),
    [
        (("run", "lamda"), "no sweep 'lamda'", "did you mean 'lambda'"),
        (("run", "lambda", "--preset", "minni"), "no preset", "did you mean 'mini'"),
        (("run", "lambda", "--sampler", "gird"), "no sampler 'gird'", "did you mean 'grid'"),
        (("run", "lambda", "--sampler", "grid"), "a grid needs single values", "list them"),
        (("run", "lambda", "--objective", "dcs"), "no objective", "give dsc"),
        (("run",), "name a sweep, or say what to vary", "--over"),
        (("run", "lambda", "--over", "epochs=1,2"), "one of the two is meant", "--over"),
        (("run", "--over", "epochs=1,2", "--base", "unet"), "no recipe 'unet'", "unet3d"),
        (("run", "--over", "epoch=1,2"), "no field 'epoch'", "did you mean 'epochs'"),
        (("run", "absent.py"), "cannot be read", "check the path"),
        (
            ("run", "all", "--objective", "dsc", "--objective", "seconds", "--stop-early"),
            "ranks trials by one score",
            "leave --stop-early out",
        ),
        (("run", "lambda", "--hours", "0"), "budget of 0.0", "above 0"),
        (("run", "lambda", "--gpu-hours", "-1"), "budget of -1.0", "above 0"),
        (("run", "lambda", "--preset", "paper", "--dry-run"), "needs data", "data prepare"),
        (("run", "lambda", "--set", "feature_loss.weight=3"), "this sweep varies", "another sweep"),
        (("run", "lambda", "--set", "feature_loss=null"), "no value", "choose a recipe"),
        (("run", "lambda", "--set", "epoch=3"), "no field 'epoch'", "did you mean 'epochs'"),
        (("resume", "lambda"), "there is no workspace here", "voxsiam demo"),
        (("report", "all"), "there is no workspace here", "voxsiam demo"),
        (("status",), "there is no workspace here", "voxsiam demo"),
    ],
)
def test_bad_input_is_refused_with_what_and_the_mend(tmp_path, arguments, what, fix):
    with pytest.raises(UserError) as caught:
        voxsiam("sweep", *arguments, "--workspace", str(tmp_path / "w"))
    assert what in caught.value.what
    assert fix in caught.value.fix


def test_gpu_hours_need_a_gpu():
    def capacity(gpus):
        return Capacity((Node("1", "n1", 2.0, gpus),))

    with pytest.raises(UserError, match="no GPU"):
        _check_budget(Budget(gpu_hours=1), capacity(gpus=0.0))
    _check_budget(Budget(gpu_hours=1), capacity(gpus=1.0))
    _check_budget(Budget(hours=1), capacity(gpus=0.0))


def test_a_forecast_starts_nothing(tmp_path, capsys):
    folder = tmp_path / "w"
    voxsiam(
        "sweep", "run", "lambda", "--preset", "tiny", "--trials", "4", "--dry-run",
        "--workspace", str(folder),
    )  # fmt: skip
    said = capsys.readouterr().out
    assert "winner and printed settings" in said
    assert "all of it:" in said
    assert not folder.exists()


def test_the_forecast_of_a_search_by_hours_says_that_it_counts_one_trial(tmp_path, capsys):
    voxsiam(
        "sweep", "run", "lambda", "--preset", "tiny", "--hours", "1", "--dry-run",
        "--workspace", str(tmp_path / "w"),
    )  # fmt: skip
    said = capsys.readouterr().out
    assert "search, a single trial" in said
    assert "until its hours are used up" in said


def test_sweeps_are_listed(capsys):
    voxsiam("sweep", "list", "--json")
    assert json.loads(capsys.readouterr().out).keys() == SWEEPS.keys()


def test_the_status_tells_every_trial(tmp_path, capsys):
    ledger = make_ledger(tmp_path)
    ledger.add({"lambda": 2.0, "layers": 1})
    ledger.update(0, state="finished", curve={4: 0.5}, objectives={"dsc": 0.5, "seconds": 3.0})
    voxsiam("sweep", "status", "--json", "--workspace", str(tmp_path))
    (trials,) = json.loads(capsys.readouterr().out).values()
    assert trials[0]["objectives"] == {"dsc": 0.5, "seconds": 3.0}
    voxsiam("sweep", "status", "lambda", "--workspace", str(tmp_path))
    assert "lambda 2" in capsys.readouterr().out


def test_time_left_follows_from_the_trials_so_far(tmp_path):
    ledger = make_ledger(tmp_path, Budget(trials=4))
    live = LiveSweep(ledger)
    assert "left" not in live.standing()
    ledger.add({"lambda": 2.0, "layers": 1})
    ledger.update(0, state="finished", curve={4: 0.5}, objectives={"dsc": 0.5, "seconds": 3.0})
    ledger.spend(60.0, 0)
    assert live.standing() == (
        "1 of 4 trials done in 1:00, best: trial 0 with Validation DSC 0.500, about 3:00 left"
    )


def test_a_sweep_whose_trials_all_failed_ends_with_1(tmp_path, capsys):
    ledger = make_ledger(tmp_path)
    _exit_without_winner(ledger)
    ledger.add({"lambda": 2.0, "layers": 1})
    ledger.update(0, state="failed", error="no memory")
    with pytest.raises(typer.Exit) as caught:
        _exit_without_winner(ledger)
    assert caught.value.exit_code == 1
    assert "no memory" in capsys.readouterr().out
    ledger.add({"lambda": 3.0, "layers": 1})
    ledger.update(1, state="finished", curve={4: 0.5}, objectives={"dsc": 0.5, "seconds": 3.0})
    _exit_without_winner(ledger)
