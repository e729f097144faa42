import pytest

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam_cli.study.session import open_planned
from voxsiam_data.prepared.prepare import prepare
from voxsiam_data.sources.detect import read_source


def test_volumes_that_were_prepared_otherwise_are_refused(
    ray_instance, case_folders, small_config, tmp_path
):
    """A resume must not go on with other volumes under the old fingerprint."""
    prepare(read_source(case_folders), tmp_path / "prepared", small_config)
    with pytest.raises(UserError, match="has changed since"):
        open_planned(tmp_path / "prepared", "another fingerprint", Capacity(()))
