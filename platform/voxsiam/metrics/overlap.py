"""How much two masks overlap."""

import numpy as np
from jaxtyping import Bool


def dice(prediction: Bool[np.ndarray, "d h w"], reference: Bool[np.ndarray, "d h w"]) -> float:
    """Dice score coefficient of two masks.

    Equation: DSC = 2 |A and B| / (|A| + |B|), Dice 1945; the paper's section IV-C.

    Returns:
        A value in [0, 1], higher is better; 0 when one mask is empty, NaN when both are.
    """
    voxels = np.count_nonzero(prediction) + np.count_nonzero(reference)
    if voxels == 0:
        return float("nan")
    return 2.0 * np.count_nonzero(prediction & reference) / voxels
