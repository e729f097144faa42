"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from voxsiam.errors import UserError
from voxsiam.types import Shape

Workspace = Annotated[
    Path, typer.Option("--workspace", "-w", help="Folder that holds everything a run writes.")
]
DEFAULT_WORKSPACE = Path("voxsiam-workspace")
AsJson = Annotated[bool, typer.Option("--json", help="Print for machines.")]


def parse_grid(text: str) -> Shape:
    """Read '128x128x64', the paper's H x W x D, as d h w.

    Raises:
        UserError: Not three whole numbers.
    """
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
