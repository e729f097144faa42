"""The tissues of one patient in painting order, later ones over earlier ones.

Organs have an inside: walls, contents, gas, cortex, vessels.
"""

import numpy as np

from voxsiam_data.phantom.lattice import Field
from voxsiam_data.phantom.neighbours import (
    colon_fields,
    liver_lesions,
    liver_vessels,
    perirenal_fat,
    small_bowel,
    vessel_fields,
)
from voxsiam_data.phantom.organs import Shaper, kidney, organ_fields

Layer = tuple[str, Field]
"""A tissue's name and where it is painted."""

TRUNK = ("table", "table_core", "skin", "fat", "muscle", "rib", "visceral_fat",
         "diaphragm", "lung", "mediastinum", "back_muscle", "heart")  # fmt: skip
SPINE = ("disc", "bone", "marrow", "canal")


def drawn_anatomy(shaper: Shaper, trunk: dict[str, Field]) -> list[Layer]:
    """Draw all organs and neighbours; where two overlap, the later one wins and they touch."""
    organs = organ_fields(shaper)
    layers = _trunk_and_gut(shaper, trunk)
    for name in ("liver", "spleen", "stomach"):
        layers += _organ_layers(name, organs[name], shaper)
    right = kidney(shaper, side=1)
    for side, bean in (("right", right), ("left", organs["left_kidney"])):
        layers += _kidney_in_fat(side, bean, shaper, float(shaper.rng.uniform(0.0, 7.0)))
    layers += _organ_layers("gallbladder", organs["gallbladder"], shaper)
    vessels = vessel_fields(shaper)
    layers.append(("cava", vessels["cava"]))
    for name in ("pancreas", "duodenum"):
        layers += _organ_layers(name, organs[name], shaper)
    layers += [(name, vessels[name]) for name in ("portal_vein", "artery")]
    layers += _organ_layers("esophagus", organs["esophagus"], shaper)
    return layers + [(name, trunk[name]) for name in SPINE]


def mapped_anatomy(
    shaper: Shaper, trunk: dict[str, Field], organs: dict[str, Field]
) -> list[Layer]:
    """Lay given organs over a drawn trunk and drawn neighbours: the organs win everywhere."""
    layers = _trunk_and_gut(shaper, trunk)
    layers += _kidney_in_fat("right", kidney(shaper, side=1), shaper, 6.0)
    layers += vessel_fields(shaper).items()
    layers += [(name, trunk[name]) for name in SPINE]
    for name, organ in organs.items():
        layers += _organ_layers(name, organ, shaper)
    return layers


def _trunk_and_gut(shaper: Shaper, trunk: dict[str, Field]) -> list[Layer]:
    """Return everything from the skin to the empty belly, then small bowel and colon in it."""
    rng = shaper.rng
    layers = [(name, trunk[name]) for name in TRUNK]
    layers += _hollow_layers("bowel", small_bowel(shaper), shaper, 3.5, rng.uniform(0.0, 0.08))
    for colon in colon_fields(shaper):
        layers += _hollow_layers("colon", colon, shaper, 2.5, rng.uniform(0.1, 0.7))
    return layers


def _organ_layers(name: str, organ: Field, shaper: Shaper) -> list[Layer]:
    """Return one organ's tissues in painting order; the first fills all of it."""
    if name == "liver":
        vessels = ("liver_vessel", liver_vessels(shaper, organ))
        return [("liver", organ), vessels, ("liver_lesion", liver_lesions(shaper, organ))]
    if name == "left_kidney":
        return _kidney_layers("left", organ, shaper)
    if name == "stomach":
        gas = float(shaper.rng.choice((0.08, 0.3, 0.75), p=(0.45, 0.4, 0.15)))
        gas *= shaper.rng.uniform(0.6, 1.2)
        return _hollow_layers("stomach", organ, shaper, 3.5, gas)
    if name == "duodenum":
        return _hollow_layers("duodenum", organ, shaper, 4.0, shaper.rng.uniform(0.0, 0.25))
    if name == "esophagus":
        air = Field(organ.start, organ.depth_mm - np.float32(shaper.rng.uniform(5.0, 11.0)))
        return [("esophagus", organ), ("esophagus_gas", air)]
    if name == "pancreas":
        return [("pancreas", organ), ("pancreas_fat", _lobules(organ, shaper))]
    return [(name, organ)]


def _kidney_in_fat(side: str, bean: Field, shaper: Shaper, thickness_mm: float) -> list[Layer]:
    fat = perirenal_fat(bean, shaper, thickness_mm)
    return [("visceral_fat", fat), *_kidney_layers(side, bean, shaper)]


def _kidney_layers(side: str, bean: Field, shaper: Shaper) -> list[Layer]:
    """Return cortex with columns, medulla pyramids and the fatty sinus of a kidney."""
    crop = shaper.space.around(bean)
    medulla = bean.depth_mm - 6.5 + np.float32(2.5) * crop.rough
    sinus = bean.depth_mm - 14.5 + np.float32(2.0) * crop.rough
    return [
        (f"{side}_cortex", bean),
        (f"{side}_medulla", crop.field(medulla)),
        (f"{side}_sinus", crop.field(sinus)),
    ]


def _hollow_layers(
    name: str, organ: Field, shaper: Shaper, wall_mm: float, gas_share: float
) -> list[Layer]:
    """Return wall, content and gas of a hollow organ; gas gathers at the front (patient supine).

    Args:
        gas_share: Share of the lumen above the level between content and gas.
    """
    crop = shaper.space.around(organ)
    lumen = organ.depth_mm - np.float32(wall_mm) + np.float32(0.8) * crop.rough
    heights = crop.height_mm[lumen > 0]
    layers = [(name, organ), (f"{name}_content", crop.field(lumen))]
    if heights.size and gas_share > 0:
        level = np.quantile(heights, max(0.0, 1 - gas_share))
        gas = np.minimum(lumen, crop.height_mm - np.float32(level))
        layers.append((f"{name}_gas", crop.field(gas)))
    return layers


def _lobules(pancreas: Field, shaper: Shaper) -> Field:
    """Return clefts of fat between the lobules, deeper with age."""
    crop = shaper.space.around(pancreas)
    threshold = np.float32(np.clip(2.6 - shaper.patient.age / 60, 1.1, 2.2))
    return crop.field(np.minimum((crop.rough - threshold) * 3, pancreas.depth_mm))
