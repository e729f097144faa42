"""Tests that are read together, and the price of their number."""

from collections.abc import Mapping


def holm(p_values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Correct the p-values of a family of tests for their number.

    Equation: the k-th smallest of m becomes the largest of (m - j + 1) p_j over j <= k, at most 1
    (Holm 1979). None is a test that was not made, which does not count.
    """
    made = sorted((p, name) for name, p in p_values.items() if p is not None)
    corrected: dict[str, float | None] = dict.fromkeys(p_values)
    largest = 0.0
    for place, (p, name) in enumerate(made):
        largest = max(largest, min(1.0, (len(made) - place) * p))
        corrected[name] = largest
    return corrected
