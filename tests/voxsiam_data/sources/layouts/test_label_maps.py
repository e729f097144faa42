import shutil

import pytest

from tests.source_miniatures import write_label_maps
from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap
from voxsiam_data.labels.protocols import protocol
from voxsiam_data.sources.detect import find_source


def test_label_maps_without_scans(tmp_path):
    root = write_label_maps(tmp_path / "anatomy")
    cases = find_source(root).manifest.cases
    assert [(c.case_id, c.image, c.source) for c in cases] == [
        ("a", None, "anatomy"),
        ("b", None, "anatomy"),
    ]
    path = root / "a.nii.gz"
    ours = {value: value for value in range(9)}
    assert cases[0].label == LabelMap(path=path, values=ours)
    word = protocol("word")
    other = find_source(root, word).manifest.cases[0].label
    assert other == LabelMap(path=path, values=word.values)


def test_a_name_twice(tmp_path):
    root = write_label_maps(tmp_path)
    shutil.copy(root / "a.nii.gz", root / "a.nii")
    with pytest.raises(UserError, match=r"the same case as a\.nii"):
        find_source(root)


@pytest.mark.shared_data
def test_real_label_maps(shared_data):
    manifest = find_source(shared_data / "anatomy").manifest
    assert len(manifest.cases) == 30
    assert manifest.cases[0].case_id == "word_01"
