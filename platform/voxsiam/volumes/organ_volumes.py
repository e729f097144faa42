"""How large organs are, in ml, as CT shows them in adults.

Usual: about three standard deviations around the means of volumetric CT studies (liver 1,500 +-
400 and spleen 200 +- 100 in adults, kidney 150 +- 40, pancreas 80 +- 25), with room for enlarged
spleens and livers; hollow organs vary with what fills them. The 30 label maps of WORD lie inside,
but for nothing (docs/checks.md lists their ranges). Impossible: beyond the largest that case
reports describe (polycystic livers and kidneys, giant spleens).
"""

from collections.abc import Mapping

RANGE_SOURCE = "volumetric CT studies of adults, docs/checks.md"

_RANGE_AND_LIMIT_ML = {
    "spleen": (40.0, 900.0, 10000.0),
    "left_kidney": (50.0, 400.0, 8000.0),
    "gallbladder": (1.0, 150.0, 3000.0),
    "esophagus": (0.5, 80.0, 1500.0),
    "liver": (600.0, 3500.0, 16000.0),
    "stomach": (40.0, 2000.0, 10000.0),
    "pancreas": (15.0, 250.0, 3000.0),
    "duodenum": (10.0, 250.0, 3000.0),
}

PLAUSIBLE_ML: Mapping[str, tuple[float, float]] = {
    organ: ml[:2] for organ, ml in _RANGE_AND_LIMIT_ML.items()
}
"""Usual range of an organ that lies in the scan as a whole, for the organs whose range is known."""

IMPOSSIBLE_ML = {organ: ml[2] for organ, ml in _RANGE_AND_LIMIT_ML.items()}
"""Above it the spacing or the label is wrong."""

LIVER_RATIO = {organ: (low / 2000, high / 1000) for organ, (low, high) in PLAUSIBLE_ML.items()}
"""Usual range of an organ's volume as a part of the liver's: a small patient's organs are small
together. The 30 maps of WORD lie inside, but for nothing."""
