"""A small trunk with eight organs of plausible size and place, and cases written from it."""

from pathlib import Path
from typing import TypeVar

import numpy as np

from tests.nifti_files import ras_affine, write_scan
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.label_files import LabelMap
from voxsiam_data.manifest import Case, Manifest

T = TypeVar("T")
SPACING = (5.0, 4.0, 4.0)
SHAPE = (44, 60, 84)
VALUES = {value: value for value in range(9)}
# Centre and half axes in mm along d, h, w from the middle of the trunk; w runs to the right.
ORGANS_MM = {
    "liver": ((40, 5, 75), (58, 70, 66)),
    "stomach": ((45, 35, -35), (35, 25, 35)),
    "spleen": ((40, -40, -95), (35, 33, 30)),
    "left_kidney": ((-25, -45, -60), (45, 26, 24)),
    "pancreas": ((-10, 15, -15), (12, 16, 55)),
    "duodenum": ((-40, 20, 30), (25, 15, 18)),
    "gallbladder": ((-30, 50, 60), (16, 14, 14)),
    "esophagus": ((95, -15, -8), (22, 8, 8)),
}


def known(value: T | None) -> T:
    """Take what is there."""
    assert value is not None
    return value


def grid_mm():
    axes = [(np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(SHAPE, SPACING, strict=True)]
    return np.meshgrid(*axes, indexing="ij")


def ellipsoid(centre, radii):
    terms = zip(grid_mm(), centre, radii, strict=True)
    return sum(((x - c) / r) ** 2 for x, c, r in terms) <= 1


def trunk(seed=0, stretch=1.0, shift=0.0):
    """Image in HU and labels, both d h w."""
    generator = np.random.default_rng(seed)
    image = np.full(SHAPE, -1000.0)
    label = np.zeros(SHAPE, np.uint8)
    d, h, w = grid_mm()
    skin = (h / 105) ** 2 + (w / 150) ** 2 <= 1
    image[skin] = -100
    image[skin & (h < -60)] = 50
    image[skin & (d > 75) & (np.abs(w) > 25)] = -850  # lungs
    image[skin & (np.abs(w) < 25) & (h < -55)] = 400  # spine
    for organ, (centre, radii) in ORGANS_MM.items():
        wander = generator.normal(0, shift, 3)
        inside = ellipsoid(np.array(centre) + wander, np.array(radii) * stretch)
        image[inside] = 110
        label[inside] = PAPER_ORGANS.index(organ) + 1
    image += generator.normal(0, 12, SHAPE)
    return image.round().astype(np.int16), label


def only(label, *organs):
    """The label map of an annotator who looked for these organs alone."""
    values = [PAPER_ORGANS.index(organ) + 1 for organ in organs]
    return np.where(np.isin(label, values), label, 0).astype(np.uint8)


def uneven_spleen():
    """A trunk whose spleen is less even than the liver where its mirror image lies."""
    image, label = trunk()
    spleen = only(label, "spleen") > 0
    image[spleen[:, :, ::-1]] = 110
    image[spleen] += np.random.default_rng(1).normal(0, 30, spleen.sum()).astype(np.int16)
    return image, label


def write_image(path: Path, image, affine=None):
    return write_scan(path, image.transpose(2, 1, 0), _affine() if affine is None else affine)


def write_case(root: Path, name: str, image, label, affine=None, patient=None) -> Case:
    path = write_image(root / name / "label.nii.gz", label, affine)
    scan = None if image is None else write_image(root / name / "image.nii.gz", image, affine)
    labels = LabelMap(path=path, values=VALUES)
    return Case(name, patient or name, scan, labels, root.name)


def manifest_of(root: Path, *cases: Case) -> Manifest:
    return Manifest(cases, root)


def _affine():
    d, h, w = SPACING
    return ras_affine((w, h, d), (-170.0, -120.0, -110.0))
