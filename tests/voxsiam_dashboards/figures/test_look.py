import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from voxsiam.types import PAPER_ORGANS, organ_title
from voxsiam_dashboards.figures.look import ERROR_COLOURS, organ_colours, row_colour

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHT = {
    "full": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "protan": (
        *(0.152286, 1.052583, -0.204868),
        *(0.114503, 0.786281, 0.099216),
        *(-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        *(0.367322, 0.860646, -0.227968),
        *(0.280085, 0.672501, 0.047413),
        *(-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        *(1.255528, -0.076749, -0.178779),
        *(-0.078411, 0.930809, 0.147602),
        *(0.004733, 0.691367, 0.303900),
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def seen(colours, sight):
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ np.reshape(sight, (3, 3)).T, 0, 1) @ TO_XYZ.T / (0.9505, 1, 1.089)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize("sight", list(SIGHT.values()), ids=list(SIGHT))
def test_every_eye_can_tell_the_organs_apart(sight):
    gaps = gaps_between(organ_colours(PAPER_ORGANS).values(), sight)
    # CIE 1976 difference; about 2.3 is just noticeable, 16 leaves room for being see-through.
    assert min(gaps) > 16


@pytest.mark.parametrize("sight", list(SIGHT.values()), ids=list(SIGHT))
def test_every_eye_can_tell_the_errors_apart_and_from_grey(sight):
    assert min(gaps_between(ERROR_COLOURS.values(), sight)) > 30
    for grey in ("#000000", "#808080", "#ffffff"):
        assert min(gaps_between([*ERROR_COLOURS.values(), grey], sight)) > 16


def gaps_between(colours, sight):
    points = seen(colours, sight)
    return [np.linalg.norm(a - b) for a, b in itertools.combinations(points, 2)]


def test_every_organ_has_a_colour_and_rows_start_again():
    assert tuple(organ_colours(PAPER_ORGANS)) == PAPER_ORGANS
    many = organ_colours((*(f"organ_{n}" for n in range(246)), *PAPER_ORGANS))
    assert len(set(many.values())) == 254
    assert many["liver"] == organ_colours(PAPER_ORGANS)["liver"]
    assert organ_title("left_kidney") == "Left kidney"
    assert row_colour(0) == row_colour(7) != row_colour(1)
