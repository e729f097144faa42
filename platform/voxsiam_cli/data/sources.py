"""The source that `voxsiam data prepare` was given: its cases, and what of it is not used."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.volumes.unused_file import UnusedFile
from voxsiam_data.labels.dataset_json import find_protocol
from voxsiam_data.labels.protocols import LabelProtocol, OrganChoice
from voxsiam_data.prepared.output import PAPER_RECORD, write_paper_record
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_data.sources.detect import find_source
from voxsiam_data.sources.found import Found
from voxsiam_data.sources.inventory import unused_files
from voxsiam_data.sources.layouts.paper import PaperFolders, find_paper_cases
from voxsiam_data.sources.layouts.zenodo_boxes import with_zenodo_boxes


@dataclass(frozen=True)
class LabelOptions:
    """What the user said about labels: what their values mean, and which become classes."""

    protocol: str | None
    labels: Path | None
    organs: str | None

    def chosen(self) -> tuple[LabelProtocol | None, OrganChoice | None]:
        """Read what was said; None leaves it to the data set.

        Raises:
            UserError: Two options say what the values mean, or an option names nothing.
        """
        return find_protocol(self.protocol, self.labels), parse_organs(self.organs)


def parse_organs(text: str | None) -> OrganChoice | None:
    """Read --organs: paper, all, or names with commas between them."""
    if text is None or text == "paper" or text == "all":
        return text
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        fix = "write paper, all, or NAME,NAME,..."
        raise UserError(f"'{text}' names no organs", where="--organs", fix=fix)
    return names


@dataclass(frozen=True)
class SourceOptions:
    """What the user said about the source of a preparation."""

    source: Path | None
    labels: LabelOptions
    paper: bool
    pancreas_ct: Path | None
    btcv: Path | None
    zenodo: Path | None
    allow_missing: bool
    leave_out_refused: bool


def choose_source(options: SourceOptions, *, boxes: bool = False) -> Found:
    """Find the cases to prepare.

    Args:
        boxes: Read Zenodo's cropping.csv too, where it lies beside its references.
    """
    found = _paper_cases(options) if options.paper else _source_cases(options)
    folder = options.zenodo or options.source
    return with_zenodo_boxes(found, folder) if boxes and folder else found


def unused_of(options: SourceOptions, found: Found, ignored: Sequence[str]) -> list[UnusedFile]:
    """List what lies in the folders of a source and is not used."""
    given = [value for _, value in _folders(options)] if options.paper else []
    folders = {folder.resolve() for folder in (options.source, *given) if folder is not None}
    # One that lies in another is looked through with it.
    outer = sorted(folder for folder in folders if not folders & set(folder.parents))
    return [one for folder in outer for one in unused_files(folder, found, ignored)]


def record_source(prepared: PreparedSet, found: Found, *, is_paper: bool) -> None:
    """Write beside a prepared set which of the paper's cases it holds, where it is the paper's."""
    if is_paper:
        write_paper_record(prepared, found)
    else:  # the folder may have held the paper's set before
        (prepared.root / PAPER_RECORD).unlink(missing_ok=True)


def _source_cases(options: SourceOptions) -> Found:
    for option, value in (*_folders(options), ("--allow-missing", options.allow_missing)):
        if value:
            fix = "add --paper, or leave it out"
            raise UserError("it goes with --paper only", where=option, fix=fix)
    if options.source is None:
        fix = "give its folder, or --paper"
        raise UserError("no data set is named", where="SOURCE", fix=fix)
    known, organs = options.labels.chosen()
    return find_source(options.source, known, organs, keep_refused=options.leave_out_refused)


def _paper_cases(options: SourceOptions) -> Found:
    for option, value in vars(options.labels).items():
        if value:
            fix = "leave it out"
            raise UserError("the paper's labels are Zenodo's", where=f"--{option}", fix=fix)
    folders: dict[str, Path] = {}
    for option, value in _folders(options):
        folder = value or options.source
        if folder is None:
            raise UserError(
                "the paper's data have no folder",
                where=option,
                fix=f"give {option} FOLDER, or one SOURCE that holds all three downloads",
            )
        folders[option] = folder
    return find_paper_cases(PaperFolders(*folders.values()), allow_missing=options.allow_missing)


def _folders(options: SourceOptions) -> tuple[tuple[str, Path | None], ...]:
    return (
        ("--pancreas-ct", options.pancreas_ct),
        ("--btcv", options.btcv),
        ("--zenodo", options.zenodo),
    )
