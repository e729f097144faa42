"""Student's t distribution."""

from functools import lru_cache

from scipy import stats


@lru_cache(maxsize=4096)
def quantile(level: float, freedom: int) -> float:
    """Return what |t| exceeds with a chance of `level`, both ends together.

    Args:
        level: From 0 to 1.
    """
    return float(stats.t.isf(level / 2, freedom))
