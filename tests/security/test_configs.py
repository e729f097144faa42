"""S4: what configures us is data: no tag and no name of a function in it is ever called."""

import ast
import contextlib
import json
from pathlib import Path

import pytest

from tests.security.test_code_execution import READERS
from tests.voxsiam.inference.small_models import CPU, reseal, write_random_model
from tests.voxsiam.orchestration.toy_study import make_plan
from voxsiam.errors import UserError
from voxsiam.inference.model_folder import load_model
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.overrides import override
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_experiments.recipes import voxel_simsiam

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "platform/voxsiam",
    "platform/voxsiam_cli",
    "platform/voxsiam_api",
    "data_pipelines/voxsiam_data",
    "experiments/voxsiam_experiments",
    "dashboards/voxsiam_dashboards",
)

FORBIDDEN_IMPORTS = {
    "pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "hydra",
    "omegaconf", "runpy", "code",
}  # fmt: skip
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {"system", "popen", "import_module", "unsafe_load", "literal_eval"}


@pytest.fixture
def mark(tmp_path):
    """What a config that is called leaves behind."""
    return tmp_path / "mark"


def texts(mark):
    """Tags of YAML and of instantiating frameworks, as files."""
    shell = f"touch {mark}"
    return (
        f"!!python/object/apply:os.system ['{shell}']",
        f"!!python/object/new:subprocess.Popen [[touch, {mark}]]",
        f"case_id,side\n!!python/object/apply:os.system ['{shell}'],train\n",
        json.dumps({"_target_": "os.system", "command": shell}),
        json.dumps([{"_target_": "os.system", "_args_": [shell]}]),
        json.dumps({"py/reduce": [{"py/function": "os.system"}, {"py/tuple": [shell]}]}),
        json.dumps({"$import": "os", "value": f"$os.system('{shell}')"}),
        f"=SYSTEM('{shell}')\n",
    )


NAMES = [name for name in READERS if Path(name).suffix in (".csv", ".json")]


@pytest.mark.parametrize("name", NAMES)
def test_files_that_name_functions_call_none(tmp_path, mark, name):
    path = tmp_path / "place" / name
    path.parent.mkdir()
    for text in texts(mark):
        path.write_text(text)
        # Refused, or read as the text that it is.
        with contextlib.suppress(UserError):
            READERS[name](path)
    assert not mark.exists()


def settings(mark):
    shell = f"touch {mark}"
    call = json.dumps({"_target_": "os.system", "command": shell})
    return (
        "_target_=os.system",
        "network._target_=os.system",
        f"network={call}",
        f"optimiser={call}",
        f"optimiser.name=!!python/object/apply:os.system ['{shell}']",
        f"feature_loss={call}",
        f"epochs=__import__('os').system('{shell}')",
        "epochs=${oc.env:HOME}",
        f"crop={call}",
    )


@pytest.mark.parametrize("config", [voxel_simsiam(), PreparationConfig()], ids=["recipe", "data"])
def test_settings_that_name_functions_are_refused(mark, config):
    for setting in settings(mark):
        with pytest.raises(UserError):
            override(config, [setting])
    assert not mark.exists()


def test_a_model_that_names_a_function_is_refused(tmp_path):
    folder = write_random_model(tmp_path / "model")
    for field in ("network", "preparation"):
        content = json.loads((folder / "model.json").read_text())
        content["description"][field] |= {"_target_": "os.system"}
        reseal(folder / "model.json", content)
        with pytest.raises(UserError, match=f"does not know the model's {field}._target_"):
            load_model(folder, CPU)
        content["description"][field].pop("_target_")
        reseal(folder / "model.json", content)
    load_model(folder, CPU)


def test_a_study_that_names_a_function_is_refused(tmp_path):
    workspace = Workspace(tmp_path)
    path = Ledger.create(workspace, make_plan(workspace)).path
    content = json.loads(path.read_text())
    content["plan"]["trials"][0]["run"]["recipe"]["_target_"] = "os.system"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="cannot be read"):
        Ledger.read(path)


def product_files():
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]


def forbidden(tree):
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").partition(".")[0]]
        yield from (f"import {name}" for name in names if name in FORBIDDEN_IMPORTS)
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in FORBIDDEN_CALLS:
                yield called.id
            if isinstance(called, ast.Attribute) and called.attr in FORBIDDEN_METHODS:
                yield f".{called.attr}"
            if any(k.arg == "shell" for k in node.keywords):
                yield "shell="


def test_the_product_has_nothing_that_could_call_a_text():
    files = product_files()
    assert len(files) > 150
    found = {
        f"{path.relative_to(ROOT)}: {what}"
        for path in files
        for what in forbidden(ast.parse(path.read_text()))
    }
    # A file of the user's own, which the user has named on this command line.
    own = "experiments/voxsiam_experiments/study_file.py"
    assert found == {f"{own}: compile", f"{own}: exec"}


def test_a_file_of_ones_own_is_run_by_the_commands_that_name_it_alone():
    users = {
        str(path.relative_to(ROOT))
        for path in product_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "voxsiam_experiments.study_file"
        if {alias.name for alias in node.names} & {"load_table", "load_sweep"}
    }
    # In options.py what `study run` and `study list` were given becomes a table.
    assert users == {"platform/voxsiam_cli/options.py", "platform/voxsiam_cli/sweep/commands.py"}


def test_the_search_for_it_finds_it():
    source = "import yaml\nfrom pickle import loads\neval('1')\nos.system('x')\nrun(a, shell=True)"
    told = set(forbidden(ast.parse(source)))
    assert told == {"import yaml", "import pickle", "eval", ".system", "shell="}
