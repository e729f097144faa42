"""Checkpoints that survive a kill at any moment: safetensors and JSON, complete or not there.

A checkpoint is a folder `epoch-0007` with `weights.safetensors` (network and heads),
`optimiser.safetensors` (Adam's moments, the generator's state) and `state.json` (epochs done, the
run's identity, the records so far, a SHA-256 of each file and of itself). It is written beside its
place and renamed into it, so a folder with its final name is whole.
"""

import hashlib
import json
import logging
import re
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from voxsiam.collective import gather_objects
from voxsiam.durable_files import remove_abandoned, sha256_of, sync, temporary_beside
from voxsiam.models.tensor_file import is_tensor_file, read_tensors
from voxsiam.small_files import LARGE, read_json, read_text
from voxsiam.training.context import TrainingEndedError

KEEP = 2
PATIENCE_S = 90.0
"""How long a rank looks for a checkpoint that another one sees: NFS keeps what it knows of a folder
for up to a minute."""

_LOOKING_S = 0.5
MOMENTS = ("exp_avg", "exp_avg_sq")
WEIGHTS, OPTIMISER = "weights.safetensors", "optimiser.safetensors"
STATE = "state.json"
_NAME = re.compile("epoch-[0-9]{4,9}")
"""Of a checkpoint's folder; `epoch-0001 (copy)` is somebody else's."""

START_ANEW = "remove this checkpoint's folder; the training goes on from the one before"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingState:
    """Where a training stands.

    Attributes:
        run_id: Identity of the run; another run's checkpoint is never continued.
        records: The figures of every finished epoch.
    """

    epochs_done: int
    run_id: str
    records: tuple[dict[str, float], ...]


class CheckpointUnwrittenError(TrainingEndedError):
    """A checkpoint could not be written; those before it are as they were."""


class CheckpointUnseenError(TrainingEndedError):
    """A rank does not see the checkpoint that the first rank goes on from."""


class _DamagedError(Exception):
    """A file of a checkpoint is absent or not what was written."""


class CheckpointFolder:
    """The checkpoints of one run.

    Args:
        folder: On storage that all workers see.
        tell: Told in a sentence of each checkpoint that is passed over.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None] = log.warning) -> None:
        self.folder, self._tell = folder, tell

    def save(
        self, state: TrainingState, module: nn.Module, optimiser: torch.optim.Optimizer
    ) -> Path:
        """Write a checkpoint, then drop all but the newest two.

        Raises:
            CheckpointUnwrittenError: There is no room, or the storage fails.
        """
        target = self.folder / f"epoch-{state.epochs_done:04d}"
        partial = temporary_beside(target)
        try:
            _write(partial, state, module, optimiser)
            for path in self._by_epoch():
                if _epoch_of(path) >= state.epochs_done:
                    # Damaged, or of another training: `newest` passed it over.
                    shutil.rmtree(path, ignore_errors=True)
            partial.rename(target)
            sync(self.folder)
        except (OSError, SafetensorError) as error:
            # What is left of it would take the room in which the reason is to be written down.
            shutil.rmtree(partial, ignore_errors=True)
            raise CheckpointUnwrittenError(
                f"the checkpoint of epoch {state.epochs_done} cannot be written to {self.folder} "
                f"({_reason(error)}); what was written before it is kept: "
                "make room on that disk, then go on"
            ) from error
        for path in self._by_epoch()[:-KEEP]:
            shutil.rmtree(path, ignore_errors=True)
        remove_abandoned(self.folder)
        return target

    def newest(self, run_id: str) -> tuple[Path, TrainingState] | None:
        """Find the newest whole checkpoint of this run; damaged ones are passed over, and told."""
        for path in reversed(self._by_epoch()):
            try:
                state = _read_state(path)
            except _DamagedError as error:
                self._tell(f"the checkpoint {path.name} is damaged ({error}): it is passed over")
                continue
            if state.run_id == run_id:
                return path, state
        return None

    def published(self) -> int:
        """Return the epochs after which the newest checkpoint was written, whole or not; or 0."""
        return max(map(_epoch_of, self._by_epoch()), default=0)

    def exactly(
        self, name: str, seal: str, patience_s: float = PATIENCE_S
    ) -> tuple[Path, TrainingState]:
        """Open the checkpoint that another rank chose, and no other.

        A network file system may show a folder as it was a minute ago: what is not there yet, or
        not whole, is looked for again.

        Args:
            seal: SHA-256 of its state file, which holds those of the others.

        Raises:
            CheckpointUnseenError: It is not there, or another one of its name is.
        """
        path, until = self.folder / name, time.monotonic() + patience_s
        while True:
            try:
                if sha256_of(path / STATE, LARGE.most_bytes) == seal:
                    return path, _read_state(path)
                trouble = "another checkpoint of that name is there"
            except (OSError, _DamagedError) as error:
                trouble = _reason(error)
            if time.monotonic() >= until:
                raise CheckpointUnseenError(
                    f"on {socket.gethostname()} the checkpoint {path} that the first rank goes on "
                    f"from is not to be seen ({trouble}), after {patience_s:.0f} s: checkpoints "
                    "must lie on storage that all nodes see alike"
                )
            time.sleep(_LOOKING_S)

    def newest_for_all(self, run_id: str, rank: int) -> tuple[Path, TrainingState] | None:
        """Find the newest whole checkpoint as the first rank sees it; every rank calls this.

        Were each rank to look by itself, one with a stale view of the folder would go on from
        another epoch with other weights, and nothing would say so.

        Returns:
            None on every rank where the first one sees none.

        Raises:
            CheckpointUnseenError: On all ranks, where one of them does not see that checkpoint.
        """
        found = self.newest(run_id) if rank == 0 else None
        told = None if found is None else (found[0].name, sha256_of(found[0] / STATE))
        chosen = gather_objects(told)[0]
        if chosen is None:
            return None
        trouble = None
        if rank != 0:
            try:
                found = self.exactly(*chosen)
            except CheckpointUnseenError as error:
                trouble = str(error)
        troubles = [each for each in gather_objects(trouble) if each is not None]
        if troubles:
            raise CheckpointUnseenError(troubles[0])
        return found

    def _by_epoch(self) -> list[Path]:
        found = [path for path in self.folder.glob("epoch-*") if _NAME.fullmatch(path.name)]
        return sorted(found, key=_epoch_of)


def _epoch_of(path: Path) -> int:
    return int(path.name.removeprefix("epoch-"))


def restore(path: Path, module: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Load weights, Adam's moments and the generator's state into a freshly built training."""
    parameters = dict(module.named_parameters())
    expected = {"rng": torch.get_rng_state()}
    for name, parameter in parameters.items():
        expected |= {f"{key}/{name}": parameter for key in MOMENTS}
        expected[f"step/{name}"] = torch.zeros(())
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


def _write(
    folder: Path, state: TrainingState, module: nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    kept = optimiser.state_dict()["state"]
    tensors = {"rng": torch.get_rng_state()}
    for index, (name, _) in enumerate(module.named_parameters()):
        tensors |= {f"{key}/{name}": value for key, value in kept.get(index, {}).items()}
    folder.mkdir(parents=True)
    for file, named in ((WEIGHTS, module.state_dict()), (OPTIMISER, tensors)):
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}
        save_file(plain, folder / file)
    sums = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    content = {**state.__dict__, "records": list(state.records), "files": sums}
    sealed = {"content": content, "sha256": _sha256_json(content)}
    (folder / STATE).write_text(json.dumps(sealed))
    for path in [*folder.iterdir(), folder]:
        sync(path)


def _read_state(path: Path) -> TrainingState:
    try:
        sealed, text = read_json(path / STATE, LARGE), read_text(path / STATE, LARGE.most_bytes)
        content = sealed["content"]
        if _sha256_json(content) != sealed["sha256"] or json.dumps(sealed) != text:
            raise _DamagedError("state.json is not what was written")
        sums = content.pop("files")
        for name in (WEIGHTS, OPTIMISER):
            # Looked at first: terabytes of nothing would be hashed for hours.
            if not is_tensor_file(path / name) or sha256_of(path / name) != sums[name]:
                raise _DamagedError(f"{name} is not what was written")
        return TrainingState(**{**content, "records": tuple(content["records"])})
    except OSError as error:
        raise _DamagedError(f"{error.filename}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError):
        raise _DamagedError("state.json is not what was written") from None


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _sha256_json(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
