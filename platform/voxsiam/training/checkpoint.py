"""Checkpoints that survive a kill at any moment: safetensors and JSON, complete or not there.

A checkpoint is a folder `epoch-0007` with `weights.safetensors` (network and heads),
`optimiser.safetensors` (Adam's moments, the generator's state) and `state.json` (epochs done, the
run's identity, the records so far, a SHA-256 of each file and of itself). It is written beside its
place and renamed into it, so a folder with its final name is whole.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from voxsiam.durable_files import remove_abandoned, sha256_of, sync, temporary_beside
from voxsiam.models.tensor_file import read_tensors

KEEP = 2
MOMENTS = ("exp_avg", "exp_avg_sq")
WEIGHTS, OPTIMISER = "weights.safetensors", "optimiser.safetensors"
START_ANEW = "remove this checkpoint's folder; the training goes on from the one before"


@dataclass(frozen=True)
class TrainingState:
    """Where a training stands.

    Attributes:
        epochs_done: Finished epochs.
        run_id: Identity of the run; another run's checkpoint is never continued.
        records: The figures of every finished epoch.
    """

    epochs_done: int
    run_id: str
    records: tuple[dict[str, float], ...]


class CheckpointFolder:
    """The checkpoints of one run.

    Args:
        folder: On storage that all workers see.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(
        self, state: TrainingState, module: nn.Module, optimiser: torch.optim.Optimizer
    ) -> Path:
        """Write a checkpoint, then drop all but the newest two."""
        target = self.folder / f"epoch-{state.epochs_done:04d}"
        partial = temporary_beside(target)
        partial.mkdir(parents=True)
        save_file(_contiguous(module.state_dict()), partial / WEIGHTS)
        save_file(_optimiser_tensors(module, optimiser), partial / OPTIMISER)
        sums = {path.name: sha256_of(path) for path in sorted(partial.iterdir())}
        content = {**state.__dict__, "records": list(state.records), "files": sums}
        sealed = {"content": content, "sha256": _sha256_json(content)}
        (partial / "state.json").write_text(json.dumps(sealed))
        for path in [*partial.iterdir(), partial]:
            sync(path)
        for path in self._by_epoch():
            if _epoch_of(path) >= state.epochs_done:
                # Damaged, or of another training: `newest` passed it over.
                shutil.rmtree(path, ignore_errors=True)
        partial.rename(target)
        sync(self.folder)
        self._drop_old()
        return target

    def newest(self, run_id: str) -> tuple[Path, TrainingState] | None:
        """Find the newest whole checkpoint of this run; damaged ones are passed over."""
        for path in reversed(self._by_epoch()):
            state = _read_state(path)
            if state is not None and state.run_id == run_id:
                return path, state
        return None

    def _drop_old(self) -> None:
        for path in self._by_epoch()[:-KEEP]:
            shutil.rmtree(path, ignore_errors=True)
        remove_abandoned(self.folder)

    def _by_epoch(self) -> list[Path]:
        return sorted(self.folder.glob("epoch-*"), key=_epoch_of)


def _epoch_of(path: Path) -> int:
    return int(path.name.removeprefix("epoch-"))


def restore(path: Path, module: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Load weights, Adam's moments and the generator's state into a freshly built training.

    Raises:
        UserError: The files hold anything else than this training's tensors.
    """
    parameters = dict(module.named_parameters())
    expected = _expected_optimiser_tensors(parameters)
    weights = read_tensors(path / WEIGHTS, module.state_dict(), fix=START_ANEW)
    tensors = read_tensors(
        path / OPTIMISER, expected, fix=START_ANEW, may_lack=expected.keys() - {"rng"}
    )
    module.load_state_dict(weights)
    torch.set_rng_state(tensors.pop("rng"))
    groups = optimiser.state_dict()
    for index, (name, parameter) in enumerate(parameters.items()):
        if f"step/{name}" not in tensors:
            continue  # it has had no gradient yet
        # Fused Adam walks weights and moments side by side: they must lie alike in memory.
        moments = {
            key: torch.empty_like(parameter).copy_(tensors[f"{key}/{name}"]) for key in MOMENTS
        }
        groups["state"][index] = {"step": tensors[f"step/{name}"], **moments}
    optimiser.load_state_dict(groups)


def _optimiser_tensors(module: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimiser.state_dict()["state"]
    tensors = {"rng": torch.get_rng_state()}
    for index, (name, _) in enumerate(module.named_parameters()):
        for key, value in state.get(index, {}).items():
            tensors[f"{key}/{name}"] = value
    return _contiguous(tensors)


def _expected_optimiser_tensors(parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    expected = {"rng": torch.get_rng_state()}
    for name, parameter in parameters.items():
        expected |= {f"{key}/{name}": parameter for key in MOMENTS}
        expected[f"step/{name}"] = torch.zeros(())
    return expected


def _contiguous(tensors: dict[str, Any]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _read_state(path: Path) -> TrainingState | None:
    try:
        sealed = json.loads((path / "state.json").read_text())
        content = sealed["content"]
        if _sha256_json(content) != sealed["sha256"]:
            return None
        sums = content.pop("files")
        if any(sha256_of(path / name) != digest for name, digest in sums.items()):
            return None
        return TrainingState(**{**content, "records": tuple(content["records"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _sha256_json(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
