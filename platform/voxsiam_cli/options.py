"""Options that several commands share."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, get_args

import typer
from typer.models import OptionInfo

from voxsiam.errors import UserError, nearest_name
from voxsiam.orchestration.cluster.waiting import PATIENCE_SETTING
from voxsiam.orchestration.owner import OWNER_SETTING, this_owner
from voxsiam.orchestration.studies.table import Table
from voxsiam.types import Shape
from voxsiam_data.splits.split_file import read_one_split
from voxsiam_experiments.presets import PRESETS, Choices, Preset
from voxsiam_experiments.studies import STUDIES
from voxsiam_experiments.study_file import ENDING, load_table

if TYPE_CHECKING:
    from voxsiam.volumes.nifti_geometry import Form

Entry = TypeVar("Entry")


def local(path: Path | None) -> Path | None:
    """Refuse an address where a folder or file of this machine is needed.

    As a path, s3://bucket/work is a folder `s3:` below the current one, which nobody meant.
    """
    address = re.match(r"(?s)([A-Za-z][\w+.-]+):/+(.*)", str(path))
    if path is None or address is None or path.exists():
        return path
    raise UserError(
        f"'{address[1]}://{address[2]}' is an address, and a path is needed",
        where="the command line",
        fix="give a folder that every node sees; only --data takes addresses "
        "(voxsiam data publish puts a prepared set at one)",
    )


def output_option(text: str, *names: str) -> OptionInfo:
    """Return the option that names where to write on this machine, under further names too."""
    return typer.Option("-o", "--output", *names, help=text, callback=local)


Workspace = Annotated[
    Path,
    typer.Option(
        "--workspace", "-w", help="Folder that holds everything a run writes.", callback=local
    ),
]
DEFAULT_WORKSPACE = Path("voxsiam-workspace")
AsJson = Annotated[bool, typer.Option("--json", help="Print for machines.")]
Study = Annotated[
    str, typer.Argument(metavar="STUDY", help="Its id, or its table's name if there is one of it.")
]
PresetName = Annotated[str, typer.Option("--preset", help="tiny, mini or paper.")]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="PREPARED", help="A prepared set: a folder or s3://...; else the preset's phantoms."
    ),
]
Seeds = Annotated[int | None, typer.Option(min=1, help="Trainings of each row.")]
Workers = Annotated[int | None, typer.Option(min=1, help="DDP workers of a trial.")]
GpuShare = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Part of a GPU that a trial holds: 0.5 puts two on each, 0 trains on CPUs.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override, e.g. optimiser.learning_rate=0.01."),
]
SplitFile = Annotated[
    Path | None, typer.Option("--split", help="Fixed lists, as voxsiam data split writes them.")
]
GeometryForm = Annotated[
    str | None,
    typer.Option(
        "--geometry", help="Which of a NIfTI header's two forms is right: sform or qform."
    ),
]
Ignored = Annotated[
    list[str] | None,
    typer.Option("--ignore", help="Leave these files out on purpose, e.g. '*.nrrd'; repeatable."),
]
Protocol = Annotated[
    str | None,
    typer.Option(help="What the label values mean, where SOURCE leaves it open, e.g. flare22."),
]
LabelsFile = Annotated[
    Path | None,
    typer.Option("--labels", help="A dataset.json that says what the label values mean."),
]
Organs = Annotated[
    str | None,
    typer.Option(
        help="Which become classes: paper (its eight), all, or NAME,NAME,...; else all that a "
        "dataset.json names, and the paper's in a known data set."
    ),
]
ReportFolder = Annotated[
    Path | None, output_option("Folder to write, of its own; that of the workspace by default.")
]


def _keep_patience(seconds: float | None) -> None:
    """Let every wait of this process know of it."""
    if seconds is not None:
        os.environ[PATIENCE_SETTING] = f"{seconds:g}"


Patience = Annotated[
    float | None,
    typer.Option(
        "--patience",
        min=1,
        metavar="SECONDS",
        help="End a wait for room or data after so long; else only those on which nobody works, "
        "after 600.",
        callback=_keep_patience,
        expose_value=False,
    ),
]
"""Heard by every wait; the functions of the commands have no use for it."""


def _keep_owner(name: str | None) -> None:
    if name is not None:
        os.environ[OWNER_SETTING] = name
        this_owner()


Owner = Annotated[
    str | None,
    typer.Option(
        "--owner",
        metavar="NAME",
        help="Whose it is, for others who share the cluster and MLflow; else user@host.",
        callback=_keep_owner,
        expose_value=False,
    ),
]
"""As `Patience`."""

DryRun = Annotated[bool, typer.Option(help="Say what it will cost, and start nothing.")]


def parse_grid(text: str) -> Shape:
    """Read '128x128x64', the paper's H x W x D, as d h w."""
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        raise UserError(
            f"'{text}' is not a grid", where="--grid", fix="give HxWxD, for example 128x128x64"
        )
    h, w, d = (int(part) for part in parts)
    return d, h, w


def is_uri(place: str) -> bool:
    """Tell an address such as s3://bucket/prepared from a folder."""
    return "://" in place


def find_geometry(name: str | None) -> "Form | None":
    """Return the form of a header by its name, or say which name was meant."""
    from voxsiam.volumes.nifti_geometry import Form

    forms = {form: form for form in get_args(Form)}
    return None if name is None else find_named("form", name, forms, "--geometry")


def read_choices(
    seeds: int | None,
    workers: int | None,
    gpu_share: float,
    settings: list[str] | None,
    split: Path | None,
) -> Choices:
    """Put what a user asks for beyond the preset together; the split's file is read here."""
    return Choices(
        seeds=seeds,
        workers=workers,
        gpu_share=gpu_share,
        overrides=tuple(settings or ()),
        split=read_one_split(split) if split else None,
    )


def find_table(name: str) -> Table:
    """Return a study by its name, or the one that a file declares; or say what was meant."""
    if name.endswith(ENDING):
        return load_table(Path(name))
    if name not in STUDIES and Path(name + ENDING).is_file():
        raise UserError(
            f"there is no study '{name}'",
            where="voxsiam study",
            fix=f"a file is meant as {name}.py",
        )
    return find_named("study", name, STUDIES, "voxsiam study")


def find_preset(name: str) -> Preset:
    """Return a preset by its name, or say which name was meant."""
    return find_named("preset", name, PRESETS, "--preset")


def find_named(kind: str, name: str, known: Mapping[str, Entry], where: str) -> Entry:
    """Return an entry by its name, or say which name was meant."""
    if name not in known:
        raise UserError(
            f"there is no {kind} '{name}'", where=where, fix=nearest_name(name, tuple(known))
        )
    return known[name]
