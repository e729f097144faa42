import pytest

from data_pipelines.prepare import prepare
from data_pipelines.sources.detect import read_source
from tests.voxsiam.orchestration.toy_study import make_plan
from voxsiam.errors import UserError
from voxsiam.orchestration.workspace import Workspace
from voxsiam_cli.study_session import _open_planned


def test_volumes_that_were_prepared_otherwise_are_refused(
    ray_instance, case_folders, small_config, tmp_path
):
    """A resume must not go on with other volumes under the old fingerprint."""
    prepare(read_source(case_folders), tmp_path / "prepared", small_config)
    plan = make_plan(Workspace(tmp_path / "w")).model_copy(
        update={"prepared": tmp_path / "prepared"}
    )
    with pytest.raises(UserError, match="has changed since"):
        _open_planned(plan)
