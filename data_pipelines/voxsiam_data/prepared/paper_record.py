"""Which of the paper's cases a prepared set holds."""

import json

from voxsiam.durable_files import write_text_atomically
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_data.sources.found import Found
from voxsiam_data.sources.layouts.paper import NUM_CASES

RECORD = "paper.json"


def write_paper_record(prepared: PreparedSet, found: Found) -> None:
    """Write beside a prepared set which of the paper's cases it holds, and what is missing."""
    refused = [f"{case.case_id} could not be prepared" for case in prepared.left_out]
    record = {
        "paper_cases": NUM_CASES,
        "cases": [case.case_id for case in prepared.cases],
        "missing": [*found.notes[1:], *refused],
    }
    write_text_atomically(prepared.root / RECORD, json.dumps(record, indent=1))
