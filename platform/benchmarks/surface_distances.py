"""HD95 and ASSD of eight organs against MONAI 1.6.1, on the training grid and on the scan's own.

Run: .venv/bin/python platform/benchmarks/surface_distances.py [--rounds 15] [--scan-rounds 3]

MONAI takes HD95 as the larger of the two directed percentiles and its symmetric mean over the
pooled set; ours are medpy's. Values are compared in MONAI's definitions, from our directed sets,
and in medpy's, from MONAI's directed sets. MONAI gets its one-hot tensors for nothing.
"""

import argparse
import gc
import statistics
import warnings

import numpy as np
import torch
from jaxtyping import UInt8
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.surface_distance import compute_average_surface_distance
from monai.metrics.utils import get_edge_surface_distance
from pairs import show, time_in_turn
from torch import Tensor

from voxsiam.metrics.agreement import Agreement, agreements, organ_boxes
from voxsiam.metrics.case_scores import NativePair, score_case, score_native
from voxsiam.metrics.scoring_rules import DEFAULT_RULES
from voxsiam.metrics.surface import SurfaceDistances, surface_distances
from voxsiam.types import PAPER_ORGANS, Shape, Spacing
from voxsiam.volumes.resampling import resample, resample_nearest
from voxsiam_data.phantom.case import make_phantom

GRID_DHW: Shape = (64, 128, 128)
NATIVE_DHW: Shape = (129, 512, 512)
EXTENT_MM = (260.0, 340.0, 340.0)
ERROR_MM = 5.0

Labels = UInt8[np.ndarray, "d h w"]


def spacing_of(shape: Shape) -> Spacing:
    """Voxel size where the grid covers EXTENT_MM."""
    d, h, w = (extent / n for extent, n in zip(EXTENT_MM, shape, strict=True))
    return d, h, w


def wrong_by(labels: Labels, spacing_mm: Spacing) -> Labels:
    """Displace a label map smoothly by about ERROR_MM, as a fair prediction is displaced."""
    rng = np.random.default_rng(0)
    places = []
    for axis, (n, step) in enumerate(zip(labels.shape, spacing_mm, strict=True)):
        coarse = rng.normal(0, ERROR_MM / step, (6, 8, 8)).astype(np.float32)
        ramp = np.arange(n).reshape([-1 if a == axis else 1 for a in range(3)])
        shape: Shape = (labels.shape[0], labels.shape[1], labels.shape[2])
        moved = np.rint(ramp + resample(coarse, shape)).astype(np.int64)
        places.append(moved.clip(0, n - 1))
    return labels[tuple(places)]


def one_hot(labels: Labels) -> Tensor:
    """Return the tensor that MONAI wants: 1 x organs x d x h x w."""
    masks = np.stack([labels == value for value in range(1, len(PAPER_ORGANS) + 1)])
    return torch.from_numpy(masks)[None].float()


def monai_calls(prediction: Tensor, reference: Tensor, spacing: Spacing) -> tuple[Tensor, Tensor]:
    """Call its two functions, as its documentation shows them."""
    return (
        compute_hausdorff_distance(
            prediction, reference, include_background=True, percentile=95, spacing=spacing
        ),
        compute_average_surface_distance(
            prediction, reference, include_background=True, symmetric=True, spacing=spacing
        ),
    )


def monai_sets(prediction: Tensor, reference: Tensor, spacing: Spacing) -> list[SurfaceDistances]:
    """Take its directed distance sets once, the least it can do for both measures."""
    sets: list[SurfaceDistances] = []
    for organ in range(prediction.shape[1]):
        masks = (prediction[0, organ], reference[0, organ])
        found = get_edge_surface_distance(*masks, spacing=spacing, symmetric=True)[1]
        there, back = (one.numpy() for one in found)
        sets.append(SurfaceDistances(there, back))
    return sets


def our_sets(prediction: Labels, reference: Labels, spacing: Spacing) -> list[SurfaceDistances]:
    """Return our directed distance sets."""
    boxes = organ_boxes(prediction, reference, len(PAPER_ORGANS))
    return [
        surface_distances(prediction[box] == v, reference[box] == v, [spacing])[0]
        for v, box in boxes.items()
    ]


def differences(prediction: Labels, reference: Labels, spacing: Spacing) -> None:
    """Print the largest difference of any organ, in either definition."""
    tensors = (one_hot(prediction), one_hot(reference))
    hd95, mean = (values[0].numpy() for values in monai_calls(*tensors, spacing))
    ours = our_sets(prediction, reference, spacing)
    theirs = monai_sets(*tensors, spacing)
    directed = [
        max(np.percentile(one.to_reference, 95), np.percentile(one.to_prediction, 95))
        for one in ours
    ]
    pooled = [np.concatenate([one.to_reference, one.to_prediction]).mean() for one in ours]
    scores = agreements(prediction, reference, (spacing,), DEFAULT_RULES).values()
    print("  organ          DSC   HD95 mm  ASSD mm   MONAI: HD95 mm  mean mm")
    for organ, score, row in zip(PAPER_ORGANS, scores, zip(hd95, mean, strict=True), strict=True):
        (own,) = score.distances
        print(f"  {organ:12s} {score.dsc:5.3f} {own.hd95:9.3f} {own.assd:8.3f} ", end="")
        print(f"{row[0]:16.3f} {row[1]:8.3f}")
    medpy = [abs(a.hd95 - b.hd95) + abs(a.assd - b.assd) for a, b in zip(ours, theirs, strict=True)]
    print(
        f"  largest difference, mm: MONAI's HD95 {np.abs(hd95 - directed).max():.1e}, its mean "
        f"{np.abs(mean - pooled).max():.1e} (it rounds to float32); medpy's HD95 + ASSD from its "
        f"directed sets {max(medpy):.1e}"
    )


def compare(name: str, pair: tuple[Labels, Labels], rounds: int) -> None:
    """Print values, then times in turn."""
    prediction, reference = pair
    shape: Shape = (reference.shape[0], reference.shape[1], reference.shape[2])
    spacing = spacing_of(shape)
    print(f"{name}, {' x '.join(map(str, shape))} (d h w)")
    differences(prediction, reference, spacing)
    tensors = (one_hot(prediction), one_hot(reference))

    def ours() -> dict[str, Agreement]:
        return agreements(prediction, reference, (spacing,), DEFAULT_RULES)

    show("  two calls of MONAI", time_in_turn(lambda: monai_calls(*tensors, spacing), ours, rounds))
    show("  its sets once", time_in_turn(lambda: monai_sets(*tensors, spacing), ours, rounds))


def main() -> None:
    """Compare on both grids, then time what a case of a study costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="on the training grid")
    parser.add_argument("--scan-rounds", type=int, default=3, help="on the scan's own")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning, module="monai")
    # A second thread gains MONAI nothing here, and on a busy machine both wait for each other.
    torch.set_num_threads(1)
    # What the imports left behind is collected before the rounds, not in one of them.
    gc.collect()
    gc.freeze()
    drawn = make_phantom(0, 1, (2.5, 3.0), None).label
    references = {shape: resample_nearest(drawn, shape) for shape in (GRID_DHW, NATIVE_DHW)}
    pairs = {
        shape: (wrong_by(reference, spacing_of(shape)), reference)
        for shape, reference in references.items()
    }
    compare("training grid", pairs[GRID_DHW], asked.rounds)
    compare("scan", pairs[NATIVE_DHW], asked.scan_rounds)
    native = NativePair(*pairs[NATIVE_DHW], spacing_of(NATIVE_DHW))
    times = time_in_turn(
        lambda: score_native("a", native),
        lambda: score_case("a", *pairs[GRID_DHW], spacing_of(GRID_DHW)),
        5,
    )
    scan, grid = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"one case scored: scan {scan:.2f} s, training grid in voxels and mm {grid:.3f} s")


if __name__ == "__main__":
    main()
