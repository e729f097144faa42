"""Are these Hounsfield units?

Seen on a sample of one voxel every 3 mm, except for what a single voxel decides (NaN).
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Shaped

from voxsiam.volumes.label_flip import EVEN_ORGANS
from voxsiam_data.checks.case_voxels import CaseVoxels
from voxsiam_data.checks.finding import Finding

DARK_HU = -30.0
"""Fat, lung and air lie below; a scan of a trunk always has some."""

MIN_DARK_SHARE = 0.001
SOFT_HU = (-200.0, 300.0)
"""Fat, organs and vessels."""

OFFSET = 1024.0
"""Scanners store HU + 1024; some exports forget to take it off, or take it off twice."""

MIN_SHIFTED_SHARE = 0.05
ORGAN_MEDIAN_HU = (-100.0, 500.0)
"""Median over liver, spleen, left kidney and pancreas: -9 to 238 in any of them, measured on two
real CTs and 30 phantoms, with and without contrast."""

PADDING_HU = -1100.0
"""Air is -1000 with a noise of tens."""

MIN_PADDING_SHARE = 0.001
_MIN_ORGAN_VOXELS = 100


def check_intensities(voxels: CaseVoxels) -> Iterator[Finding]:
    """Refuse a scan that is not finite, is constant, or is not in Hounsfield units."""
    if voxels.image is None:
        return
    broken = _not_finite(voxels.image)
    if broken is not None:
        number, index = broken
        yield Finding(
            "intensities",
            "refuse",
            f"{number} intensities are NaN or infinite.",
            "export the scan again, with air (-1000 HU) where nothing was measured",
            slice_index=index,
        )
        return
    hu = voxels.sampled(voxels.image).astype(np.float32)
    darkest, brightest = float(hu.min()), float(hu.max())
    if darkest == brightest:
        what = f"Every voxel is {darkest:g}."
        yield Finding("intensities", "refuse", what, "export the scan again")
        return
    wrong_units = _wrong_units(hu) or _wrong_in_organs(voxels, hu)
    if wrong_units is not None:
        what, fix = wrong_units
        yield Finding("intensities", "refuse", what, fix)
        return
    padding = float(np.mean(hu < PADDING_HU))
    if padding > MIN_PADDING_SHARE:
        yield Finding(
            "intensities",
            "note",
            f"{padding:.1%} of it is darker than air, down to {hu.min():g}: padding around the "
            "scan's circle.",
            "nothing, with a window: it becomes air. Do not resample before windowing",
        )


def _not_finite(image: Shaped[np.ndarray, "d h w"]) -> tuple[int, int] | None:
    """Count voxels that are no numbers, and name the slice with most of them."""
    if image.dtype.kind != "f":
        return None
    with np.errstate(all="ignore"):
        # A sum is twice as fast, and finite unless a voxel is not (or is enormous).
        suspect = [not np.isfinite(one.sum()) for one in image]
    counts = [
        int(np.count_nonzero(~np.isfinite(one))) if look else 0
        for one, look in zip(image, suspect, strict=True)
    ]
    return (sum(counts), int(np.argmax(counts))) if any(counts) else None


def _share(hu: Float32[np.ndarray, "d h w"], low: float, high: float) -> float:
    return float(np.mean((hu > low) & (hu < high)))


def _wrong_units(hu: Float32[np.ndarray, "d h w"]) -> tuple[str, str] | None:
    low, high = SOFT_HU
    runs = f"its intensities run from {hu.min():g} to {hu.max():g}"
    if _share(hu, -np.inf, DARK_HU) < MIN_DARK_SHARE:
        if _share(hu, low + OFFSET, high + OFFSET) > MIN_SHIFTED_SHARE:
            return _offset(-OFFSET)
        return (
            f"It is not in Hounsfield units: nothing is as dark as fat or air, {runs}.",
            "give the CT as the scanner measured it, neither rescaled nor another modality",
        )
    if (
        _share(hu, low - OFFSET, high - OFFSET) > MIN_SHIFTED_SHARE
        and _share(hu, DARK_HU, np.inf) < MIN_DARK_SHARE
    ):
        return _offset(OFFSET)
    return None


def _wrong_in_organs(
    voxels: CaseVoxels, hu: Float32[np.ndarray, "d h w"]
) -> tuple[str, str] | None:
    if voxels.label is None:
        return None
    even = [n for n, organ in enumerate(voxels.organs, start=1) if organ in EVEN_ORGANS]
    inside = hu[np.isin(voxels.sampled(voxels.label), even)]
    if inside.size < _MIN_ORGAN_VOXELS:
        return None
    median = float(np.median(inside))
    low, high = ORGAN_MEDIAN_HU
    if low < median - OFFSET < high:
        return _offset(-OFFSET)
    if not low < median < high:
        return (
            f"The median of its organs is {median:.0f} HU.",
            "check that it is a CT in Hounsfield units and that this is its label map",
        )
    return None


def _offset(shift: float) -> tuple[str, str]:
    way = "high" if shift < 0 else "low"
    return (
        f"Its intensities are about {OFFSET:.0f} HU too {way}: an offset was "
        f"{'not taken off' if shift < 0 else 'taken off twice'}.",
        f"export it with its rescale intercept, or add {shift:.0f} to every voxel",
    )
