"""One phantom: from (seed, index) to a painted CT."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int16, UInt8

from voxsiam_data.phantom.acquisition import Scan, draw_scan, paint, table_fields
from voxsiam_data.phantom.anatomy import drawn_anatomy, mapped_anatomy
from voxsiam_data.phantom.appearance import draw_tissue_hu
from voxsiam_data.phantom.labelmap import fitted_pose, map_fields, read_organ_map
from voxsiam_data.phantom.lattice import Lattice, Point
from voxsiam_data.phantom.organs import Shaper
from voxsiam_data.phantom.patient import Patient, draw_patient
from voxsiam_data.phantom.space import Pose, Space
from voxsiam_data.phantom.trunk import Habitus, belly, habitus_of, trunk_fields

STEP_MM = 2.0
WARP_MM = 2.6
# Diaphragm dome to lower kidney pole, in body coordinates, and how far a scan strays from it.
SCAN_RANGE_MM = (-80.0, 103.0)
SCAN_STRAY_MM = 5.0
BELOW_BACK_MM, IN_FRONT_MM, BESIDE_MM = 16.0, 6.0, 6.0


@dataclass(frozen=True)
class Phantom:
    """One painted case, arrays in d h w."""

    patient: Patient
    scan: Scan
    image: Int16[np.ndarray, "d h w"]
    label: UInt8[np.ndarray, "d h w"]


def make_phantom(
    seed: int, index: int, slice_mm: tuple[float, float], map_path: Path | None
) -> Phantom:
    """Make case `index` of a seed; it does not depend on how many others there are.

    Args:
        map_path: Real label map to paint on, or None to draw the organs.
    """
    streams = np.random.SeedSequence([seed, index, map_path is not None]).spawn(4)
    body, shapes, scanner, brush = (np.random.default_rng(s) for s in streams)
    patient = draw_patient(body)
    organ_map = read_organ_map(map_path) if map_path else None
    if organ_map is None:
        pose, habitus, ends_mm = _drawn_body(patient, shapes)
    else:
        pose, habitus = fitted_pose(organ_map, patient.fat_mm)
        low, high = organ_map.ends_mm
        ends_mm = low - shapes.uniform(4, 15), high + shapes.uniform(4, 15)
    box = _field_of_view(pose, habitus, ends_mm, shapes)
    lattice = Lattice.covering(*box, STEP_MM)
    space = Space(lattice, pose, shapes)
    trunk = trunk_fields(space, habitus)
    trunk |= table_fields(space, trunk["skin"])
    shaper = Shaper(space, belly(space, trunk), patient, shapes)
    if organ_map is None:
        layers = drawn_anatomy(shaper, trunk)
    else:
        layers = mapped_anatomy(shaper, trunk, map_fields(organ_map, lattice))
    scan = draw_scan(scanner, box, slice_mm)
    image, label = paint(layers, lattice, scan, draw_tissue_hu(brush, patient), brush)
    return Phantom(patient, scan, image, label)


def _drawn_body(
    patient: Patient, rng: np.random.Generator
) -> tuple[Pose, Habitus, tuple[float, float]]:
    """Draw how the patient lies, and the lower and upper end of the scan in mm."""
    shift = rng.normal(0, (20, 8, 8))
    pose = Pose(patient.angles_deg, patient.scale, shift, WARP_MM)
    low, high = np.asarray(SCAN_RANGE_MM) + rng.normal(0, SCAN_STRAY_MM, 2).clip(-8, 8)
    ends = low * patient.scale[0] + shift[0], high * patient.scale[0] + shift[0]
    return pose, habitus_of(patient), ends


def _field_of_view(
    pose: Pose, habitus: Habitus, ends_mm: tuple[float, float], rng: np.random.Generator
) -> tuple[Point, Point]:
    """Return the box to scan: tight around the skin, with the top of the table."""
    low, high = pose.box(*habitus.box)
    off = rng.normal(0, 3.0, 2)
    return (
        (ends_mm[0], low[1] - BELOW_BACK_MM + off[0], low[2] - BESIDE_MM + off[1]),
        (ends_mm[1], high[1] + IN_FRONT_MM + off[0], high[2] + BESIDE_MM + off[1]),
    )
