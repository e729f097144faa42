"""Check a data set, case by case: a bad case is a finding, and never stops the others."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.unused_file import UnusedFile
from voxsiam_data.checks.case import CaseReport, check_case, worst_first
from voxsiam_data.checks.duplicates import Pair, find_pairs
from voxsiam_data.checks.finding import SEVERITIES, Finding, Severity, refusal_of
from voxsiam_data.checks.likeness_marks import Fingerprint
from voxsiam_data.checks.whole_set import WHOLE_SET, check_whole_set
from voxsiam_data.manifest import Case, Manifest
from voxsiam_data.side_by_side import OnCase, unheard
from voxsiam_data.sources.found import RefusedCase

BYTES_PER_WORKER = 3 * 2**30
"""A scan of 512 x 512 x 600 in float32, its label map, and what the checks make of them."""

MAX_PICTURES = 120
"""Of the worst cases: 15 MiB in memory, as much in the page."""

RECORD_VERSION = 1


@dataclass(frozen=True, eq=False)
class CheckReport:
    """What was found in a data set.

    Attributes:
        name: Folder of the data set.
        cases: The worst first, otherwise in the order of the data set.
        notes: What its reader had to say.
        of_the_set: Findings that no single case shows.
        unused: Scans and label maps of the folder that no case uses.
        organs: The classes of its labels, in the order of their values.
    """

    name: str
    cases: tuple[CaseReport, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()
    of_the_set: tuple[Finding, ...] = ()
    unused: tuple[UnusedFile, ...] = ()
    organs: tuple[str, ...] = PAPER_ORGANS

    @property
    def findings(self) -> list[tuple[str, Finding]]:
        """All findings with their case ids, the worst first."""
        found = [(WHOLE_SET, one) for one in self.of_the_set]
        found += [(case.case_id, one) for case in self.cases for one in case.findings]
        return sorted(found, key=lambda named: named[1].rank)

    @property
    def counts(self) -> dict[Severity, int]:
        """How many findings there are of each severity."""
        counts = Counter(finding.severity for _, finding in self.findings)
        return {severity: counts[severity] for severity in SEVERITIES}

    @property
    def is_usable(self) -> bool:
        """Tell whether nothing is refused."""
        return not self.counts["refuse"]

    def record(self) -> dict[str, Any]:
        """Return what checks.json holds: plain values, the worst cases first."""
        return {
            "version": RECORD_VERSION,
            "data_set": self.name,
            "notes": list(self.notes),
            "unused": [asdict(one) | {"path": str(one.path)} for one in self.unused],
            "num_cases": len(self.cases),
            "counts": self.counts,
            "pairs": [asdict(pair) for pair in self.pairs],
            "findings": [asdict(finding) for finding in self.of_the_set],
            "cases": [
                {
                    "case_id": case.case_id,
                    "severity": case.severity,
                    "shape": case.shape,
                    "spacing_mm": case.spacing_mm,
                    "organs_ml": {one.organ: round(one.volume_ml, 2) for one in case.organs},
                    "findings": [asdict(finding) for finding in case.findings],
                }
                for case in self.cases
            ],
        }


def check_manifest(
    manifest: Manifest,
    on_case: OnCase = unheard,
    *,
    refused: Sequence[RefusedCase] = (),
    workers: int | None = None,
) -> CheckReport:
    """Check every case of a data set in processes of their own, then compare the cases.

    Args:
        refused: Cases that the reader of the data set could not take in.
        workers: Processes; as many as processors and memory allow where it is None.
    """
    total = len(manifest.cases)
    reports: dict[str, CaseReport] = {}
    on_case(0, total)
    by_memory = psutil.virtual_memory().available // BYTES_PER_WORKER
    affordable = max(1, min(psutil.cpu_count() or 1, by_memory))
    for one in _check_all(manifest, min(workers or affordable, total)):
        reports[one.case_id] = one
        _forget_pictures(reports)
        on_case(len(reports), total)
    fingerprints = {case.case_id: reports[case.case_id].fingerprint for case in manifest.cases}
    pairs = tuple(find_pairs(fingerprints))
    patients = {case.case_id: case.patient_id for case in manifest.cases}
    cases = [_with_pairs(reports[case_id], pairs, patients) for case_id in patients]
    of_the_set = check_whole_set(
        [case.organs for case in cases],
        [case.label.annotated for case in manifest.cases],
        manifest.organs,
    )
    for case in refused:
        finding = refusal_of("files", case.error)
        cases.append(CaseReport(case.case_id, worst_first([finding], manifest.root)))
    cases.sort(key=lambda case: case.rank)
    return CheckReport(
        manifest.root.name,
        tuple(cases),
        pairs,
        of_the_set=tuple(of_the_set),
        organs=manifest.organs,
    )


def _check_all(manifest: Manifest, workers: int) -> Iterator[CaseReport]:
    """Check cases in a pool; a process that dies takes no other case with it."""
    waiting = list(manifest.cases)
    if workers == 1 and len(waiting) == 1:
        yield _checked(waiting[0], manifest.root)
        return
    done: set[str] = set()
    try:
        for one in _in_pool(waiting, manifest.root, workers):
            done.add(one.case_id)
            yield one
    except BrokenProcessPool:
        # One case killed its process, and with it the pool: the others get processes of their own.
        for case in waiting:
            if case.case_id in done:
                continue
            try:
                yield from _in_pool([case], manifest.root, 1)
            except BrokenProcessPool:
                what = "The process that checked it was killed, most likely for memory."
                yield _died(case, what)


def _in_pool(cases: Sequence[Case], root: Path, workers: int) -> Iterator[CaseReport]:
    # Fresh processes: a fork would copy locks that threads of this one hold.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        left = iter(cases)
        running: set[Future[CaseReport]] = set()
        try:
            while True:
                # A few at a time: results wait in memory only for their turn.
                for case in left:
                    running.add(pool.submit(_checked, case, root))
                    if len(running) > workers:
                        break
                if not running:
                    return
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for one in finished:
                    yield one.result()
        finally:
            # Processes that still run when the interpreter ends make it print a traceback.
            pool.shutdown(wait=True, cancel_futures=True)


def _checked(case: Case, root: Path) -> CaseReport:
    try:
        return check_case(case, root)
    except Exception as error:
        return _died(case, f"Its check failed ({type(error).__name__}: {str(error)[:200]}).")


def _died(case: Case, what: str) -> CaseReport:
    fix = "look at its files; free memory and check again, or leave the case out"
    return CaseReport(case.case_id, (Finding("files", "refuse", what, fix),))


def _forget_pictures(reports: dict[str, CaseReport]) -> None:
    """Keep the pictures of the worst cases only, and of the first among equals."""
    shown = [case for case in reports.values() if case.picture is not None]
    if len(shown) > MAX_PICTURES:
        least = max(shown, key=lambda case: (case.rank, shown.index(case)))
        reports[least.case_id] = replace(least, picture=None)


def _with_pairs(
    report: CaseReport, pairs: Sequence[Pair], patients: Mapping[str, str]
) -> CaseReport:
    found = list(report.findings)
    for pair in pairs:
        if report.case_id not in (pair.first, pair.second):
            continue
        other = pair.second if report.case_id == pair.first else pair.first
        what = f"With '{other}': {pair.what}."
        same_patient = patients[pair.first] == patients[pair.second]
        if pair.likeness != "same patient":
            severity = "note" if same_patient else "refuse"
            found.append(Finding("duplicates", severity, what, "leave one out"))
        elif not same_patient:
            fix = "give both the same patient_id in patients.csv, so that no split parts them"
            found.append(Finding("duplicates", "note", what, fix))
    found.sort(key=lambda one: one.rank)
    return replace(report, findings=tuple(found), fingerprint=Fingerprint())
