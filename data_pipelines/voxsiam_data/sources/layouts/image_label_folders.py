"""Scans in one folder, label maps of the same names in another: imagesTr/ and labelsTr/ and alike.

Without a dataset.json nothing says what the label values mean: FLARE22 comes like this. A scan may
carry nnU-Net's channel number: `<case>_0000.nii.gz`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap
from voxsiam.volumes.volume_file import stem_of
from voxsiam_data.labels.protocols import PROTOCOLS, LabelProtocol
from voxsiam_data.manifest import Case, Manifest
from voxsiam_data.sources.case_files import require_inside, twice, volumes_in
from voxsiam_data.sources.crop_boxes import with_crop_boxes
from voxsiam_data.sources.found import Found, RefusedCase, require_some
from voxsiam_data.sources.patients import group_by_patient

LAYOUT = "image and label folders: imagesTr/, labelsTr/ or images/, labels/ (with --protocol)"
_CHANNEL = "_0000"


@dataclass(frozen=True)
class Part:
    """A folder of scans and the folder of their label maps."""

    images: str
    labels: str


_PARTS = (Part("imagesTr", "labelsTr"), Part("images", "labels"))


@dataclass(frozen=True)
class LabelledFiles:
    """A scan and its label map."""

    image: Path
    label: Path

    def case(self, case_id: str, source: str, protocol: LabelProtocol) -> Case:
        """Make a case of them, its patient unknown."""
        label = LabelMap(path=self.label, values=protocol.values)
        return Case(case_id, case_id, self.image, label, source)


@dataclass(frozen=True)
class PairedFiles:
    """What the folders of a data set hold.

    Attributes:
        pairs: Scan and label map by the name of the case.
        refused: Cases that lack one of the two.
        notes: Parts that are left out.
    """

    pairs: dict[str, LabelledFiles]
    refused: tuple[RefusedCase, ...] = ()
    notes: tuple[str, ...] = ()


def recognise(root: Path) -> bool:
    """Tell whether a folder of scans and one of label maps are there, and no dataset.json."""
    pairs = any((root / p.images).is_dir() and (root / p.labels).is_dir() for p in _PARTS)
    return pairs and not (root / "dataset.json").is_file()


def read(root: Path, protocol: LabelProtocol | None = None) -> Found:
    """List the pairs; the protocol must be named."""
    if protocol is None:
        raise UserError(
            "Nothing there says what the values of the label maps mean.",
            where=str(root),
            fix=f"add --protocol with one of: {', '.join(PROTOCOLS)}",
        )
    files = read_parts(root, _PARTS)
    cases = tuple(pair.case(name, root.name, protocol) for name, pair in files.pairs.items())
    require_some(cases, files.refused)
    cases = with_crop_boxes(group_by_patient(cases, root), root)
    return Found(Manifest(cases, root), files.notes, files.refused)


def read_parts(
    root: Path, parts: tuple[Part, ...], case_name: Callable[[Path], str] = stem_of
) -> PairedFiles:
    """List the scans and label maps of every part that has both folders.

    Args:
        parts: Its pairs of folders; a part without scans or labels is passed over with a note.
        case_name: Reads the name of the case from a file; it raises a UserError for others.

    Raises:
        UserError: A case occurs twice, or a link leads out of the data set.
    """
    found: dict[str, LabelledFiles] = {}
    refused: list[RefusedCase] = []
    notes: list[str] = []
    for part in parts:
        images, labels = root / part.images, root / part.labels
        if not images.is_dir():
            continue
        if not labels.is_dir():
            notes.append(f"{part.images} is left out: there is no {part.labels}")
            continue
        pairs, incomplete = _pairs(images, labels, root, case_name)
        refused += incomplete
        for name, pair in pairs.items():
            if name in found:
                raise twice(pair.image, found[name].image)
            found[name] = pair
    for each in refused:
        if each.case_id in found:
            raise each.error
    return PairedFiles(dict(sorted(found.items())), tuple(refused), tuple(notes))


def _pairs(
    images: Path, labels: Path, root: Path, case_name: Callable[[Path], str]
) -> tuple[dict[str, LabelledFiles], list[RefusedCase]]:
    label_maps = _by_name(require_inside(volumes_in(labels), root), case_name)
    scans = _by_name(
        require_inside(volumes_in(images), root),
        lambda path: _without_channel(case_name(path), label_maps),
    )
    pairs = {n: LabelledFiles(scans[n], label_maps[n]) for n in scans if n in label_maps}
    alone = [(name, path, "label map") for name, path in scans.items() if name not in pairs]
    alone += [(name, path, "scan") for name, path in label_maps.items() if name not in pairs]
    return pairs, [_alone(*each) for each in sorted(alone)]


def _alone(name: str, path: Path, other: str) -> RefusedCase:
    error = UserError(
        f"It has no {other} of the same name.",
        where=str(path),
        fix=f"add the {other}, or take this file out of the folder",
    )
    return RefusedCase(name, error)


def _without_channel(name: str, label_maps: Mapping[str, Path]) -> str:
    # "amos_0000" may be a case of that name: its label map tells.
    return name if name in label_maps else name.removesuffix(_CHANNEL)


def _by_name(paths: list[Path], case_name: Callable[[Path], str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        name = case_name(path)
        if name in found:
            raise twice(path, found[name])
        found[name] = path
    return found
