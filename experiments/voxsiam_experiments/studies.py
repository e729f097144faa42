"""The studies by name: the paper's tables, and each system trained by itself."""

from collections.abc import Callable, Mapping

from voxsiam.errors import UserError
from voxsiam.fingerprint import flatten
from voxsiam.orchestration.studies.ledger import StudyPlan
from voxsiam.orchestration.studies.table import Row, Table
from voxsiam.training.recipe import Recipe
from voxsiam_experiments import backbones, fig7, readings, table1, table2, table3, table4, table5
from voxsiam_experiments.recipes import RECIPES


def _training(name: str, recipe: Callable[[], Recipe]) -> Table:
    what = (recipe.__doc__ or "").split(".")[0].removeprefix("Return the ")
    row = Row(label=name, recipe=recipe())
    return Table(name=f"train-{name}", number="", title=f"Training: {what}", rows=(row,))


_STUDIES = (table1, table2, table3, table4, table5, fig7, backbones, readings)

TABLES: Mapping[str, Table] = {study.TABLE.name: study.TABLE for study in _STUDIES}

TRAININGS: Mapping[str, Table] = {name: _training(name, recipe) for name, recipe in RECIPES.items()}
"""One system trained by itself, as a study of a single row: `voxsiam train NAME`."""

STUDIES: Mapping[str, Table] = TABLES | {table.name: table for table in TRAININGS.values()}

_MOST_TOLD = 6

FINAL = "sweep-"
"""How the names of the last steps of sweeps begin."""


def differing_rows(new: Table, old: Table) -> list[str]:
    """Say what two tables resolve otherwise: rows, settings, what they are compared with.

    Titles, footnotes and comments make no difference.
    """
    rows, before = ({row.label: row for row in table.rows} for table in (new, old))
    told = [f"new row '{label}'" for label in rows if label not in before]
    told += [f"no row '{label}' any more" for label in before if label not in rows]
    for label in (label for label in rows if label in before):
        now, then = _resolved(rows[label], new), _resolved(before[label], old)
        told += [
            f"'{label}': {name} {then.get(name)} -> {now.get(name)}"
            for name in (*now, *(name for name in then if name not in now))
            if now.get(name) != then.get(name)
        ]
    return told[:_MOST_TOLD] + (["and more"] if len(told) > _MOST_TOLD else [])


def _resolved(row: Row, table: Table) -> dict[str, object]:
    told = {"compared_with": table.partner(row), "label_fraction": row.label_fraction}
    return flatten(row.recipe.model_dump(mode="json")) | told


def table_of(plan: StudyPlan) -> Table:
    """Return the table that a study was planned from.

    Raises:
        UserError: The plan was made before plans kept it, and the name is none of ours.
    """
    if plan.table is not None:
        return plan.table
    if plan.study in STUDIES:
        return STUDIES[plan.study]
    raise UserError(
        f"the plan does not say which rows '{plan.study}' has",
        where=plan.study_id,
        fix="start it anew",
    )
