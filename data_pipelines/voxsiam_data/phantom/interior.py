"""What an organ looks like inside: walls, contents, gas, cortex, vessels."""

import numpy as np

from voxsiam_data.phantom.lattice import Field
from voxsiam_data.phantom.neighbours import liver_lesions, liver_vessels
from voxsiam_data.phantom.organs import Shaper

Layer = tuple[str, Field]
"""A tissue's name and where it is painted."""


def organ_layers(name: str, organ: Field, shaper: Shaper) -> list[Layer]:
    """Return one organ's tissues in painting order; the first fills all of it."""
    if name == "liver":
        vessels = ("liver_vessel", liver_vessels(shaper, organ))
        return [("liver", organ), vessels, ("liver_lesion", liver_lesions(shaper, organ))]
    if name == "left_kidney":
        return kidney_layers("left", organ, shaper)
    if name == "stomach":
        gas = float(shaper.rng.choice((0.08, 0.3, 0.75), p=(0.45, 0.4, 0.15)))
        gas *= shaper.rng.uniform(0.6, 1.2)
        return hollow_layers("stomach", organ, shaper, 3.5, gas)
    if name == "duodenum":
        return hollow_layers("duodenum", organ, shaper, 4.0, shaper.rng.uniform(0.0, 0.25))
    if name == "esophagus":
        air = organ.with_depth(organ.depth_mm - shaper.rng.uniform(5.0, 11.0))
        return [("esophagus", organ), ("esophagus_gas", air)]
    if name == "pancreas":
        return [("pancreas", organ), ("pancreas_fat", _lobules(organ, shaper))]
    return [(name, organ)]


def kidney_layers(side: str, kidney: Field, shaper: Shaper) -> list[Layer]:
    """Return cortex with columns, medulla pyramids and the fatty sinus of a kidney."""
    crop = shaper.space.around(kidney)
    medulla = kidney.depth_mm - 6.5 + np.float32(2.5) * crop.rough
    sinus = kidney.depth_mm - 14.5 + np.float32(2.0) * crop.rough
    return [
        (f"{side}_cortex", kidney),
        (f"{side}_medulla", kidney.with_depth(medulla)),
        (f"{side}_sinus", kidney.with_depth(sinus)),
    ]


def hollow_layers(
    name: str, organ: Field, shaper: Shaper, wall_mm: float, gas_share: float
) -> list[Layer]:
    """Return wall, content and gas of a hollow organ; gas gathers at the front (patient supine).

    Args:
        name: Tissue name of the wall; content and gas carry it as a prefix.
        gas_share: Share of the lumen above the level between content and gas.
    """
    crop = shaper.space.around(organ)
    lumen = organ.depth_mm - np.float32(wall_mm) + np.float32(0.8) * crop.rough
    heights = crop.height_mm[lumen > 0]
    layers = [(name, organ), (f"{name}_content", organ.with_depth(lumen))]
    if heights.size and gas_share > 0:
        level = np.quantile(heights, max(0.0, 1 - gas_share))
        gas = np.minimum(lumen, crop.height_mm - np.float32(level))
        layers.append((f"{name}_gas", organ.with_depth(gas)))
    return layers


def _lobules(pancreas: Field, shaper: Shaper) -> Field:
    """Return clefts of fat between the lobules, deeper with age."""
    crop = shaper.space.around(pancreas)
    threshold = np.float32(np.clip(2.6 - shaper.patient.age / 60, 1.1, 2.2))
    return pancreas.with_depth(np.minimum((crop.rough - threshold) * 3, pancreas.depth_mm))
