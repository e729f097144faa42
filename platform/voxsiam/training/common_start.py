"""All ranks go on from one checkpoint: the first rank chooses it, the others open exactly that."""

from pathlib import Path

from voxsiam.collective import gather_objects
from voxsiam.durable_files import sha256_of
from voxsiam.training.checkpoint import (
    STATE,
    CheckpointFolder,
    CheckpointUnseenError,
    TrainingState,
)


def newest_for_all(
    folder: CheckpointFolder, run_id: str, rank: int
) -> tuple[Path, TrainingState] | None:
    """Find the newest whole checkpoint as the first rank sees it; every rank calls this.

    Were each rank to look by itself, one with a stale view of the folder would go on from another
    epoch with other weights, and nothing would say so.

    Returns:
        None on every rank where the first one sees none.

    Raises:
        CheckpointUnseenError: On all ranks, where one of them does not see that checkpoint.
    """
    found = folder.newest(run_id) if rank == 0 else None
    told = None if found is None else (found[0].name, sha256_of(found[0] / STATE))
    chosen = gather_objects(told)[0]
    if chosen is None:
        return None
    trouble = None
    if rank != 0:
        try:
            found = folder.exactly(*chosen)
        except CheckpointUnseenError as error:
            trouble = str(error)
    troubles = [each for each in gather_objects(trouble) if each is not None]
    if troubles:
        raise CheckpointUnseenError(troubles[0])
    return found
