"""How people see a run outside of MLflow: in Ray's dashboard, its metrics and the logs."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from voxsiam.training.context import Record

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@dataclass(frozen=True)
class RunLabel:
    """Study (or sweep), row and seed of a run."""

    study: str
    row: str
    seed: int

    def __str__(self) -> str:
        return f"{self.study} | {self.row} | seed {self.seed}"

    def attempt_name(self) -> str:
        """Name an attempt at the run: it is a folder too, and new each time."""
        parts = self.study, self.row, f"seed {self.seed}", os.urandom(4).hex()
        return ".".join(re.sub(r"[^\w.-]+", "-", part).strip("-.") for part in parts)


@contextmanager
def labelled_log(label: str) -> Iterator[None]:
    """Put a label into every line that this process logs meanwhile, whoever logs it.

    Ray keeps the output of a process in a file of its own, and its processes go on to other runs.
    What our packages log is shown from INFO on; warnings are logged too.
    """
    ours, handler = logging.getLogger("voxsiam"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter(FORMAT))
    level, make = ours.level, logging.getLogRecordFactory()

    def labelled(*args: Any, **fields: Any) -> logging.LogRecord:  # noqa: ANN401
        record = make(*args, **fields)
        # A message with arguments is a template.
        prefix = f"[{label}] "
        record.msg = (prefix.replace("%", "%%") if record.args else prefix) + str(record.msg)
        return record

    logging.setLogRecordFactory(labelled)
    logging.captureWarnings(True)
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    try:
        yield
    finally:
        ours.setLevel(level)
        ours.removeHandler(handler)
        logging.captureWarnings(False)
        logging.setLogRecordFactory(make)


def epoch_line(record: Record) -> str:
    """Say in one line how an epoch went."""
    names = ("train/loss", "validation/dsc", "seconds/epoch")
    figures = ", ".join(f"{name} {record[name]:.4g}" for name in names if name in record)
    return f"epoch {record['epoch']:.0f}: {figures}"
