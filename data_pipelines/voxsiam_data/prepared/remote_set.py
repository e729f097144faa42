"""A prepared set in an object store: published there, and fetched to a disk that nodes share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree
from urllib.parse import urlsplit

from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem, copy_files

from voxsiam.durable_files import remove_abandoned, temporary_beside, write_text_atomically
from voxsiam.errors import UserError
from voxsiam.small_files import LARGE
from voxsiam_data.prepared.entries import damaged_file, move_into_place, read_sound_entry
from voxsiam_data.prepared.prepared_set import VOLUMES, PreparedSet, open_prepared, require_sound
from voxsiam_data.prepared.record import RECORD, PreparedCase, PreparedRecord, read_record
from voxsiam_data.prepared.record_seal import SEAL, RecordSeal, parse_seal, write_sealed
from voxsiam_data.side_by_side import OnCase, side_by_side

CASES_AT_A_TIME = 8
"""Object stores answer slowly, and many at once."""


def require_plain(uri: str) -> None:
    """Refuse a folder, and an address with keys: messages and the cluster's jobs show them."""
    parts = urlsplit(uri)
    if parts.username or parts.password:
        raise UserError(
            "the address holds keys of the object store",
            where=f"{parts.scheme}://...@{parts.hostname}{parts.path}",
            fix="leave them out: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws",
        )
    if parts.scheme == "file":
        raise UserError("a folder needs no address", where=uri, fix=uri.removeprefix("file://"))


@dataclass(frozen=True)
class RemoteSet:
    """A prepared set in an object store.

    Attributes:
        uri: Such as s3://bucket/prepared. Credentials come from where the store's own programs
            look for them: for S3 the environment or ~/.aws, and AWS_ENDPOINT_URL.
    """

    uri: str

    def listing(self) -> PreparedSet:
        """Return what its record says; the volumes are not on this disk."""
        return PreparedSet(root=Path(self.uri), **dict(self._record()[1]))

    def fetch(self, cache: Path, on_case: OnCase) -> PreparedSet:
        """Copy the set, or what is missing, to its own folder in a cache; its record comes last."""
        content, record, seal = self._record()
        root = cache / f"fetched-{record.fingerprint}"
        if not (root / RECORD).is_file():
            volumes = root / VOLUMES
            volumes.mkdir(parents=True, exist_ok=True)
            remove_abandoned(volumes)
            fetch = partial(self._fetch_case, volumes)
            side_by_side(fetch, record.cases, CASES_AT_A_TIME, on_case)
            # A set without a seal stays one: nobody looked at its record when it was made.
            write = write_sealed if seal else write_text_atomically
            write(root / RECORD, content.decode())
        return open_prepared(root)

    def publish(self, prepared: PreparedSet, on_case: OnCase) -> None:
        """Copy a set into the store; volumes that are there are left, the record comes last."""
        publish = partial(self._publish_case, prepared)
        side_by_side(publish, prepared.cases, CASES_AT_A_TIME, on_case)
        with self._opened() as (store, path):
            _upload(prepared.record_file, store, f"{path}/{RECORD}")
            if (prepared.root / SEAL).is_file():
                _upload(prepared.root / SEAL, store, f"{path}/{SEAL}")

    def _record(self) -> tuple[bytes, PreparedRecord, RecordSeal | None]:
        with self._opened() as (store, path):
            if store.get_file_info(f"{path}/{RECORD}").type != FileType.File:
                raise UserError(
                    "There is no prepared data set.",
                    where=self.uri,
                    fix=f"put one there: voxsiam data publish PREPARED {self.uri}",
                )
            content = _download(store, f"{path}/{RECORD}")
            sealed = store.get_file_info(f"{path}/{SEAL}").type == FileType.File
            seal = parse_seal(_download(store, f"{path}/{SEAL}")) if sealed else None
        return content, read_record(content, seal, f"{self.uri}/{RECORD}"), seal

    def _fetch_case(self, volumes: Path, case: PreparedCase) -> None:
        target = volumes / case.key
        if read_sound_entry(target):
            return
        temporary = temporary_beside(target)
        temporary.mkdir()
        try:
            with self._opened() as (store, path):
                copy_files(
                    f"{path}/{VOLUMES}/{case.key}", str(temporary),
                    source_filesystem=store, destination_filesystem=LocalFileSystem(),
                )  # fmt: skip
            if damaged := damaged_file(temporary):
                raise UserError(
                    f"The volume of '{case.case_id}' is damaged or missing in the store.",
                    where=f"{self.uri}/{VOLUMES}/{case.key}/{damaged}",
                    fix="delete its folder there and publish the set again",
                )
            move_into_place(temporary, target)
        finally:
            rmtree(temporary, ignore_errors=True)

    def _publish_case(self, prepared: PreparedSet, case: PreparedCase) -> None:
        folder = prepared.folder(case)
        require_sound(folder, case)
        with self._opened() as (store, path):
            target = f"{path}/{VOLUMES}/{case.key}"
            there = store.get_file_info(FileSelector(target, allow_not_found=True))
            sizes = {info.base_name: info.size for info in there}
            for file in sorted(folder.iterdir()):
                if sizes.get(file.name) != file.stat().st_size:
                    _upload(file, store, f"{target}/{file.name}")

    @contextmanager
    def _opened(self) -> Iterator[tuple[FileSystem, str]]:
        """Open the store; what it refuses is told in our words."""
        require_plain(self.uri)
        try:
            store, path = FileSystem.from_uri(self.uri)
            yield store, path.rstrip("/")
        except (OSError, ValueError) as error:
            raise UserError(
                f"It cannot be copied: {str(error).splitlines()[0]:.300}",
                where=self.uri,
                fix="check the address, the credentials (for S3: AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or ~/.aws), AWS_ENDPOINT_URL for a store of your own, and "
                "the room on the disk",
            ) from error


def _download(store: FileSystem, path: str) -> bytes:
    with store.open_input_stream(path) as stream:
        content = stream.read(LARGE.most_bytes + 1)
    if len(content) > LARGE.most_bytes:
        raise ValueError(f"{path} is larger than {LARGE.most_bytes >> 20} MiB")
    return content


def _upload(file: Path, store: FileSystem, target: str) -> None:
    copy_files(str(file), target, source_filesystem=LocalFileSystem(), destination_filesystem=store)
