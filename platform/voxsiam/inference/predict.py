"""One scan -> its label map, on the scan's own voxels."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from voxsiam.durable_files import sha256_of
from voxsiam.errors import refusal
from voxsiam.inference.model_folder import LoadedModel
from voxsiam.inference.plausibility import implausible
from voxsiam.inference.predict_report import CaseReport, geometry_of
from voxsiam.inference.scan_files import ResultFiles, ScanSource
from voxsiam.inference.segment import network_output, probabilities
from voxsiam.volumes.body_axes import body_axes
from voxsiam.volumes.nifti import Scan, geometry_header, write_nifti, write_voxels
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.orientation import from_canonical, tilt_note, to_canonical
from voxsiam.volumes.placement import Placement, place
from voxsiam.volumes.preparation import prepare_image
from voxsiam.volumes.restoration import PROBABILITY_STEPS, restore_classes, restore_probabilities
from voxsiam.volumes.volume_file import read_image

FEW_SLICES = 16


@dataclass(frozen=True)
class Prediction:
    """What a model says on one scan.

    Attributes:
        label: 0 background, 1.. organs, in the axes of the scan's file.
        probabilities: Of every class on the training grid.
        warnings: What to doubt about the result.
    """

    label: UInt8[np.ndarray, "i j k"]
    probabilities: Float32[Tensor, "c d h w"]
    placement: Placement
    organ_ml: dict[str, float]
    warnings: tuple[str, ...]


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - start


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
        results: Files to write; they are replaced where they are.
        geometry: The form of a NIfTI header to believe, see `read_nifti`.

    Raises:
        UserError: The scan is unusable, or a result cannot be written.
    """
    seconds: dict[str, float] = {}
    with _timed(seconds, "read"):
        scan = read_image(source.path, geometry, source.parts)
    found = predict_scan(model, scan, seconds)
    try:
        with _timed(seconds, "write"):
            write_nifti(results.label, found.label, scan.affine, scan.header)
            if probabilities:
                write_probabilities(results.probabilities, scan, found)
    except OSError as error:
        raise refusal(
            results.label,
            f"The result cannot be written ({error.strerror}).",
            "free space on the disk, or choose another -o",
        ) from None
    return CaseReport(
        name=source.name,
        input=source.path.name,
        output=str(results.label),
        output_sha256=sha256_of(results.label),
        probabilities=str(results.probabilities) if probabilities else None,
        geometry=geometry_of(scan),
        organ_ml=found.organ_ml,
        warnings=found.warnings,
        seconds={step: round(spent, 3) for step, spent in seconds.items()},
    )


def predict_scan(
    model: LoadedModel, scan: Scan, seconds: dict[str, float] | None = None
) -> Prediction:
    """Segment a scan.

    Args:
        seconds: Takes the time of each step.

    Raises:
        UserError: The scan shows nothing in the model's window, is turned out of the patient's
            axes, or does not fit the device.
    """
    seconds = {} if seconds is None else seconds
    tilt = tilt_note(scan.affine, str(scan.path))
    config = model.description.preparation
    with _timed(seconds, "prepare"):
        placement = place(scan, config)
        image = prepare_image(scan, config, placement)
    with _timed(seconds, "network"):
        scores = _class_scores(model, image, scan)
    with _timed(seconds, "restore"):
        native = restore_classes(scores, placement)
        organ_ml = _organ_ml(native, scan, model.description.organs)
    with _timed(seconds, "check"):
        found = (*scan.notes, tilt, *_warnings(model, scan, placement))
        grid = scores.argmax(0).to(torch.uint8).cpu().numpy()
        grid_mm = placement.grid_spacing_mm(config.grid_dhw)
        warnings = tuple(filter(None, (*found, *implausible(grid, grid_mm, organ_ml))))
    label = from_canonical(native, placement.order)
    return Prediction(label, scores, placement, organ_ml, warnings)


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
    parts = (from_canonical(part, prediction.placement.order) for part in restored)
    write_voxels(path, header, parts)


def _organ_ml(
    native: UInt8[np.ndarray, "d h w"], scan: Scan, organs: Sequence[str]
) -> dict[str, float]:
    voxel_ml = abs(float(np.linalg.det(scan.affine[:3, :3]))) / 1000
    counts = torch.bincount(torch.from_numpy(native).flatten(), minlength=len(organs) + 1)
    return {
        organ: round(count * voxel_ml, 2)
        for organ, count in zip(organs, counts[1:].tolist(), strict=True)
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
    described = model.description
    untaught = [organ for organ in described.organs if organ not in described.taught]
    if untaught:
        found.append(f"the model was never shown {', '.join(untaught)}: background here")
    return found


def _class_scores(
    model: LoadedModel, image: Float[np.ndarray, "d h w"], scan: Scan
) -> Float32[Tensor, "c d h w"]:
    try:
        # The features are let go before the softmax needs memory.
        logits = network_output(
            model.network, image, autocast=model.autocast, device=model.device
        ).logits
        scores = probabilities(logits, model.description.taught, model.description.organs)
        if scores.is_cuda:
            torch.cuda.synchronize(scores.device)
    except torch.OutOfMemoryError:
        raise refusal(
            scan.path,
            "The GPU's memory is too small for this network.",
            "use --device cpu, or free the GPU",
        ) from None
    return scores
