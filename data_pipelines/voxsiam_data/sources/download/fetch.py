"""Fetch openly downloadable files with their checksums.

pooch writes beside the target and renames once the checksum fits, so a partial file never carries
the name of a whole one. It starts every file afresh; `_resume` goes on from what an interrupted
call left in `<name>.part`.
"""

import logging
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pooch
import requests

from voxsiam.errors import UserError, nearest_name, refusal
from voxsiam_data.sources.download.archives import unpack
from voxsiam_data.sources.download.catalogue import CATALOGUE, CatalogueEntry, Download

_TIMEOUT_S = 60
_BLOCK = 2**14  # what a broken connection loses at most
_PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 206, 416


def catalogue_entry(name: str) -> CatalogueEntry:
    """Find a data set by its name, or say which one was probably meant."""
    entries = {entry.name: entry for entry in CATALOGUE}
    if name not in entries:
        fix = nearest_name(name, tuple(entries))
        raise UserError(f"there is no data set '{name}'", where="NAME", fix=fix)
    return entries[name]


def fetch(
    entry: CatalogueEntry, output: Path, on_file: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Fetch the files of a data set, and unpack its archives beside them.

    Files whose checksums fit are not fetched again.

    Args:
        on_file: Told (files done, files in all).

    Returns:
        What lies in `output` afterwards: folders of archives, and other files.

    Raises:
        UserError: It is not openly downloadable, the server fails, a checksum does not fit, or
            the disk is full.
    """
    if not entry.downloads:
        why = f"no checksums of its files are known here (terms: {entry.terms})."
        if entry.registration:
            why = f"it needs a registration or consent ({entry.terms})."
        raise UserError(
            f"'{entry.name}' is not fetched by this program: {why}",
            where=entry.page,
            fix=f"visit the page, get {entry.download}, and lay it out as {entry.layout}",
        )
    report = on_file or (lambda _done, _total: None)
    report(0, len(entry.downloads))
    found: list[Path] = []
    for done, download in enumerate(entry.downloads, start=1):
        path = _fetch_file(download, output)
        found += unpack(path, output) if download.unpack else [path]
        report(done, len(entry.downloads))
    return found


def _fetch_file(download: Download, output: Path) -> Path:
    pooch.get_logger().setLevel(logging.ERROR)
    try:
        output.mkdir(parents=True, exist_ok=True)
        path = pooch.retrieve(
            download.url,
            f"sha256:{download.sha256}",
            fname=download.name,
            path=output,
            downloader=_resume,  # pyright: ignore[reportArgumentType]
        )
    except requests.RequestException as error:
        raise UserError(
            f"The file cannot be fetched ({type(error).__name__}).",
            where=download.url,
            fix="check the connection and run the command again: it goes on where it stopped",
        ) from error
    except ValueError as error:
        raise UserError(
            "The file that came is not the one that was published: its checksum differs.",
            where=download.url,
            fix="run the command again; if that does not help, the page says what changed",
        ) from error
    except OSError as error:
        raise refusal(
            output / download.name,
            f"The file cannot be written ({error.strerror}).",
            "choose a folder that you may write to, on a disk with room",
        ) from error
    return Path(path)


def _resume(url: str, output_file: str, _pooch: object) -> None:
    """Fetch a file by HTTP, from where an earlier call was interrupted.

    Args:
        output_file: pooch's temporary beside the target; it checks and renames it.
    """
    part = Path(output_file).with_name(f"{PurePosixPath(urlsplit(url).path).name}.part")
    offset = part.stat().st_size if part.is_file() else 0
    headers = {"Range": f"bytes={offset}-", "Accept-Encoding": "identity"}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
        if offset and response.status_code == _RANGE_NOT_SATISFIABLE:
            part.replace(output_file)  # nothing follows: whole or wrong, the checksum tells
            return
        response.raise_for_status()
        mode = "ab" if response.status_code == _PARTIAL_CONTENT else "wb"
        with part.open(mode) as stream:
            for block in response.iter_content(_BLOCK):
                stream.write(block)
    part.replace(output_file)
