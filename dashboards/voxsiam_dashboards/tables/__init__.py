"""Figures beside figures: rows, comparisons, settings, costs, and how they are written."""
