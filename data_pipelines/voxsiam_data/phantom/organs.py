"""Drawn shapes of the eight organs of one patient.

Numbers are body coordinates in mm (superior, anterior, right, and a radius along paths) of a
textbook adult, set by the mean places and extents measured in ten real label maps.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from voxsiam_data.phantom.lattice import Array, Crop, Field, Point
from voxsiam_data.phantom.patient import Patient
from voxsiam_data.phantom.shape import (
    Knots,
    Path,
    ellipsoid,
    grown_to,
    smooth_cut,
    smooth_union,
    spline,
    tube,
)
from voxsiam_data.phantom.space import Space

ESOPHAGUS: Path = ((150, 30, -10, 8), (118, 31, -11, 8), (96, 33, -15, 8.5), (78, 36, -24, 9.5),
                   (66, 38, -36, 9))  # fmt: skip
STOMACH: Path = ((66, 26, -58, 27), (48, 44, -70, 31), (20, 72, -67, 29), (-4, 92, -46, 25),
                 (-14, 94, -12, 21), (-6, 82, 18, 15), (0, 70, 36, 9))  # fmt: skip
PANCREAS: Path = ((-26, 50, 30, 13), (-8, 58, 24, 13), (4, 64, 6, 9), (12, 60, -20, 10.5),
                  (20, 42, -52, 11), (26, 20, -84, 9.5))  # fmt: skip
DUODENUM: Path = ((0, 71, 37, 9), (5, 66, 48, 12), (-8, 52, 56, 12), (-36, 42, 54, 12.5),
                  (-57, 42, 40, 12), (-61, 47, 12, 10.5), (-53, 50, -15, 10.5),
                  (-32, 52, -30, 10))  # fmt: skip
GALLBLADDER: Path = ((12, 62, 48, 3.5), (4, 70, 58, 9), (-6, 82, 68, 13), (-16, 92, 74, 12))


@dataclass(frozen=True)
class Shaper:
    """What every organ of a patient needs: the space, the room, the patient, the random numbers."""

    space: Space
    room: Field
    patient: Patient
    rng: np.random.Generator

    def shift(self, size_mm: float) -> Point:
        """Draw how far one organ lies from its textbook place."""
        s, a, r = self.rng.normal(0, size_mm, 3)
        return s, a, r

    def path(
        self, knots: Path | Knots, shift_mm: Point, bend_mm: float, thick: float = 1.0
    ) -> Knots:
        """Draw a patient's own course of a tube-like organ."""
        own = np.asarray(knots, dtype=np.float64)
        own[:, :3] += np.asarray(shift_mm) + self.rng.normal(0, bend_mm, (len(own), 3))
        own[:, 3] *= thick * np.exp(self.rng.normal(0, 0.08, len(own)))
        return spline(own)

    def tubes(self, margin_mm: float, rough_mm: float, *courses: Knots) -> tuple[Crop, Array]:
        """Return the crop that holds some tubes, and in it their depth with a natural surface."""
        knots = np.vstack(courses)
        reach = knots[:, 3].max() + margin_mm
        crop = self.space.crop(knots[:, :3].min(0) - reach, knots[:, :3].max(0) + reach)
        return crop, tube(crop.points_mm, *courses) + np.float32(rough_mm) * crop.rough

    def grown(
        self, crop: Crop, depth_mm: Array, organ: str, blockers: tuple[Field, ...] = ()
    ) -> Field:
        """Grow a shape to the patient's volume of that organ, in the room that others leave."""
        allowed = crop.of(self.room)
        for blocker in blockers:
            allowed = np.minimum(allowed, -crop.of(blocker))
        volume = self.patient.volumes_ml[organ]
        return crop.field(grown_to(depth_mm, allowed, volume, self.space.lattice.step_mm))


def organ_fields(shaper: Shaper) -> dict[str, Field]:
    """Return the shapes of the eight organs by name, before neighbours cut into each other."""
    # The gut and the pancreas hang together, so they move together.
    gut = shaper.shift(4.0)
    stomach = _stomach(shaper, gut)
    left_kidney = kidney(shaper, side=-1)
    return {
        "liver": _liver(shaper),
        "spleen": _spleen(shaper, (stomach, left_kidney)),
        "stomach": stomach,
        "left_kidney": left_kidney,
        "gallbladder": _gallbladder(shaper),
        "pancreas": _pancreas(shaper, gut),
        "duodenum": _duodenum(shaper, gut),
        "esophagus": _esophagus(shaper),
    }


def _liver(shaper: Shaper) -> Field:
    """Right lobe under the right dome, left lobe across the midline, a slanted lower face."""
    s, a, r = shaper.shift(5.0)
    crop = shaper.space.crop((-75, -50, -125), (112, 135, 150))
    points = crop.points_mm
    rise, front, side = points
    right = ellipsoid(points, (20 + s, 36 + a, 76 + r), (92, 90, 72))
    reach = shaper.rng.normal(82, 14)
    left = ellipsoid(points, (56 + s, 84 + a, -6), (34, 46, reach), 0.0)
    slope = shaper.rng.normal(0.78, 0.08)
    tip = shaper.rng.normal(-56, 10)
    # Visceral face: it climbs from the right tip to the left, and towards the back medially.
    face = rise - tip + np.float32(slope) * (side - 112) + np.float32(0.22) * (front - 60)
    lobes = smooth_union(right, left, 16)
    whole = smooth_cut(lobes, face * np.float32(0.75), 14)
    hilum = ellipsoid(points, (24, 34, 30), (40, 30, 26))
    return shaper.grown(crop, smooth_cut(whole, -hilum, 8) + crop.rough, "liver")


def _spleen(shaper: Shaper, blockers: tuple[Field, ...]) -> Field:
    """A slice of melon against the left ribs, hollow towards stomach and kidney."""
    s, a, r = shaper.shift(5.0)
    crop = shaper.space.crop((-45, -60, -150), (110, 75, -40))
    lean = shaper.rng.normal(0.15, 0.12)
    long = shaper.rng.normal(50, 5)
    outer = ellipsoid(crop.points_mm, (36 + s, -2 + a, -102 + r), (long, 48, 34), lean)
    hollow = ellipsoid(crop.points_mm, (36 + s, 24 + a, -62 + r), (60, 38, 32), lean)
    depth = smooth_cut(outer, -hollow, 6) + np.float32(1.2) * crop.rough
    return shaper.grown(crop, depth, "spleen", blockers)


def _stomach(shaper: Shaper, gut_mm: Point) -> Field:
    """From the fundus under the left dome down and across to the pylorus."""
    fill = (shaper.patient.volumes_ml["stomach"] / 360) ** 0.38
    knots = shaper.path(STOMACH, shaper.shift(3.0), 4.0, fill)
    knots[-1, :3] += np.asarray(gut_mm)
    return shaper.grown(*shaper.tubes(12, 1.6, knots), "stomach")


def kidney(shaper: Shaper, side: Literal[-1, 1]) -> Field:
    """Return a bean whose hilum looks to the middle and front; side 1 is the patient's right."""
    s, a, r = shaper.shift(5.0)
    height_mm = -32.0 if side > 0 else -18.0
    centre = (height_mm + s, 0.0 + a, side * 70.0 + r)
    reach = (75, 45, 48)
    crop = shaper.space.crop(np.subtract(centre, reach), np.add(centre, reach))
    lean = -side * shaper.rng.normal(0.22, 0.06)
    bean = ellipsoid(crop.points_mm, centre, (54, 27, 29), lean)
    hilum = ellipsoid(
        crop.points_mm, (centre[0], centre[1] + 12, centre[2] - side * 32), (19, 13, 17)
    )
    depth = smooth_cut(bean, -hilum, 5) + np.float32(0.7) * crop.rough
    return shaper.grown(crop, depth, "left_kidney")


def _gallbladder(shaper: Shaper) -> Field:
    """A pear from the liver's hilum to its lower edge."""
    thick = (shaper.patient.volumes_ml["gallbladder"] / 22) ** 0.4
    knots = shaper.path(GALLBLADDER, shaper.shift(4.0), 2.5, thick)
    return shaper.grown(*shaper.tubes(10, 0.4, knots), "gallbladder")


def _pancreas(shaper: Shaper, gut_mm: Point) -> Field:
    """A lobulated band from the duodenum's bend across the vessels to the spleen."""
    knots = shaper.path(PANCREAS, gut_mm, 3.0)
    return shaper.grown(*shaper.tubes(8, 2.0, knots), "pancreas")


def _duodenum(shaper: Shaper, gut_mm: Point) -> Field:
    """The C around the pancreas head, then under it to the left."""
    knots = shaper.path(DUODENUM, gut_mm, 2.5)
    return shaper.grown(*shaper.tubes(6, 1.2, knots), "duodenum")


def _esophagus(shaper: Shaper) -> Field:
    """From behind the heart through the hiatus to the stomach; it needs no room below the dome."""
    thick = shaper.rng.normal(1.0, 0.1)
    knots = shaper.path(ESOPHAGUS, shaper.shift(3.0), 1.5, float(np.clip(thick, 0.85, 1.25)))
    crop, depth = shaper.tubes(4, 0.6, knots)
    return crop.field(depth)
