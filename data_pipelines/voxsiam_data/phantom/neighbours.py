"""Background that looks like an organ or touches one: vessels, right kidney, bowel.

Numbers are body coordinates in mm (superior, anterior, right, radius), as in `organs`.
"""

import numpy as np

from voxsiam_data.phantom.lattice import Field
from voxsiam_data.phantom.organs import Shaper
from voxsiam_data.phantom.shape import Knots, Path, ellipsoid, spline, tube

AORTA: Path = ((150, 2, -17, 11.5), (100, 6, -14, 11), (50, 24, -11, 10.5), (0, 31, -9, 10),
               (-50, 30, -7, 9), (-120, 22, -6, 8.5))  # fmt: skip
CAVA: Path = ((130, 50, 24, 12), (96, 38, 26, 12), (60, 24, 26, 12), (0, 26, 20, 11.5),
              (-60, 26, 17, 11), (-120, 18, 16, 10))  # fmt: skip
MESENTERIC_ARTERY: Path = ((4, 40, -8, 4), (-12, 52, -8, 3.6), (-60, 56, -5, 3.2),
                           (-110, 58, 0, 3))  # fmt: skip
PORTAL: Path = ((-110, 64, 6, 4.5), (-50, 60, 6, 5), (-8, 54, 8, 5.5), (6, 50, 12, 6.5),
                (26, 48, 30, 6.5), (40, 44, 42, 6), (50, 40, 56, 5))  # fmt: skip
SPLENIC_VEIN: Path = ((3, 51, 8, 5), (11, 50, -18, 4), (19, 32, -50, 4), (27, 8, -82, 3.5))
RENAL_VEIN: Path = ((-18, 8, -46, 4.5), (-12, 34, -24, 4), (-8, 44, -6, 4), (-8, 38, 14, 4.5))
COLON_RIGHT: Path = ((-130, 38, 100, 25), (-84, 34, 104, 25), (-52, 44, 100, 23), (-40, 66, 82, 20),
                     (-50, 94, 48, 19))  # fmt: skip
COLON_ACROSS: Path = ((-50, 94, 48, 19), (-60, 106, 6, 18), (-48, 106, -42, 19), (-20, 84, -84, 19),
                      (6, 48, -106, 18), (0, 24, -112, 16))  # fmt: skip
COLON_LEFT: Path = ((0, 24, -112, 16), (-36, 14, -108, 14), (-80, 14, -110, 14),
                    (-130, 20, -106, 14))  # fmt: skip


def vessel_fields(shaper: Shaper) -> dict[str, Field]:
    """Return the large vessels by tissue name."""
    wide = float(np.clip(1 + (shaper.patient.age - 55) / 250, 0.9, 1.15))
    courses = {
        "cava": [(CAVA, 1.0)],
        "artery": [(AORTA, wide), (MESENTERIC_ARTERY, 1.0)],
        "portal_vein": [(PORTAL, 1.0), (SPLENIC_VEIN, 1.0), (RENAL_VEIN, 1.0)],
    }
    fields = {}
    for name, paths in courses.items():
        knots = [shaper.path(path, (0, 0, 0), 1.5, thick) for path, thick in paths]
        crop, depth = shaper.tubes(0.0, 0.0, *knots)
        fields[name] = crop.field(depth)
    return fields


def liver_vessels(shaper: Shaper, liver: Field) -> Field:
    """Return portal and hepatic branches inside the liver: from the hilum and the cava outwards."""
    crop = shaper.space.around(liver)
    roots = ((46, 42, 50, 5.0), (94, 38, 28, 5.5))
    branches = [_branch(shaper, root) for root in roots for _ in range(5)]
    return crop.field(np.minimum(tube(crop.points_mm, *branches), liver.depth_mm - 3))


def _branch(shaper: Shaper, root: tuple[float, float, float, float]) -> Knots:
    """Draw one tapering branch from a root towards somewhere in the right or left lobe."""
    rng = shaper.rng
    goal = np.array([rng.uniform(-10, 80), rng.uniform(0, 105), rng.uniform(-50, 125), 1.2])
    t = np.linspace(0, 1, 4)[:, None]
    path = np.asarray(root) * (1 - t) + goal * t
    path[1:-1, :3] += rng.normal(0, 7, (2, 3))
    return spline(path, 2)


def liver_lesions(shaper: Shaper, liver: Field) -> Field:
    """Return none to four round lesions; most livers have none."""
    rng = shaper.rng
    crop = shaper.space.around(liver)
    depth = np.full_like(crop.rough, -99.0)
    for _ in range(int(rng.choice(5, p=(0.5, 0.2, 0.12, 0.1, 0.08)))):
        centre = (rng.uniform(-20, 85), rng.uniform(-10, 105), rng.uniform(-20, 115))
        radius = rng.uniform(4, 15)
        depth = np.maximum(depth, ellipsoid(crop.points_mm, centre, (radius, radius, radius)))
    return crop.field(np.minimum(depth + crop.rough, liver.depth_mm - 2))


def colon_fields(shaper: Shaper) -> list[Field]:
    """Return the ascending, transverse and descending colon with their haustra."""
    fields = []
    shift = shaper.shift(5.0)
    for path in (COLON_RIGHT, COLON_ACROSS, COLON_LEFT):
        own = np.asarray(path)
        # Visceral fat pushes the colon outwards with the wall.
        own = own * np.array([1, shaper.patient.visceral, shaper.patient.visceral, 1])
        knots = shaper.path(own, shift, 4.0, shaper.rng.uniform(0.75, 1.2))
        waves = np.linspace(0, 2 * np.pi * len(path) * 0.9, len(knots))
        knots[:, 3] *= 1 + 0.12 * np.sin(waves + shaper.rng.uniform(0, 6))
        crop, depth = shaper.tubes(0.0, 2.0, knots)
        fields.append(crop.field(np.minimum(depth, crop.of(shaper.room))))
    return fields


def small_bowel(shaper: Shaper) -> Field:
    """Return loops that fill the room below stomach and pancreas."""
    crop = shaper.space.crop((-135, 30, -105), (-12, 125, 90))
    loops = [
        _loop(shaper, level, front, back)
        for level in (-118, -98, -78, -60, -42)
        for front, back in ((62, 48), (98, 84))
    ]
    depth = tube(crop.points_mm, *loops) + crop.rough
    return crop.field(np.minimum(depth, crop.of(shaper.room)))


def _loop(shaper: Shaper, level_mm: float, front_mm: float, back_mm: float) -> Knots:
    """Draw one winding loop at a height, mostly on the left as the jejunum."""
    rng = shaper.rng
    sides = np.linspace(-88, rng.uniform(20, 75), 8)
    fronts = np.where(np.arange(8) % 2 == 0, front_mm, back_mm) + rng.normal(0, 6, 8)
    rises = level_mm + rng.normal(0, 6, 8)
    radius = np.clip(rng.normal(11.5, 2.0, 8), 7, 16)
    return spline(np.stack([rises, fronts, sides, radius], 1))


def perirenal_fat(kidney_field: Field, shaper: Shaper, thickness_mm: float) -> Field:
    """Return the fat around a kidney, which keeps its neighbours off."""
    crop = shaper.space.around(kidney_field, thickness_mm)
    grown = crop.of(kidney_field)
    inner = np.where(grown > -90, grown + np.float32(thickness_mm), -99)
    return crop.field(np.minimum(inner, crop.of(shaper.room) + 1))
