"""BTCV of Synapse syn3193805: abdominal CTs in NIfTI, with either of two sets of label maps.

`RawData/Training/{img,label}` and `RawData/Testing/img`, files img####.nii.gz, label####.nii.gz.
The challenge labels the 30 training scans and no duodenum; the references of Zenodo 1169361, in
`label_btcv_multiorgan/` beside RawData, cover 47 scans and all eight organs.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from voxsiam.errors import refusal
from voxsiam_data.labels.protocols import PROTOCOLS, LabelMeaning, LabelProtocol, OrganChoice
from voxsiam_data.manifest import Case
from voxsiam_data.sources.case_files import folders_below, numbered_files, twice
from voxsiam_data.sources.found import Found, RefusedCase, collect, left_out
from voxsiam_data.sources.layouts import zenodo_labels

LAYOUT = "BTCV: RawData/Training/img, its label or Zenodo's label_btcv_multiorgan/"
SOURCE = "btcv"
_DEPTH = 2


def recognise(root: Path) -> bool:
    """Tell whether the training scans are there."""
    return bool(_raw_folders(root))


def read(
    root: Path, protocol: LabelProtocol | None = None, organs: OrganChoice | None = None
) -> Found:
    """List the labelled scans, with Zenodo's references where they are there.

    Args:
        protocol: "zenodo" or "btcv" chooses between the two sets of label maps.
    """
    name = protocol.name if protocol else None
    if name not in {None, "zenodo", "btcv"}:
        raise refusal(
            root,
            f"The labels of BTCV follow 'zenodo' or 'btcv', not '{name}'.",
            "give --protocol zenodo or --protocol btcv, or leave it out",
        )
    references = None if name == "btcv" else zenodo_labels.find_references(root, zenodo_labels.BTCV)
    if references is None and name == "zenodo":
        raise zenodo_labels.absent(root, zenodo_labels.BTCV)
    if references is None:
        return _challenge(root, PROTOCOLS["btcv"].meaning(organs, root))
    return _with_references(root, references, zenodo_labels.meaning_of(organs, root))


def find_images(root: Path) -> dict[int, Path]:
    """Find the scans of both parts by number; refuse no RawData or two, and two of one number."""
    raw = _raw_folder(root)
    return numbered_files(root, "img", raw / "Training" / "img", raw / "Testing" / "img")


def cases_of(
    images: Mapping[int, Path], labels: Mapping[int, Path], meaning: LabelMeaning
) -> Iterator[Case]:
    """Join the scans and label maps that both are there."""
    for number in sorted(images.keys() & labels.keys()):
        name, label = f"BTCV_{number:04}", meaning.map(labels[number])
        yield Case(name, name, images[number], label, SOURCE)


def _with_references(root: Path, labels: Mapping[int, Path], meaning: LabelMeaning) -> Found:
    images = find_images(root)
    unlabelled = images.keys() - labels.keys()
    refused = (
        _refused(
            number,
            images[number],
            "The scan has no label map among the multi-organ references.",
            f"unpack {zenodo_labels.BTCV.archive} again: {zenodo_labels.FETCH}",
        )
        for number in sorted(unlabelled & zenodo_labels.BTCV.cases)
    )
    notes = (
        "label maps: the multi-organ references of Zenodo 1169361",
        *left_out(unlabelled - zenodo_labels.BTCV.cases, "without a multi-organ reference"),
        *left_out(labels.keys() - images.keys(), "with a label map and no scan"),
    )
    return collect(root, (*cases_of(images, labels, meaning), *refused), notes)


def _challenge(root: Path, meaning: LabelMeaning) -> Found:
    training = _raw_folder(root) / "Training"
    images = numbered_files(root, "img", training / "img")
    labels = numbered_files(root, "label", training / "label")
    again = f"unpack RawData.zip again, or get the multi-organ references: {zenodo_labels.FETCH}"
    refused = (
        _refused(number, images[number], "It has no label map.", again)
        if number in images
        else _refused(number, labels[number], "It has no CT.", again)
        for number in sorted(images.keys() ^ labels.keys())
    )
    note = (
        "label maps: the challenge's own, without duodenum; all eight organs are in the "
        f"references of Zenodo 1169361 ({zenodo_labels.FETCH})"
    )
    return collect(root, (*cases_of(images, labels, meaning), *refused), (note,))


def _refused(number: int, path: Path, what: str, fix: str) -> RefusedCase:
    return RefusedCase(f"BTCV_{number:04}", refusal(path, what, fix))


def _raw_folder(root: Path) -> Path:
    """Find the folder RawData, whatever its name."""
    folders = _raw_folders(root)
    if not folders:
        raise refusal(
            root,
            "BTCV's scans (RawData/Training/img) are not there.",
            "unpack RawData.zip there (Synapse syn3193805, files of the abdomen)",
        )
    if len(folders) > 1:
        raise twice(folders[1] / "Training", folders[0] / "Training")
    return folders[0]


def _raw_folders(root: Path) -> list[Path]:
    """Find the folders that hold Training/img with files named as BTCV's."""
    return [
        folder
        for folder in folders_below(root, _DEPTH)
        if any((folder / "Training" / "img").glob("img[0-9]*.nii*"))
    ]
