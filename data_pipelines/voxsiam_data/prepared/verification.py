"""Every byte and every voxel of a prepared set, compared with what is said of it."""

import zlib
from collections.abc import Iterator
from functools import partial

import numpy as np
from jaxtyping import Float16, UInt8

from voxsiam.errors import UserError
from voxsiam_data.prepared.entries import read_native_label
from voxsiam_data.prepared.prepared_set import PreparedSet, read_arrays, require_sound
from voxsiam_data.prepared.record import PreparedCase
from voxsiam_data.side_by_side import OnCase, side_by_side, unheard

CASES_AT_A_TIME = 4


def verify_set(prepared: PreparedSet, on_case: OnCase = unheard) -> list[str]:
    """Say in a sentence each what is wrong with the cases of a set, in its order."""
    found = side_by_side(partial(_faults, prepared), prepared.cases, CASES_AT_A_TIME, on_case)
    return [fault for faults in found for fault in faults]


def _faults(prepared: PreparedSet, case: PreparedCase) -> list[str]:
    folder = prepared.folder(case)
    try:
        require_sound(folder, case)
        image, label = read_arrays(folder, case)
        native = read_native_label(folder, case.native_shape)
    except UserError as error:
        return [error.what]
    except (OSError, ValueError, EOFError, zlib.error) as error:
        return [f"The native label map of '{case.case_id}' cannot be read ({error!s:.80})."]
    faults = [*_image_faults(image, unit=prepared.config.intensity == "unit")]
    faults += _label_faults(label, case, prepared.organs)
    if native.max() >= prepared.num_classes:
        faults.append("the native label map has labels of no organ")
    return [f"{fault[0].upper()}{fault[1:]} in '{case.case_id}'." for fault in faults]


def _image_faults(image: Float16[np.ndarray, "d h w"], *, unit: bool) -> Iterator[str]:
    odd = int(np.count_nonzero(~np.isfinite(image)))
    if odd:
        yield f"{odd} voxels of the image are no numbers"
    elif unit and not 0 <= float(image.min()) <= float(image.max()) <= 1:
        yield "intensities lie outside of [0, 1]"


def _label_faults(
    label: UInt8[np.ndarray, "d h w"], case: PreparedCase, organs: tuple[str, ...]
) -> Iterator[str]:
    counts = np.bincount(label.ravel(), minlength=len(organs) + 1)
    beyond = counts[len(organs) + 1 :].sum()
    if beyond:
        yield f"{beyond} voxels have labels of no organ"
    for value, organ in enumerate(organs, start=1):
        told = case.organ_voxels.get(organ, 0)
        if told != counts[value]:
            yield f"{counts[value]} voxels are {organ}, recorded are {told},"
