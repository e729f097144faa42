"""Means of groups of figures; what is not defined is in none.

Every mean is `statistics.fmean`'s: its last digit does not depend on the order of the figures.
"""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd


def group_means(names: np.ndarray, values: np.ndarray) -> dict[Any, float]:
    """Average the figures of each name.

    Args:
        values: The figures; those that are not finite are left out.

    Returns:
        In the order in which the names first have a figure.
    """
    figures = values.astype(float)
    known = np.isfinite(figures)
    codes, found = pd.factorize(names[known])
    ordered = figures[known][np.argsort(codes, kind="stable")].tolist()
    ends = np.cumsum(np.bincount(codes, minlength=len(found))).tolist()
    starts = [0, *ends][:-1]
    return {
        name: fmean(ordered[start:end])
        for name, start, end in zip(found, starts, ends, strict=True)
    }


def pooled_means(means: Mapping[str, float], pool_of: Mapping[str, str]) -> dict[str, float]:
    """Average means of groups that belong together; a group that is in no pool is its own.

    Args:
        pool_of: The pool of a group, where it has one.
    """
    pools: dict[str, list[float]] = {}
    for name, value in means.items():
        pools.setdefault(pool_of.get(name, name), []).append(value)
    return {name: fmean(values) for name, values in pools.items()}
