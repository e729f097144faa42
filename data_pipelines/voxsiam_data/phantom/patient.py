"""Who the patient is: everything about one body that is drawn before any shape exists."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from voxsiam_data.phantom.lattice import Point

Phase = Literal["none", "arterial", "portal"]
PHASES: tuple[Phase, ...] = ("none", "arterial", "portal")

# Median, spread of the logarithm, least and most, in mL: 30 real label maps, without their extremes
# of almost empty organs, which a coarse training grid could not hold, and with some more for what
# vessels, fat and neighbours take away afterwards.
ORGAN_ML = {
    "spleen": (215.0, 0.38, 105.0, 400.0),
    "left_kidney": (178.0, 0.18, 125.0, 260.0),
    "gallbladder": (22.0, 0.60, 5.0, 85.0),
    "liver": (1450.0, 0.20, 1000.0, 2300.0),
    "stomach": (360.0, 0.42, 160.0, 860.0),
    "pancreas": (78.0, 0.22, 50.0, 145.0),
    "duodenum": (68.0, 0.20, 42.0, 105.0),
}


@dataclass(frozen=True)
class Patient:
    """One body.

    Attributes:
        age: Years.
        scale: Size relative to the textbook body along superior, anterior, right.
        fat_mm: Thickness of the subcutaneous fat.
        visceral: Widening of the belly by fat around the organs, 1 = none.
        angles_deg: Pose: roll about the long axis, pitch, yaw.
        volumes_ml: Wanted organ volumes.
        diaphragm_mm: Height of the diaphragm above the textbook's (breathing).
    """

    sex: Literal["F", "M"]
    age: int
    phase: Phase
    scale: Point
    fat_mm: float
    visceral: float
    angles_deg: Point
    volumes_ml: dict[str, float]
    diaphragm_mm: float


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a patient; men are larger, women carry more fat under the skin."""
    sex: Literal["F", "M"] = "M" if rng.random() < 0.55 else "F"
    size = rng.normal(1.03 if sex == "M" else 0.95, 0.04)
    scale = np.clip(size * rng.normal(1.0, 0.03, 3), 0.85, 1.15)
    fat_mm = float(np.clip(rng.gamma(4.0, 4.0 if sex == "M" else 5.0), 6, 38))
    volumes = {name: _draw_ml(rng, float(np.prod(scale)), row) for name, row in ORGAN_ML.items()}
    return Patient(
        sex=sex,
        age=int(np.clip(rng.normal(58, 14), 20, 88)),
        phase=PHASES[int(rng.choice(3, p=(0.3, 0.2, 0.5)))],
        scale=(float(scale[0]), float(scale[1]), float(scale[2])),
        fat_mm=fat_mm,
        visceral=float(np.clip(rng.normal(0.97 + fat_mm / 400, 0.03), 0.94, 1.12)),
        angles_deg=(rng.normal(0, 3.0), rng.normal(0, 2.0), rng.normal(0, 1.5)),
        volumes_ml=volumes,
        diaphragm_mm=float(np.clip(rng.normal(0, 7), -12, 14)),
    )


def _draw_ml(
    rng: np.random.Generator, body: float, row: tuple[float, float, float, float]
) -> float:
    """Draw a log-normal volume that goes with the body's, again while it is beyond its limits."""
    median, spread, least, most = row
    while True:
        volume = body * median * float(np.exp(rng.normal(0, spread)))
        if least <= volume <= most:
            return volume
