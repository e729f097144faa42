"""Where a prepared set is written: its folder, and the records that are written last."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from voxsiam.durable_files import write_text_atomically
from voxsiam.errors import UserError
from voxsiam.small_files import LARGE, read_json, read_text
from voxsiam.volumes.preparation import PREPARATION_VERSION
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.manifest import Case, Manifest
from voxsiam_data.prepared.case_task import CaseReady, CaseRefused, is_done
from voxsiam_data.prepared.prepared_set import VOLUMES, PreparedSet
from voxsiam_data.prepared.record import (
    RECORD,
    LeftOut,
    PreparedCase,
    PreparedRecord,
    data_fingerprint,
)
from voxsiam_data.prepared.record_seal import read_seal, write_sealed
from voxsiam_data.sources.file_names import is_text, not_text
from voxsiam_data.sources.found import Found
from voxsiam_data.sources.layouts.paper import NUM_CASES

PAPER_RECORD = "paper.json"


def open_output(output: Path) -> Path:
    """Make the folder of a prepared set, and see that it can be written."""
    try:
        root = output.resolve()
        if not is_text(str(root)):
            raise not_text(root, "choose another output folder")
        (root / VOLUMES).mkdir(parents=True, exist_ok=True)
        for folder in (root, root / VOLUMES):
            with TemporaryFile(dir=folder):
                pass
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            "The output folder cannot be written.",
            where=str(output),
            fix="choose a folder that you may write to, on a disk with room",
        ) from error
    return root


def require_no_other_set(root: Path, name: str) -> None:
    """Refuse to replace the record of another data set."""
    try:
        known = read_json(root / RECORD, LARGE)["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # none, or one that is damaged and made anew
    if known != name:
        raise UserError(
            f"The folder holds the prepared set '{known!s:.80}', this data set is '{name}'.",
            where=str(root),
            fix="choose another -o, or remove that folder first",
        )


def write_record(
    path: Path,
    manifest: Manifest,
    config: PreparationConfig,
    ready: Sequence[tuple[Case, CaseReady]],
    refused: Iterable[CaseRefused],
) -> None:
    """Write what the set holds, and which cases it could not."""
    cases = [
        PreparedCase(
            case_id=case.case_id,
            patient_id=case.patient_id,
            source=case.source,
            key=outcome.key,
            geometry=case.geometry,
            **outcome.facts.for_record(),
        )
        for case, outcome in ready
    ]
    record = PreparedRecord(
        version=PREPARATION_VERSION,
        name=manifest.title,
        kind=manifest.kind,
        organs=manifest.organs,
        fingerprint=data_fingerprint(config, cases, manifest.organs),
        config=config,
        cases=tuple(cases),
        left_out=tuple(LeftOut(case_id=each.case_id, why=each.what) for each in refused),
        checked=all(is_done(outcome.facts, checked=True) for _, outcome in ready),
    )
    text = record.model_dump_json(indent=1)
    if not _is_written(path, text):
        write_sealed(path, text)


def write_paper_record(prepared: PreparedSet, found: Found) -> None:
    """Write beside a prepared set which of the paper's cases it holds, and what is missing."""
    refused = [f"{case.case_id} could not be prepared" for case in prepared.left_out]
    record = {
        "paper_cases": NUM_CASES,
        "cases": [case.case_id for case in prepared.cases],
        "missing": [*found.notes[1:], *refused],
    }
    write_text_atomically(prepared.root / PAPER_RECORD, json.dumps(record, indent=1))


def _is_written(path: Path, text: str) -> bool:
    try:
        seal, there = read_seal(path.parent), read_text(path, LARGE.most_bytes)
    except (OSError, ValueError):
        return False
    return there == text and seal is not None and seal.fits(text.encode())
