"""The trunk around the organs: skin, fat, muscle wall, ribs, spine, lungs, heart.

Numbers are body coordinates in mm (superior, anterior, right) of a textbook adult.
"""

from dataclasses import dataclass

import numpy as np

from voxsiam_data.phantom.lattice import Array, Crop, Field, Point
from voxsiam_data.phantom.patient import Patient
from voxsiam_data.phantom.shape import ellipsoid, smooth_cut, smooth_union, spline, tube
from voxsiam_data.phantom.space import Space

SKIN_MM = 2.0
WALL_MM = 13.0
DIAPHRAGM_MM = 3.0
VERTEBRA_MM = 34.0
RIB_GAP_MM = 27.0


@dataclass(frozen=True)
class Habitus:
    """Size of the trunk: the belly is a superellipse, the wall and the fat lie around it.

    Attributes:
        centre_mm: Anterior coordinate of the belly's centre, the spine's centre being 0.
        half_depth_mm: Half extent of the belly front to back.
        half_width_mm: Half extent of the belly left to right.
        fat_mm: Thickness of the fat under the skin.
        diaphragm_mm: Rise of the diaphragm over the textbook's.
    """

    centre_mm: float
    half_depth_mm: float
    half_width_mm: float
    fat_mm: float
    diaphragm_mm: float

    @property
    def box(self) -> tuple[Point, Point]:
        """Return the low and high corner around the skin; the height is left to the scan range."""
        side = self.half_width_mm + WALL_MM + self.fat_mm + SKIN_MM
        front = self.centre_mm + self.half_depth_mm + WALL_MM + self.fat_mm + SKIN_MM
        # Behind lie the muscles of the back, see `trunk_fields`.
        back = self.centre_mm - self.half_depth_mm - 2.2 * WALL_MM - 0.8 * self.fat_mm - 10
        return (0.0, back, -side), (0.0, front, side)


def habitus_of(patient: Patient) -> Habitus:
    """Give the textbook belly the patient's fat."""
    wide = patient.visceral
    return Habitus(
        centre_mm=42.0 + 60 * (wide - 1),
        half_depth_mm=88.0 * wide,
        half_width_mm=129.0 * wide,
        fat_mm=patient.fat_mm,
        diaphragm_mm=patient.diaphragm_mm,
    )


def trunk_fields(space: Space, habitus: Habitus) -> dict[str, Field]:
    """Return the shapes of the trunk by tissue name, outermost first."""
    crop = space.whole
    rise, front, side = crop.points_mm
    h = habitus
    # Narrower at the waist, narrower again in the lower chest.
    taper = 1 - np.float32(0.035) * ((rise - 35) / 90) ** 2
    cavity = _superellipse(
        front - h.centre_mm, side, h.half_depth_mm * taper, h.half_width_mm * taper
    )
    back_mm = h.centre_mm - WALL_MM * 0.6
    depth, width = h.half_depth_mm + 1.6 * WALL_MM, h.half_width_mm + WALL_MM
    muscle = _superellipse(front - back_mm, side, depth * taper, width * taper)
    # The furrow over the spinous processes.
    furrow = 7 * np.exp(-((side / 14) ** 2)) * (front < 0)
    muscle = muscle + np.float32(0.8) * crop.rough - furrow
    fat = h.fat_mm * (1 - 0.22 * np.tanh((front - h.centre_mm) / 60) * (np.abs(side) > 60))
    fat = fat.astype(np.float32) - furrow * np.float32(0.6)
    lungs = _lungs(crop, h)
    chest = np.minimum(cavity, lungs)
    heart = ellipsoid(crop.points_mm, (118, 88, -22), (44, 42, 62), -0.4)
    fields = {
        "skin": muscle + fat + SKIN_MM,
        "fat": muscle + fat,
        "muscle": muscle,
        "visceral_fat": np.minimum(cavity, muscle - 4),
        "back_muscle": np.minimum(_back_muscle(crop), muscle - 2),
        "diaphragm": np.minimum(cavity, lungs + DIAPHRAGM_MM),
        "lung": chest,
        "mediastinum": np.minimum(chest, ellipsoid(crop.points_mm, (130, 36, -8), (900, 46, 25))),
        "heart": np.minimum(chest - 1, heart),
        "rib": _ribs(crop, cavity, muscle),
    }
    return {name: crop.field(values) for name, values in fields.items()} | _spine(space)


def belly(space: Space, fields: dict[str, Field]) -> Field:
    """Return the room that organs may fill: inside the wall, below the diaphragm."""
    names = ("visceral_fat", "diaphragm", "back_muscle")
    inside, diaphragm, back = (fields[name].depth_mm for name in names)
    # Outside the cavity the diaphragm has no depth of its own, the wall bounds the organs there.
    return space.whole.field(np.minimum(np.minimum(inside - 1.5, -diaphragm), -back))


def _superellipse(front: Array, side: Array, depth: Array, width: Array) -> Array:
    """Return the depth inside an upright cylinder of exponent 2.4, along the ray to its axis."""
    ratio = ((np.abs(front) / depth) ** 2.4 + (np.abs(side) / width) ** 2.4) ** np.float32(1 / 2.4)
    length = np.sqrt(front**2 + side**2)
    return np.where(ratio > 0.02, length / np.maximum(ratio, 0.02) - length, 99).astype(np.float32)


def _lungs(crop: Crop, habitus: Habitus) -> Array:
    """Return the depth above the diaphragm: two domes that fall towards the wall."""
    rise, front, side = crop.points_mm
    width = habitus.half_width_mm / 129
    behind = np.where(front < 40, np.float32(1.0), np.float32(0.35))
    fall = behind * ((front - 40) / 84) ** 2
    right = fall + ((side / width - 62) / 66) ** 2 * np.where(side > 62, 1, 0.45)
    left = fall + ((side / width + 66) / 60) ** 2 * np.where(side < -66, 1, 0.45)
    # Squared: flat on top, steep towards the recess between diaphragm and ribs.
    right, left = 94 - 48 * right**2, 84 - 46 * left**2
    domes = smooth_union(right.astype(np.float32), left.astype(np.float32), 12)
    # The slope of the domes turns height into depth, roughly.
    return (rise - domes - np.float32(habitus.diaphragm_mm)) * np.float32(0.75)


def spine_front(rise: Array) -> Array:
    """Return the anterior coordinate of the vertebral bodies' centre at a height."""
    return 3 - np.float32(0.0013) * (rise + 25) ** 2


def _back_muscle(crop: Crop) -> Array:
    """Return the muscles beside the spine, psoas and crura."""
    rise, front, side = crop.points_mm
    bent = (rise * 0, front - spine_front(rise), np.abs(side))
    erector = ellipsoid(bent, (0, -44, 33), (900, 27, 36))
    crura = spline([(75, 20, 12, 5), (30, 17, 15, 5), (-25, 15, 18, 3)], 2)
    psoas = spline([(5, -2, 27, 5), (-40, -4, 35, 13), (-110, 0, 44, 19)], 2)
    return np.maximum(erector, tube((rise, bent[1], bent[2]), psoas, crura)) + crop.rough


def _ribs(crop: Crop, cavity: Array, muscle: Array) -> Array:
    """Return ribs: slanted bands in the wall, lower in front than behind, down to the 12th."""
    rise, front, side = crop.points_mm
    level = rise + np.float32(0.5) * (front + 45) + np.float32(0.05) * side
    along = (np.mod(level, RIB_GAP_MM) - RIB_GAP_MM / 2) * np.float32(0.9)
    across = (muscle - cavity) / 2 - np.float32(7.0) + (cavity + 7)
    band = 4.2 * (1 - np.sqrt((across / 4.2) ** 2 + (along / 6.5) ** 2))
    ends = np.minimum(level + 30, np.minimum(118 - front, np.abs(side) - 26))
    return np.minimum(band, ends).astype(np.float32)


def _spine(space: Space) -> dict[str, Field]:
    """Return vertebrae, their marrow, discs and the spinal canal."""
    crop = space.crop((-400, -75, -45), (400, 25, 45))
    rise, front, side = crop.points_mm
    front = front - spine_front(rise)
    phase = np.mod(rise + 12, VERTEBRA_MM) - VERTEBRA_MM / 2
    waist = np.float32(2.2) * (1 - (phase / (VERTEBRA_MM / 2)) ** 2)
    flat = (rise * 0, front, side)
    column = ellipsoid(flat, (0, 0, 0), (900, 17, 22)) - waist
    body = np.minimum(column, VERTEBRA_MM / 2 - 3.5 - np.abs(phase))
    ring = ellipsoid(flat, (0, -25, 0), (900, 13, 15))
    canal = ellipsoid(flat, (0, -24, 0), (900, 8, 10.5))
    process = np.minimum(4 - np.abs(side), np.minimum(front + 64, -front - 30))
    process = np.minimum(process, 11 - np.abs(phase + 7))
    wing = np.minimum(4.5 - np.abs(front + 25), np.minimum(36 - np.abs(side), 5 - np.abs(phase)))
    facet = ellipsoid((phase, front, np.abs(side)), (-13, -30, 15), (12, 8, 7))
    arch = np.maximum(np.maximum(smooth_cut(ring, 11 - np.abs(phase), 2), process), wing)
    bone = np.maximum(np.maximum(arch, facet), body)
    return {
        "disc": crop.field(column - 1.5),
        "bone": crop.field(bone + np.float32(0.4) * crop.rough),
        "marrow": crop.field(np.maximum(body - 2.0, arch - 3.0)),
        "canal": crop.field(canal),
    }
