"""Prepared sets in an object store: S3's protocol, spoken by moto's server on this machine."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from tests.prepared_folder import build_prepared
from voxsiam.errors import UserError
from voxsiam_cli.app import app
from voxsiam_data.prepared import remote_set
from voxsiam_data.prepared.remote_set import RemoteSet

URI = "s3://lab/sets/toy"


@pytest.fixture
def prepared(tmp_path, case_folders, small_config):
    return build_prepared(tmp_path / "prepared", case_folders, small_config)


@pytest.fixture(scope="module")
def server():
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    """An empty bucket, as a user's environment leads to it."""
    keys = {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    requests.post(f"{server}/moto-api/reset", timeout=10)
    storage: Any = boto3.resource("s3")
    made = storage.Bucket("lab")
    made.create()
    return made


@pytest.fixture
def published(prepared, bucket):
    """The set in the store."""
    remote = RemoteSet(URI)
    remote.publish(prepared, no_news)
    return remote


def stored(bucket, name):
    """Return the first object of this file name."""
    return next(item.Object() for item in bucket.objects.all() if item.key.endswith(name))


def no_news(done, total):
    """Nobody looks."""


def contents(folder):
    return {
        file.relative_to(folder): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != "prepared.json"
    }


def test_a_set_goes_to_s3_and_comes_back_byte_by_byte(prepared, bucket, tmp_path):
    seen = []
    app(["data", "publish", str(prepared.root), URI], standalone_mode=False)
    fetched = RemoteSet(URI).fetch(tmp_path / "cache", lambda *step: seen.append(step))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert fetched.fingerprint == prepared.fingerprint
    assert fetched.cases == prepared.cases
    assert contents(fetched.root) == contents(prepared.root)
    assert RemoteSet(URI).listing().cases == prepared.cases


def test_what_is_there_is_not_copied_again(published, prepared, bucket, tmp_path):
    def written():
        keys = [item for item in bucket.objects.all() if "/volumes/" in item.key]
        return {item.key: item.last_modified for item in keys}

    stored(bucket, "label.npy").put(Body=b"cut")
    before = written()
    published.publish(prepared, no_news)
    # Only what was cut is sent again.
    changed = [key for key, time in written().items() if time != before[key]]
    assert set(changed) <= {stored(bucket, "label.npy").key}
    assert stored(bucket, "label.npy").content_length > 3
    first = published.fetch(tmp_path / "cache", no_news)
    seen = []
    again = published.fetch(tmp_path / "cache", lambda *step: seen.append(step))
    assert (again.root, seen) == (first.root, [])


def test_a_fetch_that_was_cut_off_goes_on(published, prepared, tmp_path):
    def cut_off(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        published.fetch(tmp_path / "cache", cut_off)
    (half,) = (tmp_path / "cache").iterdir()
    assert not (half / "prepared.json").exists()
    next(half.glob("volumes/*/image.npy")).write_bytes(b"cut")
    fetched = published.fetch(tmp_path / "cache", no_news)
    assert contents(fetched.root) == contents(prepared.root)


def test_two_that_fetch_at_once_get_one_whole_set(published, prepared, tmp_path, monkeypatch):
    copy = remote_set.copy_files
    # Both have every case beside its place before either moves one there.
    together = threading.Barrier(2 * len(prepared.cases), timeout=60)

    def copy_together(*args, **more):
        copy(*args, **more)
        together.wait()

    monkeypatch.setattr(remote_set, "copy_files", copy_together)
    with ThreadPoolExecutor(2) as pool:
        fetches = [pool.submit(published.fetch, tmp_path / "cache", no_news) for _ in range(2)]
        first, second = (each.result() for each in fetches)
    assert first.root == second.root
    assert contents(first.root) == contents(prepared.root)


@pytest.mark.parametrize("name", ["image.npy", "label.npy", "native_label.npy.gz"])
def test_a_damaged_volume_in_the_store_is_refused_and_leaves_nothing(
    published, bucket, tmp_path, name
):
    damaged = stored(bucket, f"/{name}")
    content = bytearray(damaged.get()["Body"].read())
    content[-1] ^= 1
    damaged.put(Body=bytes(content))
    with pytest.raises(UserError, match="damaged or missing") as caught:
        published.fetch(tmp_path / "cache", no_news)
    assert caught.value.where.endswith(damaged.key)
    (half,) = (tmp_path / "cache").iterdir()
    assert not (half / "volumes" / damaged.key.split("/")[-2]).exists()
    assert not (half / "prepared.json").exists()


def test_a_damaged_volume_is_not_published(prepared, bucket):
    next(prepared.root.glob("volumes/*/label.npy")).write_bytes(b"")
    with pytest.raises(UserError, match="checksum"):
        RemoteSet(URI).publish(prepared, no_news)
    assert not any(item.key.endswith("prepared.json") for item in bucket.objects.all())


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        (URI, "no prepared data set"),
        ("s3://nobodys/toy", "no prepared data set"),
        ("s3:///toy", "Missing bucket"),
        ("ftp://lab/toy", "Unrecognized filesystem"),
        ("file:///shared/prepared", "a folder needs no address"),
        ("s3://KEY:S3CRET@lab/toy", "holds keys"),
    ],
)
def test_bad_addresses(bucket, tmp_path, uri, what):
    with pytest.raises(UserError, match=what) as caught:
        RemoteSet(uri).fetch(tmp_path, no_news)
    assert "S3CRET" not in str(caught.value)
    assert caught.value.where == uri.replace("KEY:S3CRET", "...")


def test_a_folder_is_refused_as_an_address(prepared, tmp_path):
    with pytest.raises(UserError, match="no address of an object store"):
        app(["data", "publish", str(prepared.root), str(tmp_path)], standalone_mode=False)


def test_a_forecast_reads_the_record_alone(published, tmp_path, capsys):
    app(
        ["study", "run", "table3", "--preset", "tiny", "--data", URI, "--dry-run",
         "-w", str(tmp_path / "w")],
        standalone_mode=False,
    )  # fmt: skip
    assert "all of it:" in capsys.readouterr().out
    assert not (tmp_path / "w" / "cache").exists()
