"""Precision and memory layout of a study: measured once a network, and kept in the workspace.

A row that two studies share then has one recipe, and is trained once.
"""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import TypeAdapter

from voxsiam.durable_files import write_json
from voxsiam.fingerprint import fingerprint
from voxsiam.orchestration.workspace import Workspace
from voxsiam.small_files import read_json_bytes
from voxsiam.training.numerics import resolve_numerics
from voxsiam.training.recipe import NumericsConfig, Recipe
from voxsiam.types import Shape

_KNOWN = TypeAdapter(dict[str, NumericsConfig])


def settle_numerics(
    recipes: Sequence[Recipe], grid_dhw: Shape, workers: int, workspace: Workspace
) -> list[Recipe]:
    """Replace what a study's recipes leave open by what is fastest here.

    Args:
        recipes: Of the rows; a network is measured on its last row, which has the most to do.
        workers: Of a trial; they share a batch and the processors.
        workspace: Remembers what was measured on this kind of machine.
    """
    threads = max(1, torch.get_num_threads() // workers)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    capability = torch.backends.cpu.get_cpu_capability()
    machine = [torch.__version__, device, capability, str(os.cpu_count())]
    path = workspace.root / "numerics.json"
    known = _read(path)
    settled: dict[str, NumericsConfig] = {}
    for network, recipe in {network_key(recipe): recipe for recipe in recipes}.items():
        cases = math.ceil(recipe.batch_size / workers)
        key = fingerprint([network, grid_dhw, cases, threads, machine])
        if key not in known:
            known[key] = resolve_numerics(recipe, grid_dhw, cases, threads).numerics
            write_json(path, _KNOWN.dump_python(known, mode="json"))
        settled[network] = known[key]
    return [recipe.with_changes(numerics=settled[network_key(recipe)]) for recipe in recipes]


def network_key(recipe: Recipe) -> str:
    """Name a network, and what its recipe leaves open."""
    parts = (recipe.network, recipe.numerics)
    return json.dumps([part.model_dump(mode="json") for part in parts])


def _read(path: Path) -> dict[str, NumericsConfig]:
    """Read what is known; a damaged file only costs measuring again."""
    try:
        return _KNOWN.validate_json(read_json_bytes(path))
    except (OSError, ValueError):
        return {}
