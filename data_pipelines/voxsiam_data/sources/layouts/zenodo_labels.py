"""The multi-organ references of Zenodo 1169361 (Gibson et al. 2018): label maps without images.

Two archives, `label_tciapancreasct_multiorgan.tar.gz` for 43 scans of Pancreas-CT and
`label_btcv_multiorgan.tar.gz` for 47 of BTCV. Their files are named label####.nii.gz, and so are
those of TCIA's own pancreas labels and of the BTCV challenge: names and values tell them apart.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxsiam.errors import UserError, refusal
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.volume_file import read_volume
from voxsiam_data.labels.protocols import PROTOCOLS, LabelMeaning, OrganChoice
from voxsiam_data.sources.case_files import folders_below, numbered_files, volumes_in

PROTOCOL = PROTOCOLS["zenodo"]
FETCH = "voxsiam data fetch zenodo-labels -o FOLDER"
_DEPTH = 3
_DUODENUM = 14


@dataclass(frozen=True)
class References:
    """One of the two archives.

    Attributes:
        folders: Names that its folder has been seen under.
        mistaken_for: What other files of the same names are.
    """

    archive: str
    folders: tuple[str, ...]
    cases: frozenset[int]
    mistaken_for: str


def _numbers(*ranges: tuple[int, int]) -> frozenset[int]:
    return frozenset(number for first, last in ranges for number in range(first, last + 1))


PANCREAS_CT = References(
    "label_tciapancreasct_multiorgan.tar.gz",
    ("label_tcia_multiorgan", "label_tciapancreasct_multiorgan"),
    _numbers((2, 14), (16, 22), (24, 35), (38, 48)),
    "TCIA's own labels of the pancreas alone",
)
BTCV = References(
    "label_btcv_multiorgan.tar.gz",
    ("label_btcv_multiorgan",),
    _numbers((1, 10), (21, 40), (61, 70), (74, 80)),
    "the challenge's own labels, which lack the duodenum",
)


def meaning_of(organs: OrganChoice | None, root: Path) -> LabelMeaning:
    """Choose the classes: the eight organs are all that the references outline.

    Raises:
        UserError: Another one is asked for.
    """
    meaning = PROTOCOL.meaning(PAPER_ORGANS if organs == "all" else organs, root)
    others = [organ for organ in meaning.organs if organ not in PAPER_ORGANS]
    if others:
        raise UserError(
            f"the multi-organ references of Zenodo outline no '{others[0]}'",
            where="--organs",
            fix=f"choose among {', '.join(PAPER_ORGANS)}",
        )
    return meaning


def find_references(root: Path, references: References) -> dict[int, Path] | None:
    """Find the label maps of an archive below a folder, by the number of the case.

    None where no folder is named like the archive's. Two such folders are refused, and other files.
    """
    folders = [
        folder
        for folder in folders_below(root, _DEPTH)
        if folder.name in references.folders and volumes_in(folder)
    ]
    if not folders:
        return None
    if len(folders) > 1:
        raise refusal(
            folders[1],
            f"The labels are there twice, also in {folders[0]}.",
            "remove one of the two folders",
        )
    files = numbered_files(root, "label", folders[0])
    for number in files.keys() - references.cases:
        raise _other_labels(files[number], references, f"The archive has no case {number:04}")
    # The duodenum is in the first or the last file: neither look-alike has it.
    ends = dict.fromkeys((min(files), max(files)))
    if not any((np.asarray(read_volume(files[n]).array) == _DUODENUM).any() for n in ends):
        why = "There is no duodenum in the labels (value 14)"
        raise _other_labels(files[min(files)], references, why)
    return files


def absent(root: Path, references: References) -> UserError:
    """Say that there are no references, and how to get them."""
    return refusal(
        root,
        f"The multi-organ references ({references.folders[0]}/) are not there.",
        f"unpack {references.archive} there: {FETCH}",
    )


def _other_labels(path: Path, references: References, why: str) -> UserError:
    return refusal(
        path,
        f"{why}: these seem to be {references.mistaken_for}.",
        f"put the files of {references.archive} there: {FETCH}",
    )
