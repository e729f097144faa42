"""How two sets of directed surface distances become one figure: two readings of one name each."""

from typing import Literal

from voxsiam.types import Frozen


class DistanceConfig(Frozen):
    """Which HD95 and which ASSD is meant (docs/metrics.md).

    Attributes:
        hd95: The 95th percentile of both directed sets in one pool (medpy), or the larger of the
            two directed percentiles (MONAI, surface-distance).
        assd: The mean of the two directed means (medpy), or the mean of both sets in one pool
            (MONAI, surface-distance).
    """

    hd95: Literal["pooled", "larger_directed"] = "pooled"
    assd: Literal["mean_of_directed", "pooled"] = "mean_of_directed"
