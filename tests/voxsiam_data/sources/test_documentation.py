"""The tables of docs/data.md say what the code does."""

import re
from pathlib import Path

from voxsiam.types import PAPER_ORGANS
from voxsiam_data.labels.protocols import PROTOCOLS
from voxsiam_data.sources.found import id_ranges
from voxsiam_data.sources.layouts import zenodo_labels

TEXT = (Path(__file__).parents[3] / "docs" / "data.md").read_text()


def test_the_protocol_table():
    header = next(line for line in TEXT.splitlines() if line.startswith("| organ |"))
    names = [cell.strip() for cell in header.strip("|").split("|")][1:]
    assert set(names) == set(PROTOCOLS)
    for organ, name in enumerate(PAPER_ORGANS, start=1):
        row = re.search(rf"^\| {name.replace('_', ' ')} \|(.*)\|$", TEXT, re.MULTILINE)
        assert row is not None
        cells = [cell.strip() for cell in row[1].split("|")]
        for protocol, cell in zip(names, cells, strict=True):
            values = [str(v) for v, o in PROTOCOLS[protocol].values_for().items() if o == organ]
            assert cell == (values[0] if values else "absent")


def test_the_papers_cases():
    listed = TEXT.replace(" (training part)", "").replace(" (testing part)", "")
    for references in (zenodo_labels.PANCREAS_CT, zenodo_labels.BTCV):
        assert id_ranges(list(references.cases)) in listed
