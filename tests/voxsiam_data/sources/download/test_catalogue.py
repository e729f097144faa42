import re
from importlib import import_module

import pytest

from tests.source_miniatures import MINIATURES
from voxsiam_data.labels.protocols import PROTOCOLS, protocol
from voxsiam_data.sources.detect import READERS, choose_reader, find_source
from voxsiam_data.sources.download.catalogue import CATALOGUE

ROWS = {entry.name: entry for entry in CATALOGUE}
READ = [entry for entry in CATALOGUE if entry.reader]


@pytest.mark.parametrize("entry", READ, ids=lambda entry: entry.name)
def test_each_row_names_the_module_that_reads_its_layout(entry, tmp_path):
    root = MINIATURES[entry.name](tmp_path / "data")
    reader = import_module(f"voxsiam_data.sources.layouts.{entry.reader}")
    assert choose_reader(root) is reader
    needed = protocol("flare22") if entry.name == "flare22" else None
    manifest = find_source(root, needed).manifest
    assert manifest.cases
    patients = {case.patient_id for case in manifest.cases}
    assert len(patients) == len(manifest.cases)
    if entry.protocol:
        values = {v: o for v, o in PROTOCOLS[entry.protocol].values_for().items() if o}
        organs = set(values.values())
        assert {*manifest.cases[0].label.annotated} == organs


def test_every_reader_has_a_row_and_every_row_a_miniature():
    assert {r.__name__.split(".")[-1] for r in READERS} == {e.reader for e in READ}
    assert {entry.name for entry in READ} == set(MINIATURES)
    assert len(ROWS) == len(CATALOGUE)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_rows_are_complete(entry):
    assert entry.protocol is None or entry.protocol in PROTOCOLS
    assert all((entry.title, entry.download, entry.page, entry.terms, entry.size, entry.layout))
    assert not (entry.registration and entry.downloads)
    for download in entry.downloads:
        assert re.fullmatch("[0-9a-f]{64}", download.sha256)
        assert (
            download.url == f"https://zenodo.org/records/1169361/files/{download.name}?download=1"
        )


def test_btcv_without_duodenum_says_so(tmp_path):
    case = find_source(MINIATURES["btcv-original"](tmp_path)).manifest.cases[0]
    assert case.label.annotated == (1, 2, 3, 4, 5, 6, 7)
