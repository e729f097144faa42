"""All checks of one case."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.types import PAPER_ORGANS, Shape, Spacing
from voxsiam.volumes.label_files import LabelMap, Labels
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.volume_file import image_files, read_image, read_volume
from voxsiam_data.checks.case_voxels import CaseVoxels, voxels_of
from voxsiam_data.checks.finding import SEVERITIES, Finding, Severity, refusal_of
from voxsiam_data.checks.flip_and_sides import check_flip, check_sides
from voxsiam_data.checks.geometry import check_body, check_geometry
from voxsiam_data.checks.headers import check_header
from voxsiam_data.checks.intensities import check_intensities
from voxsiam_data.checks.labels import OrganFacts, check_impossible_sizes, check_labels, organ_facts
from voxsiam_data.checks.likeness_marks import Fingerprint, fingerprint_of
from voxsiam_data.checks.pictures import CasePicture, picture_of
from voxsiam_data.manifest import Case


@dataclass(frozen=True, eq=False)
class CaseReport:
    """What the checks of one case found.

    Attributes:
        findings: The worst first; `check_manifest` adds what pairs of cases show.
        shape: Voxels along d, h, w, and `spacing_mm` their size; None where nothing could be read.
        picture: Two slices; None where nothing could be read, or to save memory.
        fingerprint: What the case is compared with others by.
    """

    case_id: str
    findings: tuple[Finding, ...]
    shape: Shape | None = None
    spacing_mm: Spacing | None = None
    organs: tuple[OrganFacts, ...] = ()
    picture: CasePicture | None = None
    fingerprint: Fingerprint = field(default_factory=Fingerprint)

    @property
    def severity(self) -> Severity | None:
        """The worst of its findings; None for a case without any."""
        return min(self.findings, key=lambda one: one.rank).severity if self.findings else None

    @property
    def rank(self) -> tuple[tuple[int, int], ...]:
        """Order of cases, the worst first; those without findings come last."""
        return (*sorted(one.rank for one in self.findings), (len(SEVERITIES), 0))


def refusals_of(
    scan: Scan,
    label: Labels | None,
    annotated: tuple[int, ...] = (),
    organs: tuple[str, ...] = PAPER_ORGANS,
) -> list[Finding]:
    """Run the checks that refuse on a scan in HU and its labels in d h w: below 0.1 s."""
    found = [*check_geometry(scan), *_of_voxels(voxels_of(scan, label, annotated, organs))]
    return [finding for finding in found if finding.severity == "refuse"]


def check_case(case: Case, root: Path) -> CaseReport:
    """Read one case and run every check of a case alone; findings name files below the root."""
    found: list[Finding] = []
    image = _read_image(case, found)
    grid, label = _read_label(case, image, found)
    if grid is None:
        return CaseReport(case.case_id, worst_first(found, root))
    voxels = voxels_of(grid, label, case.label.annotated, case.label.organs)
    if image is None:
        voxels = replace(voxels, image=None)
    organs = organ_facts(voxels)
    found += [*check_geometry(grid), *_of_voxels(voxels)]
    found += [*check_body(voxels), *check_labels(voxels, organs)]
    image_parts: tuple[Path, ...] = ()
    if case.image is not None and image is not None:
        image_parts = image_files(case.image)
        found += check_header(case.image, image_parts)
    for path in case.label.files if label is not None else ():
        found += check_header(path, (path,))
    findings = worst_first(found, root)
    shown = next((one.slice_index for one in findings if one.slice_index is not None), None)
    return CaseReport(
        case_id=case.case_id,
        findings=findings,
        shape=voxels.shape,
        spacing_mm=voxels.spacing_mm,
        organs=organs,
        picture=picture_of(voxels, shown),
        fingerprint=fingerprint_of(voxels, image_parts, case.label.files),
    )


def _of_voxels(voxels: CaseVoxels) -> Iterator[Finding]:
    """Run the checks that preparation can afford."""
    yield from check_intensities(voxels)
    yield from check_impossible_sizes(voxels)
    yield from check_flip(voxels)
    yield from check_sides(voxels)


def _read_image(case: Case, found: list[Finding]) -> Scan | None:
    """Read the image, if there is one; what is wrong with it joins the findings."""
    if case.image is None:
        return None
    try:
        image = read_image(case.image, case.geometry)
    except UserError as error:
        found.append(refusal_of("files", error))
        return None
    found += _mended(image.notes, case.image)
    return image


def _read_label(
    case: Case, image: Scan | None, found: list[Finding]
) -> tuple[Scan | None, Labels | None]:
    """Read the labels on the image's grid, else on their own; each is None if it is unreadable."""
    if image is None and isinstance(case.label, LabelMap) and case.label.place == "by_hu":
        return None, None  # how it lies is not known without the image
    try:
        grid = image or read_volume(case.label.files[0], geometry=case.geometry)
        label, notes = case.label.read_with_notes(grid, case.geometry)
    except UserError as error:
        found.append(refusal_of("labels", error))
        return image, None
    # A label map shares the header's flaws of its image.
    own = [note for note in notes if note not in grid.notes] if image is not None else notes
    found += _mended(dict.fromkeys(own), case.label.files[0])
    return grid, label


def _mended(notes: Iterable[str], path: Path) -> Iterator[Finding]:
    for note in notes:
        what = f"{note[:1].upper()}{note[1:]}."
        fix = "look at its picture, whether that is right"
        yield Finding("files", "repair", what, fix, str(path))


def worst_first(found: Iterable[Finding], root: Path) -> tuple[Finding, ...]:
    """Bring the worst to the top, and name files below the data set's folder."""
    named = [replace(one, where=_below(one.where, root)) for one in found]
    return tuple(sorted(named, key=lambda one: one.rank))


def _below(where: str, root: Path) -> str:
    path = Path(where)
    return str(path.relative_to(root)) if where and path.is_relative_to(root) else where
