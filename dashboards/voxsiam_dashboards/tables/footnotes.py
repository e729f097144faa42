"""What a reader must know before comparing two figures of a table."""

from collections.abc import Iterable, Sequence

from voxsiam.orchestration.studies.table import Table
from voxsiam.types import PAPER_ORGANS, organ_words
from voxsiam_dashboards.store.results import StudyResults, TrialResult

DISTANCE_NOTE = (
    "HD95 and ASSD are in voxels of the training grid. The paper prints mm, but its figures are "
    "almost surely grid voxels too (docs/metrics.md#grid-voxels-and-mm), so they stand beside ours "
    "as they are. HD95 is that of both directed sets in one pool, ASSD the mean of the directed "
    "means, unless the settings say otherwise (docs/metrics.md#hd95)."
)
MISSED_NOTE = (
    "An organ that was missed counts as DSC 0 and is left out of the distances; how many were "
    "missed stands beside them, because missing more organs makes the distances look better "
    "(docs/metrics.md#missed-organs)."
)
MEAN_NOTE = (
    "Each figure is the mean over cases for each organ, then over the organs, then over seeds; the "
    "spread is the sample standard deviation over seeds (docs/metrics.md#means). The paper gives "
    "none."
)
FEWER_ORGANS_NOTE = (
    "Of the eight organs only {scored} were scored: {names}. Do not set these means beside the "
    "paper's, which are over eight (docs/metrics.md#means)."
)
FEWER_CLASSES_NOTE = "Of the {count} organs only {scored} were scored; not: {names}."
_LEVEL = "The level of these figures cannot be compared with the paper's, only the way of measuring"
_SAME, _KNOWN = "is the same (docs/data.md).", "is known (docs/data.md)."
DATA_NOTES = {
    "phantom": f"Trained and tested on computed phantoms, not on patients. {_LEVEL} {_SAME}",
    "semi-synthetic": (
        f"Trained and tested on semi-synthetic images, not on plain CT. {_LEVEL} {_SAME}"
    ),
    "unknown": f"The study's plan does not say what kind of data this is. {_LEVEL} {_KNOWN}",
}


def data_kind(results: StudyResults) -> str:
    """Kind of the data: phantom, semi-synthetic, real or unknown."""
    data = results.plan.get("data")
    kind = data.get("kind") if isinstance(data, dict) else None
    return kind if kind in ("phantom", "semi-synthetic", "real") else "unknown"


def warnings(results: StudyResults) -> tuple[str, ...]:
    """What stands above the table, where nobody overlooks it."""
    preset = f"Preset '{results.preset}': smaller and shorter than the paper's training."
    kind = DATA_NOTES.get(data_kind(results))
    return (*([kind] if kind else []), *([preset] if results.preset != "paper" else []))


def footnotes(
    table: Table, results: StudyResults, trials: Sequence[TrialResult], strangers: Iterable[str]
) -> tuple[str, ...]:
    """Everything below the table, without repeats, the general before the particular."""
    plan_notes = results.plan.get("notes")
    notes = (
        MEAN_NOTE,
        *_fewer_organs(trials, results.organs),
        DISTANCE_NOTE,
        MISSED_NOTE,
        *warnings(results),
        *table.footnotes,
        *(map(str, plan_notes) if isinstance(plan_notes, list) else ()),
        *_mixtures(table, trials),
        *(f"The study also holds '{label}', which is no row of this table." for label in strangers),
        *results.notes,
    )
    return tuple(dict.fromkeys(notes))


def _fewer_organs(trials: Sequence[TrialResult], organs: Sequence[str]) -> list[str]:
    """Say over which organs the means are, where it is not all of them."""
    done = [trial for trial in trials if trial.finished]
    scored = [organ for organ in organs if any(f"dsc/{organ}" in trial.final for trial in done)]
    if not done or len(scored) == len(organs):
        return []
    if organs == PAPER_ORGANS:
        names = ", ".join(map(organ_words, scored))
        return [FEWER_ORGANS_NOTE.format(scored=len(scored), names=names)]
    names = ", ".join(organ_words(organ) for organ in organs if organ not in scored)
    return [FEWER_CLASSES_NOTE.format(count=len(organs), scored=len(scored), names=names)]


def _uses_other_splits(table: Table, done: Sequence[TrialResult]) -> bool:
    """Tell whether rows with the same share of labels have different splits."""
    fractions = {row.label: row.label_fraction for row in table.rows}
    found = {(fractions.get(t.row, 1.0), t.fingerprints.get("split", "")) for t in done}
    return len(found) > len({fraction for fraction, _ in found})


def _mixtures(table: Table, trials: Sequence[TrialResult]) -> list[str]:
    """Say where figures stand side by side that were not measured alike."""
    done = [trial for trial in trials if trial.finished]
    names = {"data": "data", "method_version": "versions of the method"}
    notes = [
        f"Do not compare the rows: their runs used different {name}."
        for key, name in names.items()
        if len({trial.fingerprints.get(key, "") for trial in done}) > 1
    ]
    if _uses_other_splits(table, done):
        notes.append("Do not compare the rows: their runs used different splits.")
    for label in dict.fromkeys(trial.row for trial in done):
        recipes = {t.fingerprints.get("recipe", "") for t in done if t.row == label}
        if len(recipes) > 1:
            notes.append(f"The seeds of '{label}' were trained with different recipes.")
    return notes
