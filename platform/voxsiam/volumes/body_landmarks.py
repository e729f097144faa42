"""Where the spine, the liver and the lungs lie in a scan, from its intensities alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int, Shaped
from scipy import ndimage

from voxsiam.types import Spacing
from voxsiam.volumes.cropping import BODY_THRESHOLD_HU, largest_part

BONE_HU = 180.0
SOFT_HU = (0.0, 200.0)
LUNG_HU = (-940.0, -600.0)
"""Gas in the bowel is darker."""

AIR_HU, METAL_HU = -1024.0, 3071.0

CORE_DEPTH_MM, LUNG_DEPTH_MM = 18.0, 10.0
"""How deep inside even tissue and lung are counted: few muscles and loops of bowel are as thick."""

SPINE_MM, BESIDE_MM = 10.0, 30.0
"""Standard deviation of the weights around a column of bone; half the width of what belongs to the
spine, and is no organ beside it."""

_STEP_MM = 6.0
_MIN_LENGTH = 8

Body = Bool[np.ndarray, "d h w"]


@dataclass(frozen=True)
class Side:
    """One end of the body's outline along an axis.

    Attributes:
        distance_mm: From the spine.
        is_skin: Whether air follows there, or else the end of the scan.
    """

    distance_mm: float
    is_skin: bool


@dataclass(frozen=True)
class BodyLandmarks:
    """What a scan shows of a body. Places along d are shares of the scan's length, 0 to 1.

    Attributes:
        extent_mm: Of the scan along d, h, w.
        bone_share: For d, h, w: over how much of the body's length bone stays in one place, in the
            quarter where it does least.
        end_share: For d, h, w: body in the end slices, as a share of the fullest slice.
        spine_rival: The next column of bone along d as a share of the one taken for the spine;
            1 where no bone stays in one place.
        front_back: The ends of the outline along h, low first.
        left_right: Those along w.
        core_ml: Even soft tissue deep inside, on the low and the high side of the spine along w,
            as far as the scan reaches on both.
        core_offset_mm: Its mean place along w, from the spine.
        core_at: Its mean place along d.
        lung_ml: Lung in view.
        lung_at: Its mean place along d.
    """

    extent_mm: tuple[float, float, float]
    bone_share: tuple[float, float, float]
    end_share: tuple[float, float, float]
    spine_rival: float
    front_back: tuple[Side, Side]
    left_right: tuple[Side, Side]
    core_ml: tuple[float, float]
    core_offset_mm: float
    core_at: float
    lung_ml: float
    lung_at: float


def body_landmarks(image: Shaped[np.ndarray, "d h w"], spacing_mm: Spacing) -> BodyLandmarks | None:
    """Measure the landmarks of a CT in HU on a grid of about 6 mm: 30 ms a scan.

    Returns:
        None where the scan is too small, or shows no bone in a body.
    """
    steps = [max(1, int(_STEP_MM / size)) for size in spacing_mm]
    # As far from both ends: a mirrored scan shows the same voxels.
    coarse = image[
        tuple(
            slice((n - 1) % step // 2, None, step)
            for n, step in zip(image.shape, steps, strict=True)
        )
    ].astype(np.float32)
    # Padding, metal and infinite values must not decide for their neighbours.
    coarse = np.clip(np.nan_to_num(coarse, nan=AIR_HU), AIR_HU, METAL_HU)
    if min(coarse.shape) < _MIN_LENGTH:
        return None
    d_mm, h_mm, w_mm = (step * size for step, size in zip(steps, spacing_mm, strict=True))
    smooth = ndimage.uniform_filter(coarse, 3)
    body = largest_part(smooth > BODY_THRESHOLD_HU)
    bone = (coarse > BONE_HU) & body
    outline = body.mean(axis=0) > 0.5
    if not bone.any() or not outline.any():
        return None
    column = _bone_column(bone, (h_mm, w_mm))
    spine_h, spine_w = map(int, np.unravel_index(int(column.argmax()), column.shape))
    soft = (smooth > SOFT_HU[0]) & (smooth < SOFT_HU[1])
    core = _deep(soft, (d_mm, h_mm, w_mm), CORE_DEPTH_MM)
    air = _deep(smooth < LUNG_HU[1], (d_mm, h_mm, w_mm), LUNG_DEPTH_MM)
    lung = air & (smooth > LUNG_HU[0]) & _filled(body)
    voxel_ml = d_mm * h_mm * w_mm / 1000
    beside = _beside_spine(core.sum(axis=(0, 1)), spine_w, w_mm)
    low_ml, high_ml = (float(side.sum() * voxel_ml) for side in np.split(beside, [spine_w]))
    return BodyLandmarks(
        extent_mm=(len(core) * d_mm, core.shape[1] * h_mm, core.shape[2] * w_mm),
        bone_share=_bone_shares(body, bone),
        end_share=_end_shares(body),
        spine_rival=_rival(column, (spine_h, spine_w), (h_mm, w_mm)),
        front_back=_sides(outline.any(axis=1), spine_h, h_mm),
        left_right=_sides(outline.any(axis=0), spine_w, w_mm),
        core_ml=(low_ml, high_ml),
        core_offset_mm=(_mean_place(beside) - spine_w) * w_mm,
        core_at=_mean_place(core.sum(axis=(1, 2))) / (len(core) - 1),
        lung_ml=float(np.count_nonzero(lung) * voxel_ml),
        lung_at=_mean_place(lung.sum(axis=(1, 2))) / (len(lung) - 1),
    )


def _filled(body: Body) -> Body:
    """Add what the body encloses in each slice: its lungs and the gas of the bowel."""
    return np.stack([np.asarray(ndimage.binary_fill_holes(plane)) for plane in body])


def _deep(mask: Body, size_mm: Spacing, depth_mm: float) -> Body:
    return np.asarray(ndimage.distance_transform_edt(mask, size_mm)) > depth_mm


def _bone_column(bone: Body, size_mm: tuple[float, float]) -> Float32[np.ndarray, "h w"]:
    """Weigh each place of a slice by the bone that stays there in both halves of the scan."""
    width = [SPINE_MM / size for size in size_mm]
    halves = [half.mean(axis=0, dtype=np.float32) for half in np.array_split(bone, 2)]
    return np.minimum(*(ndimage.gaussian_filter(half, width) for half in halves))


def _rival(
    column: Float32[np.ndarray, "h w"], spine: tuple[int, int], size_mm: tuple[float, float]
) -> float:
    h, w = np.ogrid[: column.shape[0], : column.shape[1]]
    away_mm = np.hypot((h - spine[0]) * size_mm[0], (w - spine[1]) * size_mm[1])
    best = column.max()
    return float(column[away_mm > 5 * SPINE_MM].max(initial=0) / best) if best else 1.0


def _bone_shares(body: Body, bone: Body) -> tuple[float, float, float]:
    thick = ndimage.uniform_filter(bone.astype(np.float32), 3) > 0.3

    def share(axis: int) -> float:
        seen = np.nonzero(np.moveaxis(body, axis, 0).any(axis=(1, 2)))[0]
        bones = np.moveaxis(thick, axis, 0)[seen[0] : seen[-1] + 1]
        quarters = [part for part in np.array_split(bones, 4) if len(part)]
        return min(float(quarter.mean(axis=0).max()) for quarter in quarters)

    return share(0), share(1), share(2)


def _end_shares(body: Body) -> tuple[float, float, float]:
    def share(axis: int) -> float:
        areas = np.count_nonzero(np.moveaxis(body, axis, 0), axis=(1, 2))
        return float(min(areas[:2].mean(), areas[-2:].mean()) / areas.max())

    return share(0), share(1), share(2)


def _sides(seen: Bool[np.ndarray, " n"], spine: int, size_mm: float) -> tuple[Side, Side]:
    low, high = (int(place) for place in np.nonzero(seen)[0][[0, -1]])
    return (
        Side((spine - low) * size_mm, is_skin=low > 0),
        Side((high - spine) * size_mm, is_skin=high < len(seen) - 1),
    )


def _beside_spine(
    across: Int[np.ndarray, " w"], spine: int, size_mm: float
) -> Int[np.ndarray, " w"]:
    """Keep what lies beside the spine, as far as the scan reaches on both sides."""
    away = np.abs(np.arange(len(across)) - spine)
    reach = min(spine, len(across) - 1 - spine)
    return np.where((away * size_mm > BESIDE_MM) & (away <= reach), across, 0)


def _mean_place(counts: Int[np.ndarray, " n"]) -> float:
    total = int(counts.sum())
    return float(counts @ np.arange(len(counts)) / total) if total else 0.0
