"""The paper's 90 cases: 43 of Pancreas-CT and 47 of BTCV, labelled by Zenodo 1169361."""

import os
from dataclasses import dataclass
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam_data.manifest import Manifest
from voxsiam_data.sources.found import Found, id_ranges
from voxsiam_data.sources.layouts import btcv, pancreas_ct, zenodo_labels

NUM_CASES = len(zenodo_labels.PANCREAS_CT.cases) + len(zenodo_labels.BTCV.cases)


@dataclass(frozen=True)
class PaperFolders:
    """Where the three downloads lie; all may be one folder, or lie in it."""

    pancreas_ct: Path
    btcv: Path
    zenodo: Path


@dataclass(frozen=True)
class Files:
    """What is there, by the number of the case; None for a folder that was not found."""

    scans: dict[int, Path] | None
    labels: dict[int, Path] | None


def find_paper_cases(folders: PaperFolders, *, allow_missing: bool = False) -> Found:
    """Find the cases of the paper.

    Args:
        allow_missing: Go on with the cases that are there; the notes name the others.

    Raises:
        UserError: A folder is unusable, or something is missing and may not be.
    """
    found = _pancreas_ct(folders), _btcv(folders)
    missing = (*_missing_of_pancreas_ct(found[0]), *_missing_of_btcv(found[1]))
    # Nobody can get these: they are named, and asked for from no one.
    withdrawn = pancreas_ct.withdrawn_note(_without_scan(found[0], zenodo_labels.PANCREAS_CT))
    cases = (
        *pancreas_ct.cases_of(found[0].scans or {}, found[0].labels or {}),
        *btcv.cases_of(found[1].scans or {}, found[1].labels or {}, zenodo_labels.PROTOCOL),
    )
    if missing and (not allow_missing or not cases):
        absent = "; ".join((*withdrawn, *missing))
        raise UserError(
            f"Of the paper's {NUM_CASES} cases {len(cases)} are there. {absent}.",
            where=", ".join(dict.fromkeys(str(f) for f in _listed(folders))),
            fix="complete the downloads (voxsiam data sources says from where), or add "
            f"--allow-missing to go on with {len(cases)} cases",
        )
    count = f"{len(cases)} of the paper's {NUM_CASES} cases"
    manifest = Manifest(cases, _common(folders), name="paper")
    return Found(manifest, (count, *withdrawn, *missing), is_published=True)


def _pancreas_ct(folders: PaperFolders) -> Files:
    root, zenodo = _opened(folders.pancreas_ct), _opened(folders.zenodo)
    patients = pancreas_ct.patient_folders(root)
    wanted = zenodo_labels.PANCREAS_CT.cases
    scans = pancreas_ct.find_series(patients, root, wanted) if patients else None
    return Files(scans, zenodo_labels.find_references(zenodo, zenodo_labels.PANCREAS_CT))


def _btcv(folders: PaperFolders) -> Files:
    root, zenodo = _opened(folders.btcv), _opened(folders.zenodo)
    scans = btcv.find_images(root) if btcv.recognise(root) else None
    return Files(scans, zenodo_labels.find_references(zenodo, zenodo_labels.BTCV))


def _opened(folder: Path) -> Path:
    try:
        root = folder.resolve(strict=True)
        os.listdir(root)  # noqa: PTH208
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"The folder cannot be opened ({type(error).__name__}).",
            where=str(folder),
            fix="check the path and its permissions",
        ) from error
    return root


def _missing_of_pancreas_ct(files: Files) -> tuple[str, ...]:
    without_scan = _without_scan(files, zenodo_labels.PANCREAS_CT)
    return (
        *_absent_folder(files.scans, "PANCREAS_#### folders of Pancreas-CT"),
        *_absent_cases("Pancreas-CT scans", without_scan - pancreas_ct.WITHDRAWN),
        *_missing_labels(files.labels, zenodo_labels.PANCREAS_CT),
    )


def _missing_of_btcv(files: Files) -> tuple[str, ...]:
    without_scan = _without_scan(files, zenodo_labels.BTCV)
    return (
        *_absent_folder(files.scans, "RawData/Training/img of BTCV"),
        *_absent_cases("BTCV scans", without_scan),
        *_missing_labels(files.labels, zenodo_labels.BTCV),
    )


def _without_scan(files: Files, references: zenodo_labels.References) -> set[int]:
    return set() if files.scans is None else set(references.cases - files.scans.keys())


def _missing_labels(
    labels: dict[int, Path] | None, references: zenodo_labels.References
) -> tuple[str, ...]:
    folder = references.folders[0]
    without = set() if labels is None else set(references.cases - labels.keys())
    return (
        *_absent_folder(labels, f"{folder} of Zenodo 1169361"),
        *_absent_cases(f"label maps in {folder}", without),
    )


def _absent_folder(found: dict[int, Path] | None, what: str) -> tuple[str, ...]:
    return (f"no {what}",) if found is None else ()


def _absent_cases(what: str, numbers: set[int]) -> tuple[str, ...]:
    return (f"no {what} {id_ranges(list(numbers))}",) if numbers else ()


def _listed(folders: PaperFolders) -> tuple[Path, ...]:
    return folders.pancreas_ct, folders.btcv, folders.zenodo


def _common(folders: PaperFolders) -> Path:
    return Path(os.path.commonpath([path.resolve() for path in _listed(folders)]))
