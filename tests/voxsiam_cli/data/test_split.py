import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.nifti_files import phantom_ct, write_scan
from tests.prepared_folder import build_prepared
from tests.small_data_sets import SMALL, write_case_folders
from voxsiam.errors import UserError
from voxsiam_cli.data.commands import app

NAMES = tuple("abcdefghi")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    source = write_case_folders(folder / "clinic", NAMES)
    for number, name in enumerate(NAMES):  # equal label maps would be a leak
        write_scan(source / name / "label.nii.gz", np.roll(phantom_ct()[1], number, axis=2))
    build_prepared(folder / "prepared", source, SMALL)
    return folder / "prepared"


@pytest.fixture
def run(finished, tmp_path, monkeypatch):
    """Run a command on the prepared set; bad input is the UserError that the program shows."""
    monkeypatch.chdir(tmp_path)

    def call(verb, *arguments):
        words = [verb, str(finished), *map(str, arguments)]
        return CliRunner().invoke(app, words, catch_exceptions=False, env={"COLUMNS": "200"})

    return call


def splits_of(result):
    return json.loads(result.stdout)["splits"]


def test_the_papers_share_by_default(run, finished):
    (split,) = splits_of(run("split", "--json"))
    assert (len(split["train"]), len(split["validation"]), len(split["test"])) == (7, 0, 2)
    assert len(split["fingerprint"]) == 16
    shown = run("split").stdout
    assert "clinic 2" in shown
    assert "study run" not in shown


def test_the_split_of_a_study_is_the_one_it_draws_itself(run, finished, tmp_path):
    from voxsiam_data.prepared.prepared_set import open_prepared
    from voxsiam_data.splits.split_file import read_one_split
    from voxsiam_experiments.plan import request_id
    from voxsiam_experiments.presets import PRESETS, Choices
    from voxsiam_experiments.table3 import TABLE

    done = run("split", "--test-fraction", 0.2, "--validation-fraction", 1 / 6, "-o", "split.csv")
    assert f"study run table3 --data {finished} --split split.csv" in done.stdout
    split = read_one_split(tmp_path / "split.csv")
    prepared, tiny = open_prepared(finished), PRESETS["tiny"]
    assert request_id(TABLE, tiny, prepared, Choices(split=split)) == request_id(
        TABLE, tiny, prepared, Choices()
    )


def test_folds_to_nnunet_and_a_tenth_of_one_fold(run):
    run("split", "--folds", 3, "-o", "splits_final.json")
    folds = splits_of(run("split", "--from", "splits_final.json", "--json"))
    assert sorted(name for fold in folds for name in fold["test"]) == sorted(NAMES)
    half, third = (
        splits_of(
            run(
                "split", "--from", "splits_final.json", "--fold", 1, "--validation-fraction", 0.3,
                "--fraction", fraction, "--json",
            )
        )[0]
        for fraction in (0.5, 0.3)
    )  # fmt: skip
    assert half["test"] == third["test"] == folds[1]["test"]
    assert half["validation"] == third["validation"]
    assert (len(half["validation"]), len(half["train"]), len(third["train"])) == (2, 2, 1)
    assert set(third["train"]) < set(half["train"]) < set(folds[1]["train"])


def test_statistics_go_into_the_set_with_their_cases(run, finished):
    (split,) = splits_of(run("split", "-o", "split.csv", "--json"))
    found = json.loads(run("statistics", "--split", "split.csv", "--json").stdout)
    assert found["cases"] == split["train"]
    assert -200 < found["mean_hu"] < 250
    shown = run("statistics", "--split", "split.csv").stdout
    assert f"over the 7 training cases: {', '.join(split['train'])}" in shown
    assert f"--set 'mean_hu={found['mean_hu']}' --set 'std_hu={found['std_hu']}'" in shown
    assert [path.name for path in finished.glob("statistics-*")] == [found["record"].split("/")[-1]]


BAD_CALLS = {
    "two ways": (("--folds", 3, "--test-fraction", 0.2), "different ways to split"),
    "file and folds": (("--from", "x.csv", "--folds", 3), "different ways to split"),
    "too many folds": (("--folds", 10), "9 cases of 9 patients"),
    "no such fold": (("--folds", 3, "--fold", 3), "no fold 3"),
    "nothing to train on": (("--test-fraction", 1), "cannot test on 1"),
    "no fraction": (("--fraction", 0), "has no meaning"),
    "absent lists": (("--from", "absent.csv"), "does not exist"),
    "leaking lists": (("--from", "leak.json"), "'a' stands under train and under test"),
    "unknown case": (("--from", "other.csv", "--fraction", 0.5), "names the case 'zoe'"),
    "unclear form": (("-o", "split.txt"), "not clear from its name"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls(run, tmp_path, name):
    (tmp_path / "leak.json").write_text(json.dumps([{"train": ["a", "b"], "val": ["a"]}]))
    (tmp_path / "other.csv").write_text("case_id,side\nzoe,train\nb,test\n")
    arguments, words = BAD_CALLS[name]
    with pytest.raises(UserError, match=words) as caught:
        run("split", *arguments)
    assert caught.value.fix
