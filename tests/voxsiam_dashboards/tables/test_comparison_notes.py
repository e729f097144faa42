"""Every note of a report leads to the paragraph that explains it."""

import dataclasses
import re

from tests.test_architecture import ROOT
from voxsiam_dashboards.figures.captions import CAPTIONS
from voxsiam_dashboards.tables.comparison_notes import family_text, few_notes
from voxsiam_dashboards.tables.study_tables import (
    comparison_table,
    distance_table,
    patient_table,
    seed_table,
)
from voxsiam_dashboards.tables.two_rows import ComparedRow, compare_two_rows
from voxsiam_dashboards.tables.two_rows_tables import dsc_table, effects_table

POINTER = re.compile(r"(docs/[\w/]+\.md)(?:#([\w-]+))?")


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}


def assert_leads(note):
    found = POINTER.findall(note)
    assert found, f"leads nowhere: {note}"
    for page, anchor in found:
        assert not anchor or anchor in anchors(page), f"{page} has no paragraph '{anchor}'"


def test_every_pointer_in_the_program_leads_to_a_paragraph():
    roots = (
        "platform/voxsiam",
        "platform/voxsiam_cli",
        "dashboards",
        "experiments",
        "data_pipelines",
    )
    files = [path for root in roots for path in (ROOT / root).rglob("*.py")]
    found = {pair for path in files for pair in POINTER.findall(path.read_text())}
    assert len(found) > 15
    for page, anchor in found:
        assert (ROOT / page).is_file(), page
        assert not anchor or anchor in anchors(page), f"{page} has no paragraph '{anchor}'"


def test_notes_about_figures_lead_to_their_paragraph(report_table):
    rows = tuple(dataclasses.replace(row, partner="feature (2)") for row in report_table.rows)
    for table in (comparison_table, distance_table, patient_table, seed_table):
        for note in table(dataclasses.replace(report_table, rows=rows)).notes:
            assert_leads(note)
    first, second = (
        ComparedRow(label, report_table.results) for label in ("feature (1)", "feature (2)")
    )
    pair = compare_two_rows(first, second)
    for note in (*dsc_table(pair).notes, *effects_table(pair).notes):
        assert_leads(note)
    for caption in ("patients", "labels"):
        assert_leads(CAPTIONS[caption])


def test_notes_below_the_table_lead_to_their_paragraph(report_table):
    general = [note for note in report_table.footnotes if "docs/" in note]
    assert len(general) >= 4
    for note in general:
        assert_leads(note)


def test_a_long_family_is_named_by_its_first():
    assert family_text(["a against b"]) == "one comparison, a against b"
    named = family_text([f"{n} against x" for n in range(11)])
    assert named == "11 comparisons together: 0 against x, 1 against x, 2 against x and 8 more"


def test_many_patients_need_no_star():
    assert few_notes(200) == ()
    assert "(199)" in few_notes(199)[0]
