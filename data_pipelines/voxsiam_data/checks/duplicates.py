"""Cases that are one scan, or one patient: they must never stand on both sides of a split.

Equal files and equal voxels are facts. Near-equal scans and likely repeat scans of one patient are
found by figures, whose margins were measured (docs/checks.md).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from jaxtyping import Float64

from voxsiam_data.checks.likeness_marks import Fingerprint, OrganShape

Likeness = Literal[
    "equal files", "equal voxels", "near-equal images", "near-equal labels", "same patient"
]

MAX_COARSE_HU = 4.0
"""Largest difference between the mean intensities of the same part of two scans. One scan +- 1 HU:
at most 1.0; 496 pairs of other scans (two real CTs, 30 phantoms): at least 108."""

NEAR_OVERLAP, NEAR_SHIFT_MM = 0.97, 1.0
"""Overlap and shift of organs that were drawn once and then changed a little; the repeat scans of
one patient overlap by 0.93."""

MIN_OVERLAP, MAX_SHIFT_MM = 0.8, 4.0
"""Of organs of one patient, see `overlap` and `shifts_mm`; both must hold. The two repeat pairs of
30 label maps: 0.93 and 0.90, 0.3 and 1.7 mm. The other 433 pairs: at most 0.70, at least 6.5 mm.
276 pairs of phantoms: at most 0.75, at least 5.3 mm."""

MIN_COMMON_ORGANS = 4


@dataclass(frozen=True)
class Pair:
    """Two cases that are not independent, by their ids; `what` says so in words and figures."""

    first: str
    second: str
    likeness: Likeness
    what: str


def find_pairs(fingerprints: Mapping[str, Fingerprint]) -> list[Pair]:
    """Find all pairs of cases that are alike, each by the strongest reason."""
    found: dict[tuple[str, str], Pair] = {}
    for pair in (*_equal(fingerprints), *_near_images(fingerprints), *_alike(fingerprints)):
        found.setdefault((pair.first, pair.second), pair)
    return list(found.values())


def overlap(a: Mapping[int, OrganShape], b: Mapping[int, OrganShape]) -> float:
    """Median of 2 |A and B| / (|A| + |B|) over the organs of two cases, laid centre on centre."""
    overlaps = []
    for organ in a.keys() & b.keys():
        one, other = a[organ].cubes(), b[organ].cubes()
        total = np.count_nonzero(one) + np.count_nonzero(other)
        overlaps.append(2 * np.count_nonzero(one & other) / total if total else 0.0)
    return float(np.median(overlaps))


def centres_of(organs: Mapping[int, OrganShape], count: int) -> Float64[np.ndarray, "k 3"]:
    """Stack the centres of all classes' organs, NaN for one that is not there."""
    centres = np.full((count, 3), np.nan)
    for value, shape in organs.items():
        centres[value - 1] = shape.centre_mm
    return centres


def shifts_mm(
    one: Float64[np.ndarray, "k 3"], others: Float64[np.ndarray, "n k 3"]
) -> Float64[np.ndarray, " n"]:
    """Median distance of the organs' centres between one case and others, laid on one another.

    Infinite where too few organs are common.
    """
    apart = others - one
    common = np.isfinite(apart[..., 0]).sum(axis=1)
    result = np.full(len(others), np.inf)
    enough = common >= MIN_COMMON_ORGANS
    if enough.any():
        apart = apart[enough]
        apart = apart - np.nanmedian(apart, axis=1, keepdims=True)
        result[enough] = np.nanmedian(np.linalg.norm(apart, axis=2), axis=1)
    return result


def _equal(fingerprints: Mapping[str, Fingerprint]) -> Iterator[Pair]:
    for likeness, what, checksum in _CHECKSUMS:
        groups: dict[str, list[str]] = {}
        for case_id, fingerprint in fingerprints.items():
            value = checksum(fingerprint)
            if value is not None:
                groups.setdefault(value, []).append(case_id)
        for group in groups.values():
            for first, second in combinations(group, 2):
                yield Pair(first, second, likeness, what)


_CHECKSUMS: tuple[tuple[Likeness, str, Callable[[Fingerprint], str | None]], ...] = (
    ("equal files", "the same image file", lambda one: one.image_files),
    ("equal voxels", "the same image, stored anew", lambda one: one.image_voxels),
    ("equal files", "the same label file", lambda one: one.label_files),
    ("equal voxels", "the same labels, stored anew", lambda one: one.label_voxels),
)


def _near_images(fingerprints: Mapping[str, Fingerprint]) -> Iterator[Pair]:
    coarse = {c: f.coarse_hu for c, f in fingerprints.items() if f.coarse_hu is not None}
    names = list(coarse)
    if not names:
        return
    values = np.stack(list(coarse.values()))
    for index, name in enumerate(names[:-1]):
        rest = values[index + 1 :]
        # Few parts tell most scans apart; the others are compared in full.
        close = np.abs(rest[:, ::40] - values[index, ::40]).max(axis=1) <= MAX_COARSE_HU
        for place in np.flatnonzero(close):
            apart = float(np.abs(rest[place] - values[index]).max())
            if apart <= MAX_COARSE_HU:
                what = f"nearly the same image (coarse intensities within {apart:.1f} HU)"
                yield Pair(name, names[index + 1 + place], "near-equal images", what)


def _alike(fingerprints: Mapping[str, Fingerprint]) -> Iterator[Pair]:
    organs = {case: f.organs for case, f in fingerprints.items() if f.organs}
    names: Sequence[str] = list(organs)
    if not names:
        return
    count = max(max(shapes) for shapes in organs.values())
    centres = np.stack([centres_of(shapes, count) for shapes in organs.values()])
    for index, name in enumerate(names[:-1]):
        shifts = shifts_mm(centres[index], centres[index + 1 :])
        for place in np.flatnonzero(shifts <= MAX_SHIFT_MM):
            other, shift_mm = names[index + 1 + place], shifts[place]
            shared = overlap(organs[name], organs[other])
            figures = f"organs overlap by {shared:.2f}, centres {shift_mm:.1f} mm apart"
            if shared >= NEAR_OVERLAP and shift_mm <= NEAR_SHIFT_MM:
                what = f"nearly the same labels ({figures})"
                yield Pair(name, other, "near-equal labels", what)
            elif shared >= MIN_OVERLAP:
                yield Pair(name, other, "same patient", f"likely one patient ({figures})")
