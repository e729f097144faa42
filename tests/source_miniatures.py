"""Miniature copies of published data sets, in the folders that their downloads unpack to.

Every scan shows the same few blocks of tissue at 5 mm, so that a mirrored label map is found out.
"""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from tests.nifti_files import ras_affine, write_scan
from tests.small_data_sets import write_case_folders, write_nnunet
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.volume_file import read_image
from voxsiam_data.labels.protocols import PROTOCOLS
from voxsiam_data.manifest import Case

SPACING_MM = 5.0
AFFINE = ras_affine((SPACING_MM,) * 3, (-80.0, -70.0, 0.0))
SHAPE = (32, 28, 20)
BLOCKS = (
    (120, (slice(4, 8), slice(6, 12), slice(10, 16))),
    (150, (slice(8, 12), slice(4, 8), slice(4, 10))),
    (10, (slice(18, 20), slice(16, 19), slice(6, 10))),
    (50, (slice(14, 16), slice(10, 12), slice(15, 19))),
    (100, (slice(18, 28), slice(8, 20), slice(10, 18))),
    (40, (slice(8, 14), slice(14, 20), slice(10, 16))),
    (90, (slice(10, 18), slice(12, 14), slice(6, 10))),
    (45, (slice(18, 21), slice(10, 13), slice(4, 8))),
)
"""HU and place of the eight organs in x, y, z, running left to right, back to front, upwards."""


def abdomen(seed: int):
    """Return a scan in HU and the organs 1..8 on it, both in x, y, z (RAS)."""
    unit = np.random.default_rng(seed).normal(0, 1, SHAPE)
    noise, clutter = 5 * unit, 60 * unit
    x, y, _ = np.ogrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j, 0 : 1 : SHAPE[2] * 1j]
    image = np.where(x**2 + y**2 < 0.98, -90.0, -1000.0) + clutter
    label = np.zeros(SHAPE, dtype=np.uint8)
    for value, (hu, block) in enumerate(BLOCKS, start=1):
        image[block] = hu + noise[block]
        label[block] = value
    return image.astype(np.int16), label


def as_published(label, protocol: str):
    """Write our organs with the values of a protocol; one that it lacks becomes background."""
    table = np.zeros(len(PAPER_ORGANS) + 1, dtype=np.uint8)
    for value, organ in PROTOCOLS[protocol].values_for().items():
        if organ:
            table[organ] = value
    return table[label]


def write_ct(folder: Path, number: int, name: str) -> Path:
    return write_scan(folder / name, abdomen(number)[0], AFFINE)


def write_label(folder: Path, name: str, protocol: str) -> Path:
    return write_scan(folder / name, as_published(abdomen(0)[1], protocol), AFFINE)


def write_slices(folder: Path, image_xyz) -> Path:
    """Write a DICOM series: rows run to the patient's left, columns to the back (LPS)."""
    folder.mkdir(parents=True, exist_ok=True)
    first = generate_uid(entropy_srcs=[str(folder)])
    for index in range(image_xyz.shape[2]):
        pixels = np.ascontiguousarray(image_xyz[::-1, ::-1, index].T + 1024).astype(np.int16)
        corner = AFFINE[:3, 3] + SPACING_MM * np.array([SHAPE[0] - 1, SHAPE[1] - 1, index])
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
        instance = generate_uid(entropy_srcs=[f"{folder}/{index}"])
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = instance
        dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.SeriesInstanceUID, dataset.InstanceNumber = first, index + 1
        dataset.ImagePositionPatient = [-corner[0], -corner[1], corner[2]]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing, dataset.SliceThickness = [SPACING_MM] * 2, SPACING_MM
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 1
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(folder / f"1-{index + 1:03}.dcm", enforce_file_format=True)
    return folder


def write_patient(root: Path, number: int, below: str = "1.3.6.1.4.1.1/1.3.6.1.4.1.2") -> Path:
    """Write one patient of Pancreas-CT; `below` are the folders between patient and slices."""
    folder = root / f"PANCREAS_{number:04}"
    write_slices(folder / below, abdomen(number)[0])
    (folder / below / "LICENSE").write_text("not a slice")
    return folder


def write_tcia_labels(root: Path, numbers, name: str = "label{:04}.nii.gz") -> Path:
    """Write Zenodo's labels for Pancreas-CT: on the stack of slices, upside down, wrong header."""
    stack = as_published(abdomen(0)[1], "zenodo")[::-1, ::-1, ::-1]
    for number in numbers:
        write_scan(root / "label_tcia_multiorgan" / name.format(number), stack, np.eye(4))
    return root


def write_pancreas_ct(root: Path, numbers=(2, 3)) -> Path:
    for number in numbers:
        write_patient(root / "Pancreas-CT", number)
    return write_tcia_labels(root, numbers)


def write_btcv_scans(root: Path, training=(1, 2), testing=(61,)) -> Path:
    for part, numbers in (("Training", training), ("Testing", testing)):
        for number in numbers:
            write_ct(root / "RawData" / part / "img", 100 + number, f"img{number:04}.nii.gz")
    return root


def write_btcv(root: Path, training=(1, 2), testing=(61,)) -> Path:
    for number in (*training, *testing):
        write_label(root / "label_btcv_multiorgan", f"label{number:04}.nii.gz", "zenodo")
    return write_btcv_scans(root, training, testing)


def write_btcv_original(root: Path, training=(1, 2)) -> Path:
    for number in training:
        folder = root / "RawData" / "Training" / "label"
        write_label(folder, f"label{number:04}.nii.gz", "btcv")
    return write_btcv_scans(root, training)


def write_amos22(root: Path, numbers=(1, 410, 507), validation=(8,)) -> Path:
    for part, listed in (("Tr", numbers), ("Va", validation)):
        for number in listed:
            write_ct(root / f"images{part}", number, f"amos_{number:04}.nii.gz")
            write_label(root / f"labels{part}", f"amos_{number:04}.nii.gz", "amos22")
    (root / "dataset.json").write_text(AMOS22_JSON)
    return root


AMOS22_JSON = """{"name": "AMOS", "numTraining": 3, "labels": {"0": "background", "1": "spleen",
"2": "right kidney", "3": "left kidney", "4": "gall bladder", "5": "esophagus", "6": "liver",
"7": "stomach", "8": "arota", "9": "postcava", "10": "pancreas", "11": "right adrenal gland",
"12": "left adrenal gland", "13": "duodenum", "14": "bladder", "15": "prostate/uterus"}}"""


def write_word(root: Path) -> Path:
    for part, number in (("Tr", 2), ("Val", 1), ("Ts", 14)):
        write_ct(root / f"images{part}", number, f"word_{number:04}.nii.gz")
        write_label(root / f"labels{part}", f"word_{number:04}.nii.gz", "word")
    return root


def write_flare22(root: Path, numbers=(1, 2)) -> Path:
    for number in numbers:
        write_ct(root / "images", number, f"FLARE22_Tr_{number:04}_0000.nii.gz")
        write_label(root / "labels", f"FLARE22_Tr_{number:04}.nii.gz", "flare22")
    return root


TOTALSEGMENTATOR_NAMES = {
    "spleen": 1,
    "kidney_left": 2,
    "gallbladder": 3,
    "esophagus": 4,
    "liver": 5,
    "stomach": 6,
    "pancreas": 7,
    "duodenum": 8,
    "kidney_right": 99,
    "kidney_cyst_left": 99,
}


def write_totalsegmentator(root: Path, names=("s0000", "s0001")) -> Path:
    label = abdomen(0)[1]
    for seed, name in enumerate(names):
        write_ct(root / name, seed, "ct.nii.gz")
        for organ, value in TOTALSEGMENTATOR_NAMES.items():
            mask = (label == value).astype(np.uint8)
            write_scan(root / name / "segmentations" / f"{organ}.nii.gz", mask, AFFINE)
    (root / "meta.csv").write_text("image_id;age\ns0000;50\n")
    return root


def write_label_maps(root: Path, names=("a", "b")) -> Path:
    for name in names:
        write_label(root, f"{name}.nii.gz", "voxsiam")
    return root


def organs_on_scan(case: Case):
    """Read the labels of a case as they lie on its scan, in d h w."""
    assert case.image is not None
    return case.label.read_with_notes(read_image(case.image))[0]


MINIATURES = {
    "pancreas-ct": write_pancreas_ct,
    "btcv": write_btcv,
    "btcv-original": write_btcv_original,
    "amos22": write_amos22,
    "flare22": write_flare22,
    "word": write_word,
    "totalsegmentator": write_totalsegmentator,
    "nnunet": write_nnunet,
    "case-folders": write_case_folders,
    "label-maps": write_label_maps,
}
"""Name in the catalogue -> what writes a small data set of that layout."""
