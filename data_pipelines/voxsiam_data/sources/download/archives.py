"""Unpack a tar archive that may be hostile: files and folders only, all inside, with a limit."""

import shutil
import tarfile
from pathlib import Path, PurePosixPath

from voxsiam.durable_files import temporary_beside
from voxsiam.errors import refusal

MAX_BYTES = 2 * 2**30
MAX_MEMBERS = 10_000
_BLOCK = 2**20


def unpack(archive: Path, folder: Path, max_bytes: int = MAX_BYTES) -> list[Path]:
    """Unpack an archive into a folder; what lies there already whole stays.

    Args:
        archive: A tar file, compressed or not.
        folder: Files appear there whole or not at all.
        max_bytes: Of all files together, unpacked.

    Returns:
        The topmost files and folders of the archive.

    Raises:
        UserError: A member is a link or device, leads out of the folder, or would replace another
            file; the archive is damaged or too large.
    """
    temporary = temporary_beside(folder / archive.name)
    try:
        temporary.mkdir(parents=True)
        _unpack_members(archive, temporary, max_bytes)
        return [_move(path, folder / path.name) for path in sorted(temporary.iterdir())]
    except (tarfile.TarError, EOFError, OSError) as error:
        raise refusal(
            archive,
            f"The archive cannot be unpacked ({error}).",
            "remove it and fetch it again; make sure that the disk has room",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unpack_members(archive: Path, folder: Path, max_bytes: int) -> None:
    total = 0
    with tarfile.open(archive) as tar:
        # One by one: a bomb is refused from its headers, before its content is read.
        for count, member in enumerate(tar, start=1):
            total += member.size
            what = _hostile(member)
            if not what and (count > MAX_MEMBERS or total > max_bytes):
                what = f"It unpacks to more than {max_bytes >> 20} MiB or too many files."
            if what:
                raise refusal(archive, what, "do not use this file; fetch it from its page")
            target = folder / member.name
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            if content is not None:
                with content, target.open("xb") as stream:
                    shutil.copyfileobj(content, stream, _BLOCK)


def _hostile(member: tarfile.TarInfo) -> str:
    path = PurePosixPath(member.name)
    if not (member.isreg() or member.isdir()):
        return f"Its member {member.name[:80]!r} is no file and no folder."
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        return f"Its member {member.name[:80]!r} leads out of the archive."
    return ""


def _move(unpacked: Path, target: Path) -> Path:
    """Put a file or folder into its place, unless the same is there."""
    if not target.exists() and not target.is_symlink():
        unpacked.rename(target)
    elif _sizes(unpacked) != _sizes(target):
        raise refusal(
            target,
            "It is there already and differs from the archive.",
            "move it away, then fetch again",
        )
    return target


def _sizes(path: Path) -> dict[str, int]:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return {str(file.relative_to(path)): file.stat().st_size for file in files}
