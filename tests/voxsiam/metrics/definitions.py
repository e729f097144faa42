"""The measures written out as their definitions say, over all pairs, as medpy defines them.

HD95: the 95th percentile of both directed sets in one pool. ASSD: the mean of the two directed
means. Surface: voxels of a mask with one of their six neighbours outside it.
"""

import numpy as np

CROSS = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))


def voxels_of(mask):
    return {tuple(voxel) for voxel in np.argwhere(mask).tolist()}


def literal_surface(mask):
    voxels = voxels_of(mask)
    return [
        (d, h, w)
        for d, h, w in sorted(voxels)
        if any((d + a, h + b, w + c) not in voxels for a, b, c in CROSS)
    ]


def literal_nearest(places, targets, spacing):
    """Distance from each place to the nearest target, by looking at every target."""
    there, here = np.array(targets) * spacing, np.array(places) * spacing
    return np.array([min(np.sqrt(((place - there) ** 2).sum(axis=1))) for place in here])


def literal_directed(source, target, spacing):
    return literal_nearest(literal_surface(source), literal_surface(target), spacing)


def literal_percentile(values, percent):
    ranked = sorted(values)
    place = (len(ranked) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (place - low) * (ranked[high] - ranked[low])


def literal_hd95(there, back):
    return literal_percentile([*there, *back], 95)


def literal_assd(there, back):
    return (sum(there) / len(there) + sum(back) / len(back)) / 2


def literal_dice(prediction, reference):
    ours, theirs = voxels_of(prediction), voxels_of(reference)
    return 2 * len(ours & theirs) / (len(ours) + len(theirs))
