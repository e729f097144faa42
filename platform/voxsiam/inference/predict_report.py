"""What `voxsiam predict --report` writes down: enough to know later what made a label map.

No patient data: of an input only its own name and its geometry are kept.
"""

import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import nibabel
import torch

from voxsiam.inference.model_folder import LoadedModel
from voxsiam.types import Frozen
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.unused_file import UnusedFile

LIBRARIES = ("torch", "numpy", "nibabel", "SimpleITK")


class Geometry(Frozen):
    """Where the voxels of a file lie.

    Attributes:
        axes: Where each axis runs to: R/L, A/P, S/I.
        affine: Voxel index -> mm in NIfTI's RAS frame.
        form: The place of a NIfTI header that was believed: sform or qform.
    """

    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    axes: str
    affine: tuple[tuple[float, ...], ...]
    form: Form | None = None


class CaseReport(Frozen):
    """One scan that was segmented; `input` is the name of its file or folder, without the path."""

    name: str
    input: str
    output: str
    output_sha256: str
    probabilities: str | None
    geometry: Geometry
    organ_ml: dict[str, float]
    warnings: tuple[str, ...]
    seconds: dict[str, float]


class FailedCase(Frozen):
    """One scan that was not."""

    name: str
    input: str
    error: str


def geometry_of(scan: Scan) -> Geometry:
    """Describe where the voxels of a scan lie."""
    affine = scan.affine
    return Geometry(
        shape=scan.array.shape,
        spacing_mm=tuple(float((affine[:3, axis] ** 2).sum() ** 0.5) for axis in range(3)),
        axes="".join(nibabel.aff2axcodes(affine)),  # pyright: ignore[reportPrivateImportUsage]
        affine=tuple(tuple(map(float, row)) for row in affine),
        form=scan.form,
    )


def run_report(
    model: LoadedModel,
    cases: Sequence[CaseReport],
    failed: Sequence[FailedCase],
    unused: Sequence[UnusedFile] = (),
) -> dict[str, Any]:
    """Collect versions, model and results as plain JSON."""
    description, device = model.description.model_dump(mode="json"), model.device
    versions = {name: importlib.metadata.version(name) for name in ("voxsiam", *LIBRARIES)}
    return {
        "versions": versions | {"python": platform.python_version()},
        "model": {
            "folder": str(model.folder),
            "weights_sha256": model.weights_sha256,
            **description,
        },
        "computed": {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
            "precision": "bfloat16" if model.autocast else "float32",
            "threads": torch.get_num_threads(),
        },
        "cases": [case.model_dump(mode="json") for case in cases],
        "failed": [case.model_dump(mode="json") for case in failed],
        "unused": [asdict(file) | {"path": file.path.name} for file in unused],
    }
