import hashlib
import io
import tarfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.loopback_server import answering
from voxsiam.errors import UserError
from voxsiam_data.sources.download.catalogue import CATALOGUE, Download
from voxsiam_data.sources.download.fetch import catalogue_entry, fetch

CSV = b"id,publisher\n1,TCIA\n" * 20_000


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for number in (2, 3):
            info = tarfile.TarInfo(f"label_tcia_multiorgan/label{number:04}.nii.gz")
            info.size = 4
            tar.addfile(info, io.BytesIO(b"map" + bytes([number])))
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """Files on loopback; it can break off, ignore ranges, or fail."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/labels.tar.gz": archive(), "/cropping.csv": CSV}
        self.requests: list[tuple[str, str | None]] = []
        self.break_after = self.status = None
        self.ranges = True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        assert isinstance(server, Server)
        name, _, query = self.path.partition("?")
        assert query == "download=1"
        wanted = self.headers.get("Range")
        server.requests.append((name, wanted))
        content = server.files.get(name)
        if content is None or server.status:
            self.send_error(server.status or 404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        start = start if server.ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = server.break_after
        self.wfile.write(content[start:stop])

    def log_message(self, format, *args):  # noqa: A002
        pass


@pytest.fixture
def server():
    with answering(Server()) as server:
        yield server


def entry(server):
    def download(name, unpack):
        sha256 = hashlib.sha256(server.files[f"/{name}"]).hexdigest()
        return Download(name, f"{server.url}/{name}?download=1", sha256, unpack)

    files = (download("labels.tar.gz", True), download("cropping.csv", False))
    return replace(CATALOGUE[0], downloads=files)


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


WHOLE = [
    "cropping.csv",
    "label_tcia_multiorgan/label0002.nii.gz",
    "label_tcia_multiorgan/label0003.nii.gz",
    "labels.tar.gz",
]


def test_files_are_fetched_unpacked_and_not_fetched_again(server, tmp_path):
    steps = []
    found = fetch(entry(server), tmp_path / "out", lambda *step: steps.append(step))
    assert found == [tmp_path / "out" / "label_tcia_multiorgan", tmp_path / "out" / "cropping.csv"]
    assert names(tmp_path / "out") == WHOLE
    assert steps == [(0, 2), (1, 2), (2, 2)]
    assert (tmp_path / "out" / "cropping.csv").read_bytes() == CSV
    assert [name for name, _ in server.requests] == ["/labels.tar.gz", "/cropping.csv"]
    fetch(entry(server), tmp_path / "out")
    assert len(server.requests) == 2


def test_a_damaged_file_is_fetched_again(server, tmp_path):
    fetch(entry(server), tmp_path)
    (tmp_path / "cropping.csv").write_bytes(CSV[:-1])
    fetch(entry(server), tmp_path)
    assert (tmp_path / "cropping.csv").read_bytes() == CSV
    assert len(server.requests) == 3


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_goes_on(server, tmp_path, ranges):
    server.break_after = len(CSV) // 2
    with pytest.raises(UserError, match="cannot be fetched") as caught:
        fetch(entry(server), tmp_path)
    assert "goes on where it stopped" in caught.value.fix
    assert names(tmp_path) == ["cropping.csv.part", *WHOLE[1:]]
    half = (tmp_path / "cropping.csv.part").stat().st_size
    assert len(CSV) // 2 - 2**14 <= half <= len(CSV) // 2
    server.break_after, server.ranges = None, ranges
    fetch(entry(server), tmp_path)
    assert names(tmp_path) == WHOLE
    assert server.requests[-1] == ("/cropping.csv", f"bytes={half}-")


def test_a_part_that_is_whole_already_is_taken(server, tmp_path):
    (tmp_path / "cropping.csv.part").write_bytes(CSV)
    fetch(entry(server), tmp_path)
    assert names(tmp_path) == WHOLE


@pytest.mark.parametrize("content", [b"wrong", CSV + b"more", bytes(len(CSV))])
def test_a_wrong_part_never_becomes_a_file(server, tmp_path, content):
    (tmp_path / "cropping.csv.part").write_bytes(content)
    with pytest.raises(UserError, match="checksum differs"):
        fetch(entry(server), tmp_path)
    assert not (tmp_path / "cropping.csv").exists()
    assert not (tmp_path / "cropping.csv.part").exists()
    fetch(entry(server), tmp_path)
    assert (tmp_path / "cropping.csv").read_bytes() == CSV


def test_another_file_than_the_published_one(server, tmp_path):
    known = entry(server)
    server.files["/labels.tar.gz"] = b"something else"
    with pytest.raises(UserError, match="checksum differs") as caught:
        fetch(known, tmp_path)
    assert caught.value.where.endswith("/labels.tar.gz?download=1")
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_server_that_fails(server, tmp_path, status):
    server.status = status
    with pytest.raises(UserError, match="cannot be fetched"):
        fetch(entry(server), tmp_path)
    assert names(tmp_path) == []


def test_no_server(tmp_path):
    with Server() as server:
        known = entry(server)
    with pytest.raises(UserError, match="cannot be fetched"):
        fetch(known, tmp_path)


def test_an_output_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        fetch(entry(server), tmp_path / "file")


@pytest.mark.parametrize("name", [e.name for e in CATALOGUE if not e.downloads])
def test_what_is_not_fetched_is_explained(tmp_path, name):
    with pytest.raises(UserError, match="is not fetched") as caught:
        fetch(catalogue_entry(name), tmp_path)
    assert caught.value.where == catalogue_entry(name).page
    assert not list(tmp_path.iterdir())


def test_an_unknown_name():
    with pytest.raises(UserError, match="no data set 'btvc'") as caught:
        catalogue_entry("btvc")
    assert "'btcv'" in caught.value.fix
