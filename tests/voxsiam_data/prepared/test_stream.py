import threading
from typing import Any

import numpy as np
import pytest
import ray

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.capacity import Capacity, Node
from voxsiam.training.batch import read_batches
from voxsiam_data.prepared import stream
from voxsiam_data.prepared.prepare import prepare
from voxsiam_data.prepared.stream import (
    StreamedVolumes,
    open_volumes,
    share_volumes,
    volume_bytes,
)
from voxsiam_data.sources.detect import read_source


@pytest.fixture
def prepared(ray_instance, case_folders, small_config, tmp_path):
    return prepare(read_source(case_folders), tmp_path / "prepared", small_config)


@ray.remote
def read_elsewhere(volumes, case_id):
    volume = volumes(case_id)
    return volume.image, volume.label, volume.spacing_mm


def test_every_case_is_shared_as_it_was_prepared(prepared):
    volumes = share_volumes(prepared)
    assert set(volumes.blocks) == {case.case_id for case in prepared.cases}
    for case in prepared.cases:
        expected = prepared.load(case.case_id)
        image, label, spacing_mm = ray.get(read_elsewhere.remote(volumes, case.case_id))
        assert np.array_equal(image, expected.image.astype(np.float16))
        assert np.array_equal(label, expected.label)
        assert spacing_mm == expected.spacing_mm


@ray.remote
def native_elsewhere(volumes, case_id):
    return volumes.native(case_id)


def test_native_labels_are_read_from_disk_where_they_are_needed(prepared):
    volumes = share_volumes(prepared)
    native = ray.get(native_elsewhere.remote(volumes, "carl"))
    expected = prepared.load_native("carl")
    assert np.array_equal(native.label, expected.label)
    assert native.placement_box == expected.placement_box
    assert native.spacing_mm == expected.spacing_mm
    path = prepared.root / "volumes" / prepared.case("carl").key / "native_label.npy.gz"
    path.unlink()
    with pytest.raises(UserError, match="'carl' is damaged"):
        volumes.native("carl")
    assert volumes("carl").label.any()


def with_stores(monkeypatch, *stores):
    nodes = tuple(Node("a", "a", 2.0, 0.0, store=float(store)) for store in stores)
    head = Node("head", "head", 0.0, 0.0, store=1.0)  # trains nothing, and needs no room
    monkeypatch.setattr(Capacity, "of_cluster", lambda: Capacity((head, *nodes)))


def test_a_set_that_fits_half_of_every_node_is_shared_and_a_larger_one_streamed(
    prepared, monkeypatch
):
    monkeypatch.setattr(stream, "share_volumes", lambda _: "shared")
    enough = 2 * volume_bytes(prepared)
    with_stores(monkeypatch, enough, enough)
    assert open_volumes(prepared) == "shared"
    with_stores(monkeypatch, 10 * enough, enough - 1)
    assert isinstance(open_volumes(prepared), StreamedVolumes)


def test_a_block_holds_one_volume(prepared):
    volumes = share_volumes(prepared)
    assert len({str(block) for block in volumes.blocks.values()}) == len(prepared.cases)
    blocks: list[Any] = [ray.get(block) for block in volumes.blocks.values()]
    assert [block.num_rows for block in blocks] == [1] * len(prepared.cases)


def test_shared_volumes_are_not_copied(prepared):
    volume = share_volumes(prepared)("anna")
    assert not volume.image.flags.owndata
    assert not volume.image.flags.writeable


def test_a_stream_reads_no_further_ahead_than_it_says(prepared, monkeypatch):
    names, read = [case.case_id for case in prepared.cases] * 20, []
    arrays = stream.read_arrays

    def noted(folder, case):
        read.append(case.case_id)
        return arrays(folder, case)

    monkeypatch.setattr(stream, "read_arrays", noted)
    volumes: Any = StreamedVolumes(prepared).in_order(names)
    for taken in range(1, 6):
        next(volumes)
        assert len(read) <= taken + stream.READ_AHEAD
    volumes.close()
    assert len(read) <= 5 + stream.READ_AHEAD


def test_whoever_stops_early_does_not_wait_for_reads_ahead_of_it(prepared, monkeypatch):
    names, hangs = [case.case_id for case in prepared.cases] * 20, threading.Event()
    arrays = stream.read_arrays
    seen = []

    def others_hang(folder, case):
        seen.append(case.case_id)
        if case.case_id != names[0]:
            hangs.wait(60)
        return arrays(folder, case)

    monkeypatch.setattr(stream, "read_arrays", others_hang)
    volumes: Any = StreamedVolumes(prepared).in_order(names)
    try:
        next(volumes)
        volumes.close()
        assert len(seen) <= 1 + stream.READERS  # what was to come is not begun
    finally:
        hangs.set()


def test_other_threads_run_while_pages_are_read(prepared, monkeypatch):
    """A call that keeps Python's lock until the disk has answered would stop the training."""
    calls = []

    class Noted(np.ndarray):
        def max(self, *arguments, **named):
            calls.append((self.dtype, self.strides))
            return super().max(*arguments, **named)

    arrays = stream.read_arrays
    monkeypatch.setattr(
        stream, "read_arrays", lambda *where: [each.view(Noted) for each in arrays(*where)]
    )
    next(StreamedVolumes(prepared).in_order([prepared.cases[0].case_id]))
    assert calls == [(np.uint8, (1,))] * 2  # every byte: fewer would be too few to let go of it


@ray.remote(num_cpus=2)
def batches_elsewhere(volumes, plan):
    """Read as a training worker does, while it holds every CPU."""
    batches = read_batches(plan, volumes, 0, 1)
    return [(batch.case_ids, batch.images.numpy(), batch.labels.numpy()) for batch in batches]


def test_streamed_batches_are_the_shared_ones_in_the_order_of_the_plan(prepared):
    plan = [("carl", "anna"), ("bert", "carl"), ("anna",)]
    shared, streamed = (
        ray.get(batches_elsewhere.remote(volumes, plan))
        for volumes in (share_volumes(prepared), StreamedVolumes(prepared))
    )
    assert [ids for ids, _, _ in streamed] == plan
    for (_, image, label), (_, other_image, other_label) in zip(shared, streamed, strict=True):
        assert np.array_equal(image, other_image)
        assert np.array_equal(label, other_label)


def test_a_streamed_case_alone_is_the_shared_one(prepared):
    shared, streamed = share_volumes(prepared)("bert"), StreamedVolumes(prepared)("bert")
    assert np.array_equal(shared.image.astype(np.float32), streamed.image)
    assert np.array_equal(shared.label, streamed.label)
    assert shared.spacing_mm == streamed.spacing_mm
    assert (
        StreamedVolumes(prepared).native("bert").spacing_mm
        == prepared.load_native("bert").spacing_mm
    )


def gone(path):
    path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def altered(path):
    content = bytearray(path.read_bytes())
    content[-50:] = bytes(50 * [7])
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [gone, cut, altered])
@pytest.mark.parametrize("file", ["image.npy", "label.npy"])
def test_damaged_volumes_are_refused_in_our_words_however_they_travel(prepared, harm, file):
    harm(prepared.folder(prepared.case("bert")) / file)
    with pytest.raises(UserError, match="'bert' is damaged"):
        list(StreamedVolumes(prepared).in_order(["anna", "bert"]))
    with pytest.raises(UserError, match="'bert' is damaged"):
        share_volumes(prepared)


def test_a_stream_misses_a_volume_before_it_begins(prepared, monkeypatch):
    with_stores(monkeypatch, 2 * volume_bytes(prepared) - 1)
    gone(prepared.folder(prepared.case("carl")) / "label.npy")
    with pytest.raises(UserError, match="'carl' is damaged"):
        open_volumes(prepared)
