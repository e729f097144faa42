"""The prepared set that a command works on: given, or phantoms made for the preset."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from voxsiam.errors import UserError, is_stop
from voxsiam.orchestration.cluster.ray_instance import ray_instance
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.overrides import override
from voxsiam.types import Shape
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_cli.console import Steps, say
from voxsiam_cli.options import is_uri
from voxsiam_data.manifest import Manifest
from voxsiam_data.phantom.dataset import write_phantoms
from voxsiam_data.prepared.prepare import BadCases, prepare
from voxsiam_data.prepared.prepared_set import PreparedSet, open_prepared
from voxsiam_data.prepared.remote_set import RemoteSet
from voxsiam_data.sources.detect import read_source
from voxsiam_experiments.presets import Preset

PHANTOM_SEED = 0
PHANTOM_SLICE_MM = (3.0, 5.0)
"""Thick slices only: thin ones cost minutes to write and vanish on the small grids."""


def choose_preparation(grid_dhw: Shape, settings: Iterable[str]) -> PreparationConfig:
    """Read the options that say how scans become training volumes."""
    try:
        config = PreparationConfig(grid_dhw=grid_dhw)
    except ValidationError as error:
        raise UserError(
            error.errors()[0]["msg"].removeprefix("Value error, "),
            where="--grid",
            fix="for example: --grid 128x128x64",
        ) from None
    return override(config, settings, example="interpolation=cubic")


def prepare_source(
    manifest: Manifest,
    output: Path,
    config: PreparationConfig,
    workspace: Path,
    bad_cases: BadCases,
) -> PreparedSet:
    """Prepare a data set in a Ray instance of its own, naming the cases that cannot be."""
    with ray_instance(Workspace(workspace)), Steps("prepare") as steps:
        try:
            return prepare(
                manifest,
                output,
                config,
                bad_cases=bad_cases,
                on_case=steps,
                on_refused=lambda case: say(f"refused: {case.case_id}: {case.what} ({case.where})"),
            )
        except BaseException as error:
            if is_stop(error):
                say("stopped; volumes that are done are kept: the same command goes on.", "yellow")
            raise


def fetch_data(place: str | None, workspace: Workspace) -> Path | None:
    """Return the folder of the data that the user named, fetched first where it is an address."""
    if place is None or not is_uri(place):
        return Path(place) if place else None
    with Steps("fetch") as steps:
        return RemoteSet(place).fetch(workspace.cache, steps).root


def list_data(place: str) -> PreparedSet:
    """Return what the record of a prepared set says; nothing is fetched."""
    return RemoteSet(place).listing() if is_uri(place) else open_prepared(Path(place))


def require_prepared(data: Path | None, preset: Preset, workspace: Workspace) -> PreparedSet:
    """Open the data that the user named, or make the preset's phantoms.

    Must be called inside a Ray instance: preparation is a Ray Data job.
    """
    if data is not None:
        return open_prepared(data)
    cases, (d, h, w) = preset.phantoms(), preset.grid_dhw
    source = workspace.cache / f"phantoms-{cases}-s{PHANTOM_SEED}"
    output = workspace.cache / f"prepared-{cases}-s{PHANTOM_SEED}-{h}x{w}x{d}"
    with Steps("phantoms") as steps:
        write_phantoms(
            source, cases=cases, seed=PHANTOM_SEED, slice_mm=PHANTOM_SLICE_MM, on_case=steps
        )
    with Steps("prepare") as steps:
        config = PreparationConfig(grid_dhw=preset.grid_dhw)
        return prepare(read_source(source), output, config, on_case=steps)
