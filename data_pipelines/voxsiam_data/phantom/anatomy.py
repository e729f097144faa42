"""The tissues of one patient in painting order, later ones over earlier ones."""

from dataclasses import dataclass

from voxsiam_data.phantom.interior import Layer, hollow_layers, kidney_layers, organ_layers
from voxsiam_data.phantom.lattice import Field, Lattice
from voxsiam_data.phantom.neighbours import (
    colon_fields,
    perirenal_fat,
    right_kidney,
    small_bowel,
    vessel_fields,
)
from voxsiam_data.phantom.organs import Shaper, organ_fields

TRUNK = ("table", "table_core", "skin", "fat", "muscle", "rib", "visceral_fat",
         "diaphragm", "lung", "mediastinum", "back_muscle", "heart")  # fmt: skip
SPINE = ("disc", "bone", "marrow", "canal")


@dataclass(frozen=True)
class Anatomy:
    """One patient's tissues on a lattice.

    Attributes:
        lattice: Where the fields live, in scanner coordinates.
        layers: Tissue names and shapes in painting order.
    """

    lattice: Lattice
    layers: tuple[Layer, ...]


def drawn_anatomy(shaper: Shaper, trunk: dict[str, Field]) -> Anatomy:
    """Draw all organs and neighbours; where two overlap, the later one wins and they touch."""
    organs = organ_fields(shaper)
    layers = trunk_layers(trunk) + gut_layers(shaper)
    for name in ("liver", "spleen"):
        layers += organ_layers(name, organs[name], shaper)
    layers += organ_layers("stomach", organs["stomach"], shaper)
    layers += kidneys(shaper, organs["left_kidney"])
    layers += organ_layers("gallbladder", organs["gallbladder"], shaper)
    vessels = vessel_fields(shaper)
    layers.append(("cava", vessels["cava"]))
    layers += organ_layers("pancreas", organs["pancreas"], shaper)
    layers += organ_layers("duodenum", organs["duodenum"], shaper)
    layers += [(name, vessels[name]) for name in ("portal_vein", "artery")]
    layers += organ_layers("esophagus", organs["esophagus"], shaper)
    layers += spine_layers(trunk)
    return Anatomy(shaper.space.lattice, tuple(layers))


def mapped_anatomy(shaper: Shaper, trunk: dict[str, Field], organs: dict[str, Field]) -> Anatomy:
    """Lay given organs over a drawn trunk and drawn neighbours: the organs win everywhere."""
    layers = trunk_layers(trunk) + gut_layers(shaper)
    other = right_kidney(shaper)
    layers.append(("visceral_fat", perirenal_fat(other, shaper, 6.0)))
    layers += kidney_layers("right", other, shaper)
    layers += list(vessel_fields(shaper).items()) + spine_layers(trunk)
    for name, organ in organs.items():
        layers += organ_layers(name, organ, shaper)
    return Anatomy(shaper.space.lattice, tuple(layers))


def trunk_layers(trunk: dict[str, Field]) -> list[Layer]:
    """Return everything from the skin to the empty belly."""
    return [(name, trunk[name]) for name in TRUNK]


def spine_layers(trunk: dict[str, Field]) -> list[Layer]:
    """Return the spine, which nothing overlaps."""
    return [(name, trunk[name]) for name in SPINE]


def gut_layers(shaper: Shaper) -> list[Layer]:
    """Return small bowel and colon with their contents."""
    rng = shaper.rng
    layers = hollow_layers("bowel", small_bowel(shaper), shaper, 3.5, rng.uniform(0.0, 0.08))
    for colon in colon_fields(shaper):
        layers += hollow_layers("colon", colon, shaper, 2.5, rng.uniform(0.1, 0.7))
    return layers


def kidneys(shaper: Shaper, left: Field) -> list[Layer]:
    """Return both kidneys, each in its fat."""
    right = right_kidney(shaper)
    layers: list[Layer] = []
    for side, kidney in (("right", right), ("left", left)):
        thickness = float(shaper.rng.uniform(0.0, 7.0))
        layers.append(("visceral_fat", perirenal_fat(kidney, shaper, thickness)))
        layers += kidney_layers(side, kidney, shaper)
    return layers
