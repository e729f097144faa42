"""Run the tasks of cases as Ray Data jobs; a task whose process dies costs its own case only."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain

import psutil
import ray
import ray.data
from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError
from ray.util.annotations import RayDeprecationWarning

from voxsiam.orchestration.cluster.capacity import memory_limit
from voxsiam.orchestration.cluster.held_places import who_holds
from voxsiam.orchestration.cluster.waiting import waited_for
from voxsiam_data.prepared.case_task import OUTCOME, CaseOutcome, CaseRefused, CaseRequest

Work = Callable[[CaseRequest], CaseOutcome]


def run_cases(requests: Sequence[CaseRequest], work: Work) -> Iterator[CaseOutcome]:
    """Yield an outcome for every case, as they come.

    A process that dies may have been killed for the memory that its neighbours took: what is left
    is run again, one case at a time. A case that dies alone too is refused.
    """
    left = {request.case_id: request for request in requests}
    for outcome in _job(requests, work, may_fail=True):
        del left[outcome.case_id]
        yield outcome
    for request in left.values():
        try:
            yield next(_job([request], work, may_fail=False))
        except (WorkerCrashedError, OutOfMemoryError, NodeDiedError):
            yield CaseRefused(
                case_id=request.case_id,
                what=(
                    "Its process was killed, most likely for lack of memory "
                    f"({psutil.virtual_memory().available / 2**30:.1f} GiB are free now, "
                    f"{memory_limit() / 2**30:.1f} GiB is the limit)."
                ),
                where=str(request.image),
                fix="free memory and prepare again, or go on without it: --leave-out-refused",
            )


def _job(requests: Sequence[CaseRequest], work: Work, *, may_fail: bool) -> Iterator[CaseOutcome]:
    """Run cases side by side, each in one task; one that may fail then yields nothing."""
    if not requests:
        return
    rows = [{"request": request.model_dump_json()} for request in requests]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
    dataset.context.enable_progress_bars = False
    dataset.context.max_errored_blocks = -1 if may_fail else 0
    # Importing it has set its level to INFO again, whatever was said when Ray was started.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # It logs each death with a traceback; here it becomes an outcome.
    log = logging.getLogger("ray.data._internal.execution.streaming_executor_state")
    log.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        # Ray 2.64 will name this option otherwise; this is the only one that 2.60 has.
        warnings.simplefilter("ignore", RayDeprecationWarning)
        # Ray Data retries for ever. A single retry would do so too where Ray's memory monitor
        # kills: it counts its own retries, and leaves only tasks without any alone.
        tasks = dataset.map(partial(_task, work=work), max_retries=0)
    rows = iter(tasks.iter_rows())
    first = waited_for(
        lambda: next(rows, None),
        "the first case to be prepared (1 CPU)",
        lambda: who_holds({"CPU"}),
    )
    for row in chain([first] if first else [], rows):
        yield OUTCOME.validate_json(row["outcome"])


def _task(row: dict[str, str], work: Work) -> dict[str, str]:
    outcome = work(CaseRequest.model_validate_json(row["request"]))
    return {"outcome": outcome.model_dump_json()}
