"""How large organs are, in ml, as CT shows them in adults.

Usual: about three standard deviations around the means of volumetric CT studies (liver 1,500 +-
400 and spleen 200 +- 100 in adults, kidney 150 +- 40, pancreas 80 +- 25), with room for enlarged
spleens and livers; hollow organs vary with what fills them. The 30 label maps of WORD lie inside,
but for nothing (docs/checks.md lists their ranges). Impossible: beyond the largest that case
reports describe (polycystic livers and kidneys, giant spleens).
"""

RANGE_SOURCE = "volumetric CT studies of adults, docs/checks.md"

PLAUSIBLE_ML: dict[str, tuple[float, float]] = {
    "spleen": (40.0, 900.0),
    "left_kidney": (50.0, 400.0),
    "gallbladder": (1.0, 150.0),
    "esophagus": (0.5, 80.0),
    "liver": (600.0, 3500.0),
    "stomach": (40.0, 2000.0),
    "pancreas": (15.0, 250.0),
    "duodenum": (10.0, 250.0),
}
"""Usual range of an organ that lies in the scan as a whole."""

IMPOSSIBLE_ML: dict[str, float] = {
    "spleen": 10000.0,
    "left_kidney": 8000.0,
    "gallbladder": 3000.0,
    "esophagus": 1500.0,
    "liver": 16000.0,
    "stomach": 10000.0,
    "pancreas": 3000.0,
    "duodenum": 3000.0,
}
"""Above it the spacing or the label is wrong."""

LIVER_RATIO: dict[str, tuple[float, float]] = {
    organ: (low / 2000, high / 1000) for organ, (low, high) in PLAUSIBLE_ML.items()
}
"""Usual range of an organ's volume as a part of the liver's: a small patient's organs are small
together. The 30 maps of WORD lie inside, but for nothing."""
