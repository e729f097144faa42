"""Small data sets made by hand, in the layouts that the readers know."""

import json
from pathlib import Path

from tests.nifti_files import phantom_ct, write_scan
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.preparation import PreparationConfig

SMALL = PreparationConfig(grid_dhw=(16, 16, 16))


def write_case_folders(root: Path, names=("anna", "bert", "carl")) -> Path:
    for seed, name in enumerate(names):
        image, label = phantom_ct(seed=seed)
        write_scan(root / name / "image.nii.gz", image)
        write_scan(root / name / "label.nii.gz", label)
    return root


def write_nnunet(root: Path, names=("ct_001", "ct_002"), *, suffix="_0000", labels=None) -> Path:
    for seed, name in enumerate(names):
        image, label = phantom_ct(seed=seed)
        write_scan(root / "imagesTr" / f"{name}{suffix}.nii.gz", image)
        write_scan(root / "labelsTr" / f"{name}.nii.gz", label)
    labels = labels or {"background": 0} | {name: i for i, name in enumerate(PAPER_ORGANS, start=1)}
    description = {"labels": labels, "numTraining": len(names), "file_ending": ".nii.gz"}
    (root / "dataset.json").write_text(json.dumps(description))
    return root
