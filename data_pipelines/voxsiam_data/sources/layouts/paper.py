"""The paper's 90 cases: 43 of Pancreas-CT and 47 of BTCV, labelled by Zenodo 1169361."""

import os
from collections.abc import Mapping, Set
from pathlib import Path
from typing import NamedTuple

from voxsiam.errors import UserError, refusal
from voxsiam_data.manifest import Manifest
from voxsiam_data.sources.found import Found, id_ranges
from voxsiam_data.sources.layouts import btcv, pancreas_ct, zenodo_labels

NUM_CASES = len(zenodo_labels.PANCREAS_CT.cases) + len(zenodo_labels.BTCV.cases)

_Files = Mapping[int, Path] | None
"""What is there, by the number of the case; None for a folder that was not found."""


class PaperFolders(NamedTuple):
    """Where the three downloads lie; all may be one folder, or lie in it."""

    pancreas_ct: Path
    btcv: Path
    zenodo: Path


def find_paper_cases(folders: PaperFolders, *, allow_missing: bool = False) -> Found:
    """Find the cases of the paper.

    Args:
        allow_missing: Go on with the cases that are there; the notes name the others.

    Raises:
        UserError: A folder is unusable, or something is missing and may not be.
    """
    tcia, synapse, zenodo = map(_opened, folders)
    wanted = zenodo_labels.PANCREAS_CT.cases
    patients = pancreas_ct.patient_folders(tcia)
    series = pancreas_ct.find_series(patients, tcia, wanted) if patients else None
    tcia_labels = zenodo_labels.find_references(zenodo, zenodo_labels.PANCREAS_CT)
    images = btcv.find_images(synapse) if btcv.recognise(synapse) else None
    btcv_labels = zenodo_labels.find_references(zenodo, zenodo_labels.BTCV)
    # Nobody can get the withdrawn ones: they are named, and asked for from no one.
    withdrawn = pancreas_ct.withdrawn_note(set() if series is None else wanted - series.keys())
    there = wanted - pancreas_ct.WITHDRAWN
    missing = (
        *_missing(series, there, "PANCREAS_#### folders of Pancreas-CT", "Pancreas-CT scans"),
        *_missing_labels(tcia_labels, zenodo_labels.PANCREAS_CT),
        *_missing(images, zenodo_labels.BTCV.cases, "RawData/Training/img of BTCV", "BTCV scans"),
        *_missing_labels(btcv_labels, zenodo_labels.BTCV),
    )
    meaning = zenodo_labels.meaning_of("paper", zenodo)
    cases = (
        *pancreas_ct.cases_of(series or {}, tcia_labels or {}, meaning),
        *btcv.cases_of(images or {}, btcv_labels or {}, meaning),
    )
    if missing and (not allow_missing or not cases):
        absent = "; ".join((*withdrawn, *missing))
        raise UserError(
            f"Of the paper's {NUM_CASES} cases {len(cases)} are there. {absent}.",
            where=", ".join(dict.fromkeys(map(str, folders))),
            fix="complete the downloads (voxsiam data sources says from where), or add "
            f"--allow-missing to go on with {len(cases)} cases",
        )
    count = f"{len(cases)} of the paper's {NUM_CASES} cases"
    common = Path(os.path.commonpath([tcia, synapse, zenodo]))
    manifest = Manifest(cases, common, name="paper")
    return Found(manifest, (count, *withdrawn, *missing), is_published=True)


def _opened(folder: Path) -> Path:
    try:
        root = folder.resolve(strict=True)
        os.listdir(root)  # noqa: PTH208
    except (OSError, RuntimeError, ValueError) as error:
        raise refusal(
            folder,
            f"The folder cannot be opened ({type(error).__name__}).",
            "check the path and its permissions",
        ) from error
    return root


def _missing_labels(labels: _Files, references: zenodo_labels.References) -> tuple[str, ...]:
    folder = references.folders[0]
    files = f"label maps in {folder}"
    return _missing(labels, references.cases, f"{folder} of Zenodo 1169361", files)


def _missing(found: _Files, wanted: Set[int], folder: str, files: str) -> tuple[str, ...]:
    """Say that a folder is not there, or which of the wanted cases it does not hold."""
    if found is None:
        return (f"no {folder}",)
    numbers = wanted - found.keys()
    return (f"no {files} {id_ranges(numbers)}",) if numbers else ()
