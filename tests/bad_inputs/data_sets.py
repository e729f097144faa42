"""B11, B14, B15, B17 to B19: a data set, given to `voxsiam data prepare`."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.bad_inputs.row import Row, Suite
from tests.bad_inputs.scans import zeros
from tests.nifti_files import patch, phantom_ct, ras_affine, write_scan
from tests.small_data_sets import write_case_folders, write_nnunet

IMAGE, LABEL = phantom_ct()
FOLDERS, NNUNET = "clinic", "Dataset001_Abdomen"


def prepare_command(source: str) -> tuple[str, ...]:
    return ("data", "prepare", source, "-o", "out", "--grid", "16x16x16")


def sound(folder: Path) -> None:
    write_case_folders(folder / FOLDERS, ("anna", "bert"))


def sound_nnunet(folder: Path) -> None:
    write_nnunet(folder / NNUNET)


def label(array, affine=None):
    return lambda folder: write_scan(folder / FOLDERS / "bert" / "label.nii.gz", array, affine)


def image(make: Callable[[bytes], bytes]):
    """Replace the image of the second case by bytes made from the first one's."""

    def change(folder):
        raw = (folder / FOLDERS / "anna" / "image.nii.gz").read_bytes()
        (folder / FOLDERS / "bert" / "image.nii.gz").write_bytes(make(raw))

    return change


def emptied(folder):
    shutil.rmtree(folder / FOLDERS)
    (folder / FOLDERS).mkdir()


def loop(folder):
    shutil.rmtree(folder / FOLDERS)
    (folder / FOLDERS).symlink_to(folder / FOLDERS)


def alone(folder):
    shutil.rmtree(folder / FOLDERS / "bert")


def label_bomb(folder):
    """What is refused as a scan could be a label map, but not of this scan."""
    path = patch(
        folder / FOLDERS / "bert" / "label.nii.gz",
        (40, "<4h", 3, 1024, 1024, 1000),
        (70, "<2h", 4, 16),
    )
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:352]) + zeros(2**31))


def moved(*origin, flip=1.0):
    affine = ras_affine(origin=origin)
    affine[0, 0] *= flip
    return affine


def renamed(name):
    return lambda folder: (folder / FOLDERS / "bert").rename(folder / FOLDERS / name)


ROWS = (
    Row("B6", "one scan of two cut short", image(lambda raw: raw[:-9]), words="to its end"),
    Row("B7", "a label map of 2 MB that unpacks to 2 GB", label_bomb,
        words=r"has shape \(1024, 1024, 1000\), its image"),
    Row("B11", "no cases", emptied, words="The folder is empty"),
    Row("B11", "one case", alone, "accepted", "1 cases on"),
    Row("B14", "empty label map", label(np.zeros_like(LABEL)), words="none of the organs"),
    Row("B15", "label map one slice short", label(LABEL[:, :, :-1]), words="has shape"),
    Row("B15", "origin of the label off by a voxel", label(LABEL, moved(1, 0, 0)),
        words="lies up to 1 voxels away"),
    Row("B15", "label mirrored by its affine", label(LABEL, moved(0, 0, 0, flip=-1.0)),
        words="voxels away"),
    Row("B17", "the same file as another patient", image(bytes), words="hold the same image"),
    Row("B17", "the same scan compressed again",
        image(lambda raw: gzip.compress(gzip.decompress(raw), 1)), words="hold the same image"),
    *(Row("B18", f"a folder named {name[:12]}", renamed(name), "accepted", "2 cases on")
      for name in ("ü ß 名", "-rf", "x" * 240, "[red]")),
    Row("B18", "a folder that is a link to itself", loop, words="cannot be opened"),
)  # fmt: skip


def description(change: Callable[[dict], object]):
    """Change what dataset.json says."""

    def apply(folder):
        path = folder / NNUNET / "dataset.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return apply


def text(content: str):
    return lambda folder: (folder / NNUNET / "dataset.json").write_text(content)


def twice(folder):
    name = folder / NNUNET / "imagesTr" / "ct_001_0000"
    name.with_name("ct_001_0000.nii").write_bytes(
        gzip.decompress(name.with_name("ct_001_0000.nii.gz").read_bytes())
    )


def listed(name):
    return description(lambda content: content.update(training=[{"image": name}]))


NNUNET_ROWS = (
    Row("B18", "dataset.json lists ../../etc/passwd", listed("../../etc/passwd"),
        words="leads out of the data set"),
    Row("B18", "dataset.json lists /etc/passwd", listed("/etc/passwd"), words="leads out"),
    Row("B19", "wrong count", description(lambda content: content.update(numTraining=3)),
        words="numTraining is 3"),
    Row("B19", "a case twice", twice, words="more than one image"),
    Row("B19", "no labels", description(lambda content: content.pop("labels")),
        words="no table 'labels'"),
    Row("B19", "17 MB", text(" " * (17 * 2**20)), words="larger than 16 MiB"),
    Row("B19", "nested 10,000 deep", text("[" * 10_000), words="not JSON"),
    Row("B19", "a tag of YAML", text("!!python/object/apply:os.system ['touch ran']"),
        words="not JSON"),
)  # fmt: skip

SUITE = Suite("a data set, to `voxsiam data prepare`", prepare_command(FOLDERS), sound, ROWS)
NNUNET_SUITE = Suite(
    "a data set of nnU-Net, to `voxsiam data prepare`",
    prepare_command(NNUNET),
    sound_nnunet,
    NNUNET_ROWS,
)
