"""What a reader must know of each figure: the same words in the report and in the browser."""

CAPTIONS = {
    "patients": (
        "A point is a test patient, averaged over organs and seeds; on the dashed line both are "
        "alike. Differences are those of the upright axis over the level one, with their 95 % "
        "interval over patients and trainings; p is that of the same test, corrected by Holm "
        "(docs/statistics.md#main-test)."
    ),
    "curves": (
        "Thin lines: seeds; thick lines: their mean, as far as every seed has come. Losses of rows "
        "with different weights are not on one scale. Scores per epoch come from validation cases, "
        "never from test cases."
    ),
    "organs": (
        "A point is one test case, averaged over seeds; the box spans the quartiles. Distances are "
        "in voxels of the grid; a missed organ counts as DSC 0 and has no distance."
    ),
    "labels": (
        "Line: mean over seeds; dots: seeds; band: 95 % interval of the mean over patients, for "
        "these trainings, where there are three or more (docs/statistics.md#intervals); open "
        "diamonds: the paper's figures."
    ),
    "features": (
        "The same test voxels for every row, of its first seed, on the encoder's three deepest "
        "levels (1 is the deepest; networks differ in their levels' grids). Neighbours have like "
        "features; the axes mean nothing. The silhouette (-1 to 1, higher is better separated) is "
        "that of the features themselves by cosine distance, background included."
    ),
    "history": (
        "A point is a trial; open ones were stopped early and stand at the score of their last "
        "epoch."
    ),
    "slices": "The same trials against each setting.",
    "importance": (
        "fANOVA (Hutter et al. 2014) on the trials trained to the end; bars hold 90 % of the "
        "estimates when these trials are drawn anew with replacement. Intervals that overlap tell "
        "no order."
    ),
    "parallel": (
        "A line is a trial trained to the end; the lighter, the better. Each axis runs from the "
        "least to the greatest value that was tried to the end."
    ),
    "pareto": "The line joins the trials that no other beats in both.",
}
"""By the names of the figures."""
