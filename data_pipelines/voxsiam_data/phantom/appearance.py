"""Hounsfield units of each tissue in each contrast phase.

The eight organs follow medians measured in seven real CTs; the rest follows textbooks. Organs that
are hard to tell apart in life (pancreas, duodenum, stomach wall, bowel) overlap here too.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from voxsiam.types import PAPER_ORGANS
from voxsiam_data.phantom.patient import PHASES, Patient

Range = tuple[float, float]


class Tissue(NamedTuple):
    """One row of the table.

    Attributes:
        organ: Name of the organ it belongs to, None for background.
        none_hu: Range of the mean without contrast; the others in their phases.
        texture_hu: Standard deviation of the tissue's own pattern, before the scanner's noise.
    """

    organ: str | None
    none_hu: Range
    arterial_hu: Range
    portal_hu: Range
    texture_hu: float


def _plain(low: float, high: float, texture_hu: float, organ: str | None = None) -> Tissue:
    """Return a tissue that takes up no contrast."""
    return Tissue(organ, (low, high), (low, high), (low, high), texture_hu)


TISSUES: dict[str, Tissue] = {
    "air": _plain(-1000, -1000, 0),
    "table": _plain(-90, 60, 10),
    "table_core": _plain(-900, -860, 8),
    "skin": Tissue(None, (0, 25), (10, 30), (15, 40), 12),
    "fat": _plain(-112, -98, 9),
    "visceral_fat": _plain(-108, -92, 12),
    "muscle": Tissue(None, (48, 58), (52, 64), (56, 70), 14),
    "back_muscle": Tissue(None, (42, 58), (48, 64), (52, 70), 18),
    "diaphragm": Tissue(None, (40, 55), (50, 62), (55, 68), 8),
    "lung": _plain(-880, -800, 35),
    "mediastinum": Tissue(None, (-80, -50), (-75, -40), (-70, -35), 25),
    "heart": Tissue(None, (38, 48), (150, 260), (115, 150), 8),
    "rib": _plain(330, 480, 70),
    "bone": _plain(350, 520, 70),
    "marrow": _plain(150, 230, 45),
    "disc": _plain(70, 95, 10),
    "canal": _plain(20, 40, 8),
    "liver": Tissue("liver", (47, 56), (84, 96), (90, 113), 5),
    "liver_vessel": Tissue("liver", (38, 44), (100, 118), (140, 170), 4),
    "liver_lesion": Tissue("liver", (15, 32), (40, 62), (45, 70), 8),
    "spleen": Tissue("spleen", (38, 56), (105, 142), (98, 135), 5),
    "stomach": Tissue("stomach", (28, 42), (60, 85), (68, 92), 12),
    "stomach_content": Tissue("stomach", (8, 42), (8, 52), (8, 52), 14),
    "stomach_gas": _plain(-960, -900, 10, "stomach"),
    "left_cortex": Tissue("left_kidney", (28, 38), (205, 260), (192, 222), 8),
    "left_medulla": Tissue("left_kidney", (25, 36), (85, 140), (178, 212), 9),
    "left_sinus": Tissue(None, (-85, -30), (-80, -25), (-70, 5), 25),
    "right_cortex": Tissue(None, (28, 38), (205, 260), (192, 222), 8),
    "right_medulla": Tissue(None, (25, 36), (85, 140), (178, 212), 9),
    "right_sinus": Tissue(None, (-85, -30), (-80, -25), (-70, 5), 25),
    "gallbladder": Tissue("gallbladder", (5, 19), (10, 22), (11, 22), 4),
    "esophagus": Tissue("esophagus", (24, 38), (48, 68), (55, 75), 12),
    "esophagus_gas": _plain(-700, -300, 80, "esophagus"),
    "pancreas": Tissue("pancreas", (20, 44), (85, 122), (80, 115), 14),
    "pancreas_fat": Tissue("pancreas", (-40, 0), (-25, 25), (-20, 25), 10),
    "duodenum": Tissue("duodenum", (24, 36), (70, 95), (76, 100), 12),
    "duodenum_content": Tissue("duodenum", (12, 30), (30, 70), (35, 75), 16),
    "duodenum_gas": _plain(-850, -500, 60, "duodenum"),
    "bowel": Tissue(None, (26, 42), (72, 105), (80, 112), 12),
    "bowel_content": Tissue(None, (8, 35), (15, 65), (20, 75), 18),
    "bowel_gas": _plain(-850, -600, 60),
    "colon": Tissue(None, (26, 42), (55, 85), (65, 95), 10),
    "colon_content": _plain(-60, 50, 60),
    "colon_gas": _plain(-950, -850, 15),
    "cava": Tissue(None, (36, 46), (70, 130), (120, 165), 6),
    "artery": Tissue(None, (36, 48), (260, 360), (135, 175), 6),
    "portal_vein": Tissue(None, (36, 46), (90, 135), (140, 185), 5),
}
CODES = {name: code for code, name in enumerate(TISSUES)}
LABEL_OF: UInt8[np.ndarray, " t"] = np.array(
    [PAPER_ORGANS.index(row.organ) + 1 if row.organ else 0 for row in TISSUES.values()],
    dtype=np.uint8,
)
"""The label value of each tissue code: 0 background, 1..8 organs."""

TEXTURE_HU: Float[np.ndarray, " t"] = np.array(
    [row.texture_hu for row in TISSUES.values()], dtype=np.float32
)

# The scanner sees the bile as it is, the organs' uptake moves together from patient to patient.
SHARED_UPTAKE = 0.7


def draw_tissue_hu(rng: np.random.Generator, patient: Patient) -> Float[np.ndarray, " t"]:
    """Draw the mean HU of each tissue code in one patient's scan.

    Each lies in its range of the phase, partly at a place common to all tissues (how much contrast
    medium there was), partly at one of its own. Both kidneys look the same.
    """
    phase = PHASES.index(patient.phase)
    common, own = rng.random(), rng.random(len(TISSUES))
    place = SHARED_UPTAKE * common + (1 - SHARED_UPTAKE) * own
    low, high = np.array([row[1 + phase] for row in TISSUES.values()]).T
    hu = (low + (high - low) * place).astype(np.float32)
    for part in ("cortex", "medulla", "sinus"):
        hu[CODES[f"right_{part}"]] = hu[CODES[f"left_{part}"]]
    return hu
