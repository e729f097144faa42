"""One scan -> its label map, on the scan's own voxels."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError
from voxsiam.inference.model_folder import LoadedModel
from voxsiam.inference.plausibility import implausible
from voxsiam.inference.predict_report import CaseReport, geometry_of
from voxsiam.inference.scan_files import ResultFiles, ScanSource
from voxsiam.inference.segment import class_scores
from voxsiam.types import ORGANS
from voxsiam.volumes.body_axes import body_axes
from voxsiam.volumes.image_files import read_image
from voxsiam.volumes.nifti import Scan, geometry_header, write_nifti, write_voxels
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.orientation import tilt_note, to_canonical
from voxsiam.volumes.placement import Placement, place
from voxsiam.volumes.preparation import prepare_image
from voxsiam.volumes.restoration import (
    PROBABILITY_STEPS,
    restore_classes,
    restore_probabilities,
    to_file_axes,
)

FEW_SLICES = 16


@dataclass(frozen=True)
class Prediction:
    """What a model says on one scan.

    Attributes:
        label: 0 background, 1..8 organs, in the axes of the scan's file.
        probabilities: Of every class on the training grid.
        placement: Where that grid lies in the scan.
        organ_ml: Volume of each organ in millilitres.
        warnings: What to doubt about the result.
    """

    label: UInt8[np.ndarray, "i j k"]
    probabilities: Float32[Tensor, "c d h w"]
    placement: Placement
    organ_ml: dict[str, float]
    warnings: tuple[str, ...]


class Stopwatch:
    """Seconds spent on each named step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Add the time of the block to a step."""
        start = time.perf_counter()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start


def predict_case(
    model: LoadedModel,
    source: ScanSource,
    results: ResultFiles,
    *,
    probabilities: bool,
    geometry: Form | None = None,
) -> CaseReport:
    """Read a scan, segment it and write the results.

    Args:
        model: Applied as it was trained.
        results: Files to write; they are replaced where they are.
        probabilities: Whether to write those too.
        geometry: The form of a NIfTI header to believe, see `read_nifti`.

    Raises:
        UserError: The scan is unusable, or a result cannot be written.
    """
    watch = Stopwatch()
    with watch("read"):
        scan = read_image(source.path, geometry, source.parts)
    found = predict_scan(model, scan, watch)
    with watch("write"), _writing(results):
        write_nifti(results.label, found.label, scan.affine, scan.header)
        if probabilities:
            write_probabilities(results.probabilities, scan, found)
    return CaseReport(
        name=source.name,
        input=source.path.name,
        output=str(results.label),
        output_sha256=sha256_of(results.label),
        probabilities=str(results.probabilities) if probabilities else None,
        geometry=geometry_of(scan),
        organ_ml=found.organ_ml,
        warnings=found.warnings,
        seconds={step: round(seconds, 3) for step, seconds in watch.seconds.items()},
    )


def predict_scan(model: LoadedModel, scan: Scan, watch: Stopwatch | None = None) -> Prediction:
    """Segment a scan.

    Raises:
        UserError: The scan shows nothing in the model's window, is turned out of the patient's
            axes, or does not fit the device.
    """
    watch = watch or Stopwatch()
    tilt = tilt_note(scan.affine, str(scan.path))
    config = model.description.preparation
    with watch("prepare"):
        placement = place(scan, config)
        image = prepare_image(scan, config, placement)
    with watch("network"), _fitting(scan):
        scores = class_scores(
            model.network,
            image,
            autocast=model.autocast,
            device=model.device,
            taught=model.description.taught,
        )
        if scores.is_cuda:
            torch.cuda.synchronize(scores.device)
    with watch("restore"):
        native = restore_classes(scores, placement)
        organ_ml = _organ_ml(native, scan)
    with watch("check"):
        found = (*scan.notes, tilt, *_warnings(model, scan, placement))
        grid = scores.argmax(0).to(torch.uint8).cpu().numpy()
        grid_mm = placement.grid_spacing_mm(config.grid_dhw)
        warnings = tuple(filter(None, (*found, *implausible(grid, grid_mm, organ_ml))))
    return Prediction(to_file_axes(native, placement), scores, placement, organ_ml, warnings)


def write_probabilities(path: Path, scan: Scan, prediction: Prediction) -> None:
    """Write the probabilities of all classes as one 4D file, classes along its last axis.

    They are stored as whole parts of 65535 with the slope in the header, which NIfTI readers
    apply: values read are in [0, 1], to 1.6e-5. One class at a time is in memory.
    """
    header = geometry_header(scan.affine, scan.header)
    header.set_data_shape((*scan.array.shape, len(prediction.probabilities)))
    header.set_data_dtype(np.uint16)
    header.set_slope_inter(1 / PROBABILITY_STEPS, 0)
    restored = restore_probabilities(prediction.probabilities, prediction.placement)
    parts = (to_file_axes(part, prediction.placement) for part in restored)
    write_voxels(path, header, parts)


def _organ_ml(native: UInt8[np.ndarray, "d h w"], scan: Scan) -> dict[str, float]:
    voxel_ml = abs(float(np.linalg.det(scan.affine[:3, :3]))) / 1000
    counts = torch.bincount(torch.from_numpy(native).flatten(), minlength=len(ORGANS) + 1)
    return {
        organ: round(count * voxel_ml, 2)
        for organ, count in zip(ORGANS, counts[1:].tolist(), strict=True)
    }


def _warnings(model: LoadedModel, scan: Scan, placement: Placement) -> list[str]:
    image = to_canonical(scan.array, placement.order)
    found = [body_axes(image, placement.native_spacing_mm).doubt]
    if min(placement.native_shape) < FEW_SLICES:
        found.append(f"only {min(placement.native_shape)} slices: small organs fall between them")
    if scan.array.min() >= 0:
        found.append("no value below 0: are these Hounsfield units?")
    if model.description.preparation.crop == "box":
        found.append("the model was trained on cropped scans, this one is used whole")
    untaught = [organ for organ in ORGANS if organ not in model.description.taught]
    if untaught:
        found.append(f"the model was never shown {', '.join(untaught)}: background here")
    return found


@contextmanager
def _fitting(scan: Scan) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise UserError(
            "The GPU's memory is too small for this network.",
            where=str(scan.path),
            fix="use --device cpu, or free the GPU",
        ) from None


@contextmanager
def _writing(results: ResultFiles) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"The result cannot be written ({error.strerror}).",
            where=str(results.label),
            fix="free space on the disk, or choose another -o",
        ) from None
