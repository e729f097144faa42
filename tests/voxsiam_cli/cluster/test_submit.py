import pytest
from typer.core import TyperGroup
from typer.main import get_command

from voxsiam.errors import UserError
from voxsiam_cli.app import app
from voxsiam_cli.cluster.submit import read_command


def read(text):
    program = get_command(app)
    assert isinstance(program, TyperGroup)
    return read_command(program, text.split())


def test_a_command_is_sent_as_it_was_written():
    text = "study run table3 --preset tiny --workspace /shared/w --data /shared/p --set epochs=3"
    command = read(text)
    assert command.words == tuple(text.split())
    assert command.name.startswith("study-run-table3-")
    assert command.files == ()


@pytest.mark.parametrize(
    "text",
    [
        "study run table3 --workspace /shared/w --preset tiny",
        "study run table3 --preset=tiny -w /shared/w",
        "study run --preset tiny -w /shared/w table3",
    ],
)
def test_equal_requests_have_one_name_however_they_are_written(text):
    assert read(text).name == read("study run table3 --preset tiny -w /shared/w").name


@pytest.mark.parametrize(
    "text",
    [
        "study run table3 --preset tiny -w /shared/other",
        "study run table3 --preset mini -w /shared/w",
        "study run table4 --preset tiny -w /shared/w",
        "study run table3 --preset tiny -w /shared/w --set epochs=9",
        "sweep run lambda --preset tiny -w /shared/w",
    ],
)
def test_other_requests_have_other_names(text):
    assert read(text).name != read("study run table3 --preset tiny -w /shared/w").name


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("", "'' does not run", "voxsiam submit"),
        ("ui -w /shared/w", "'ui' does not run", "voxsiam submit"),
        ("submit -- study list", "'submit' does not run", "voxsiam submit"),
        ("stud run table3", "'stud' does not run", "voxsiam submit"),
        ("study", "a command is missing", "voxsiam study"),
        ("study rum table3", "no command 'rum'", "voxsiam study"),
        ("study run table3 -w /s/w --data s3://K:S@lab/set", "holds keys", "s3://...@lab/set"),
        ("study run table3 -w /s/w --data prepared", "'prepared' is relative", "--data"),
        # The default workspace lies in the folder where the job runs, which is deleted after it.
        ("study run table3", "'voxsiam-workspace' is relative", "--workspace"),
        ("study run table3 -w w", "'w' is relative", "--workspace"),
        ("study run table3 -w /w --data prepared", "'prepared' is relative", "--data"),
        ("study run table3 -w /w --split none.json", "'none.json' is relative", "--split"),
        ("data prepare scans -o /shared/p -w /w", "'scans' is relative", "--source"),
    ],
)
def test_what_cannot_run_elsewhere_is_refused_before_anything_is_sent(text, what, where):
    with pytest.raises(UserError, match=what) as caught:
        read(text)
    assert caught.value.where == where
    assert caught.value.fix


def test_an_unknown_option_is_refused_as_the_program_would():
    with pytest.raises(Exception, match="--presets"):
        read("study run table3 --presets tiny")


@pytest.mark.parametrize("written", ["--split {}", "--split={}"])
def test_a_split_file_of_this_machine_travels_with_the_code(tmp_path, written):
    file = tmp_path / "fold0.json"
    file.write_text("{}")
    command = read(f"study run table3 -w /shared/w {written.format(file)}")
    assert command.files == (file,)
    assert str(file) not in " ".join(command.words)
    assert "fold0.json" in " ".join(command.words)
