"""The predictions or the references that a path leads to: the labels of each case, their meaning.

The path is a file, a folder of `<case>.nii.gz`, a folder of case folders, or the folder of one
case's masks. A case folder holds `label.nii.gz`, one other label map, or a mask for each organ
(TotalSegmentator's output and its data set). Names of masks decide, whether there is one or many.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.unused_file import UnusedFile, unused_below, visible_folders
from voxsiam.volumes.volume_file import is_volume, stem_of
from voxsiam_data.labels.dataset_json import read_protocol
from voxsiam_data.labels.mask_files import (
    are_masks,
    is_structure,
    mask_protocol,
    structure_masks,
)
from voxsiam_data.labels.protocols import PROTOCOLS, LabelProtocol

DESCRIPTION = "dataset.json"
_IMAGES = {"image", "ct"}
_CHANNEL, _PROBABILITIES = "_0000", "probabilities"
_LISTED = 5

CaseMasks = Mapping[str, Path]
"""A mask for each structure, by its class."""

CaseLabels = Path | CaseMasks
"""A label map, or masks."""


@dataclass(frozen=True)
class FoundLabels:
    """What a path leads to.

    Attributes:
        root: The path as it was given.
        cases: By their names.
        is_one_case: The path is that of a case itself, whatever its name.
        description: The dataset.json of these labels, where they have one.
    """

    root: Path
    cases: dict[str, CaseLabels]
    is_one_case: bool = False
    description: Path | None = None

    @property
    def described(self) -> LabelProtocol | None:
        """What their own dataset.json says of the values."""
        return read_protocol(self.description) if self.description else None

    @property
    def masks(self) -> LabelProtocol | None:
        """The structures that every case has a mask of; None for label maps.

        An organ of the paper may be missing in none where one case has it: it would drop out of a
        mean.
        """
        each = {name: one for name, one in self.cases.items() if not isinstance(one, Path)}
        if not each:
            return None
        if len(each) < len(self.cases):
            other = next(name for name in self.cases if name not in each)
            raise UserError(
                f"Some cases have masks, '{other}' has a label map.",
                where=str(self.root),
                fix="give cases of one kind at a time",
            )
        due = {organ for one in each.values() for organ in one if organ in PAPER_ORGANS}
        for name, one in each.items():
            for organ in sorted(due - one.keys()):
                raise UserError(
                    f"The case '{name}' has no mask of the {organ}, others have.",
                    where=str(self.root),
                    fix="write an empty mask for an organ that was not found",
                )
        common = set.intersection(*(set(one) for one in each.values()))
        return mask_protocol([dict.fromkeys(common, self.root)])


def find_labels(root: Path) -> FoundLabels:
    """Find the labels of each case at a path."""
    description = _description_of(root)
    if root.is_file():
        one = _as_mask(root) or root
        return FoundLabels(root, {case_name(root): one}, is_one_case=True, description=description)
    if not root.is_dir():
        raise UserError("It is not there.", where=str(root), fix="check the path")
    files = _volumes_in(root)
    if are_masks(files):
        masks = structure_masks(files)
        return FoundLabels(root, {root.resolve().name: masks}, is_one_case=True)
    found: dict[str, CaseLabels] = {}
    places: dict[str, Path] = {}
    maps = [path for path in _visible(root) if is_volume(path) and not path.is_dir()]
    for path, labels in (*_labels_beside(maps), *_labels_below(root)):
        name = str(path.relative_to(root).parent / case_name(path))
        place = (labels if isinstance(labels, Path) else path).relative_to(root)
        if name in found:
            raise UserError(
                f"Two label maps belong to the case '{name}': {places[name]}, {place}.",
                where=str(root),
                fix="keep one of them",
            )
        found[name], places[name] = labels, place
    if not found:
        raise UserError(
            "The folder holds no label maps.",
            where=str(root),
            fix="give a folder of <case>.nii.gz, <case>/label.nii.gz or <case>/<organ>.nii.gz",
        )
    return FoundLabels(root, found, description=description)


def unused_labels(found: FoundLabels, ignored: Sequence[str] = ()) -> list[UnusedFile]:
    """List by name what lies in the folder and is no case's; a file alone has nothing beside it."""
    if not found.root.is_dir():
        return []
    used = [path for labels in found.cases.values() for path in files_of(labels)]
    return unused_below(found.root, used, _why_unused, ignored)


def files_of(labels: CaseLabels) -> tuple[Path, ...]:
    """List the files of one case."""
    return (labels,) if isinstance(labels, Path) else tuple(labels.values())


def _why_unused(inside: Path) -> UnusedFile:
    stem = stem_of(inside).lower()
    if stem in _IMAGES:
        return UnusedFile(inside, "a scan, not a label map", is_lost=False)
    if stem.endswith(f"_{_PROBABILITIES}") or _PROBABILITIES in inside.parts[:-1]:
        return UnusedFile(inside, "probabilities, not a label map", is_lost=False)
    if is_structure(stem):
        return UnusedFile(inside, "a mask of a single structure", is_lost=False)
    return UnusedFile(inside, "the labels of no case", is_lost=True)


def meanings(
    predictions: FoundLabels,
    references: FoundLabels,
    prediction: LabelProtocol | None = None,
    reference: LabelProtocol | None = None,
) -> tuple[LabelProtocol, LabelProtocol]:
    """Choose what the values of predictions and references mean, where the user may have said so.

    Masks are named after their organs. A reference is read as it was said, else as its dataset.json
    says, else as ours; a prediction as it was said, else as its own dataset.json says, else as the
    references.
    """
    ours = PROTOCOLS["voxsiam"]

    def follows() -> LabelProtocol:
        return reference or references.described or ours

    theirs = references.masks or follows()
    return predictions.masks or prediction or predictions.described or follows(), theirs


def case_name(path: Path) -> str:
    """Return the case that a file or folder belongs to."""
    return stem_of(path).removesuffix(_CHANNEL)


def listed(names: Iterable[str]) -> str:
    """Name the first, and count the others."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _LISTED} more" if len(ordered) > _LISTED else ""
    return (", ".join(ordered[:_LISTED]) or "none") + more


def _description_of(root: Path) -> Path | None:
    """Find the dataset.json beside the labels, or of the data set whose labelsTr they are."""
    folder = root if root.is_dir() else root.parent
    places = [folder, folder.parent] if folder.name.startswith("labels") else [folder]
    return next((place / DESCRIPTION for place in places if (place / DESCRIPTION).is_file()), None)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _volumes_in(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if is_volume(path) and path.is_file()]


def _holds_probabilities(folder: Path) -> bool:
    """Tell whether our own predict wrote a folder beside its label maps."""
    if folder.name != _PROBABILITIES:
        return False
    files = (path for _, files in visible_folders(folder) for path in files if is_volume(path))
    return all((folder.parent / path.relative_to(folder)).exists() for path in files)


def _labels_below(folder: Path) -> Iterator[tuple[Path, CaseLabels]]:
    """Go through case folders of any depth, by name; what lies in a case is its own."""
    for path in _visible(folder):
        if not path.is_dir() or _holds_probabilities(path):
            continue
        labels = _labels_of_case(path)
        if labels is not None:
            yield path, labels
        elif not path.is_symlink():
            yield from _labels_below(path)


def _labels_beside(files: list[Path]) -> Iterator[tuple[Path, CaseLabels]]:
    """Take files as the label maps of cases, without our own probabilities among them."""
    stems = {stem_of(path) for path in files}
    for path in files:
        whole = stem_of(path).removesuffix(f"_{_PROBABILITIES}")
        if whole == stem_of(path) or whole not in stems:
            yield path, path


def _labels_of_case(folder: Path) -> CaseLabels | None:
    """Find the labels of a case folder; None where it is none."""
    files = _volumes_in(folder)
    inside = folder / "segmentations"
    if len(files) > 1 or inside.is_dir():
        # A lone file of that name is what predict made of a scan in a folder.
        files = [path for path in files if stem_of(path).lower() not in _IMAGES]
    for path in files:
        if stem_of(path).lower() == "label":
            return path
    files += _volumes_in(inside) if inside.is_dir() else []
    if len(files) < 2:
        return _as_mask(files[0]) or files[0] if files else None
    if are_masks(files):
        return structure_masks(files)
    raise UserError(
        f"The case folder holds several label maps: {listed(p.name for p in files)}.",
        where=str(folder),
        fix="call the one to compare label.nii.gz; masks are named after their organs",
    )


def _as_mask(path: Path) -> CaseMasks | None:
    """Take a file that is named after a structure for its mask."""
    return structure_masks([path]) if is_structure(stem_of(path)) else None
