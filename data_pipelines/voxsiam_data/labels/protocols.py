"""What the values of a label map mean, in each data set and tool that labels these organs.

Lists: BTCV (Synapse syn3193805); Gibson et al. 2018 (Zenodo 1169361); AMOS 2022; FLARE 2022; WORD
(Luo et al. 2022); the "total" task of TotalSegmentator, whose numbers changed with version 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt8

from voxsiam.errors import UserError, nearest_name
from voxsiam.types import ORGANS
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.orientation import axis_order, to_canonical
from voxsiam_data.labels.organ_names import organ_value

_UNKNOWN = 255
_LISTED = 5


@dataclass(frozen=True)
class LabelProtocol:
    """The meaning of each value.

    Attributes:
        name: As on the command line.
        title: What uses it.
        names: Value -> structure; background (0) is not among them.
    """

    name: str
    title: str
    names: Mapping[int, str]

    @property
    def values(self) -> dict[int, int]:
        """Value -> 0 background, 1..8 organs; every known value is there."""
        return {0: 0} | {value: organ_value(name) or 0 for value, name in self.names.items()}

    @property
    def lacks(self) -> tuple[str, ...]:
        """Organs of ours that it has no value for."""
        present = set(self.values.values())
        return tuple(o for value, o in enumerate(ORGANS, start=1) if value not in present)


def protocol(name: str) -> LabelProtocol:
    """Find a protocol by its name, or say which one was meant."""
    if name not in PROTOCOLS:
        raise UserError(
            f"there is no label protocol '{name}'",
            where="label protocol",
            fix=nearest_name(name, tuple(PROTOCOLS)),
        )
    return PROTOCOLS[name]


def organ_labels(scan: Scan, known: LabelProtocol) -> UInt8[np.ndarray, "d h w"]:
    """Rename the values of a label map to ours, in d h w on its own grid.

    A label map without any organ is fine: a prediction may have found nothing.

    Raises:
        UserError: It holds a value that the protocol does not know, such as 0.9999, -1 or 255.
    """
    canonical = to_canonical(scan.array, axis_order(scan.affine))
    size = max(known.names) + 1
    table = np.full(size + 1, _UNKNOWN, dtype=np.uint8)
    for value, organ in known.values.items():
        table[value] = organ
    renamed = np.empty(canonical.shape, dtype=np.uint8)
    # Slice by slice: an index takes eight bytes for each voxel.
    for source, target in zip(canonical, renamed, strict=True):
        whole = (source >= 0) & (source < size)
        if source.dtype.kind == "f":
            whole &= source == np.floor(source)
        target[...] = table[np.where(whole, source, size).astype(np.intp)]
    unknown = renamed == _UNKNOWN
    if unknown.any():
        raise _unknown_values(scan, canonical[unknown], known)
    return renamed


def _unknown_values(scan: Scan, found: Shaped[np.ndarray, " n"], known: LabelProtocol) -> UserError:
    values, counts = np.unique(found, return_counts=True)
    first = zip(values[:_LISTED].tolist(), counts[:_LISTED].tolist(), strict=True)
    listed = ", ".join(f"{value:.9g} ({count} voxels)" for value, count in first)
    more = f" and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
    return UserError(
        f"Label values that '{known.name}' does not know: {listed}{more}.",
        where=str(scan.path),
        fix=f"it knows the whole numbers 0 to {max(known.names)}; other protocols: "
        + ", ".join(name for name in PROTOCOLS if name != known.name),
    )


def _numbered(*names: str) -> dict[int, str]:
    return dict(enumerate(names, start=1))


def _both(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_{side}" for name in names for side in ("left", "right"))


_VERTEBRAE = tuple(
    f"vertebrae_{part}{number}"
    for part, count in (("L", 5), ("T", 12), ("C", 7))
    for number in range(count, 0, -1)
)
_RIBS = tuple(f"rib_{side}_{number}" for side in ("left", "right") for number in range(1, 13))
_GLUTEI = ("gluteus_maximus", "gluteus_medius", "gluteus_minimus")
_LUNG_LOBES = (
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_middle_lobe_right",
    "lung_lower_lobe_right",
)

_BTCV = (
    "spleen",
    "right_kidney",
    "left_kidney",
    "gallbladder",
    "esophagus",
    "liver",
    "stomach",
    "aorta",
    "inferior_vena_cava",
    "portal_and_splenic_vein",
    "pancreas",
    "right_adrenal_gland",
    "left_adrenal_gland",
)
_AMOS22 = (
    *_BTCV[:9],
    "pancreas",
    "right_adrenal_gland",
    "left_adrenal_gland",
    "duodenum",
    "bladder",
    "prostate_or_uterus",
)
_FLARE22 = (
    "liver",
    "right_kidney",
    "spleen",
    "pancreas",
    "aorta",
    "inferior_vena_cava",
    "right_adrenal_gland",
    "left_adrenal_gland",
    "gallbladder",
    "esophagus",
    "stomach",
    "duodenum",
    "left_kidney",
)
_WORD = (
    "liver",
    "spleen",
    "left_kidney",
    "right_kidney",
    "stomach",
    "gallbladder",
    "esophagus",
    "pancreas",
    "duodenum",
    "colon",
    "intestine",
    "adrenal_glands",
    "rectum",
    "bladder",
    "left_head_of_femur",
    "right_head_of_femur",
)
_TOTALSEGMENTATOR_V1 = (
    "spleen",
    "kidney_right",
    "kidney_left",
    "gallbladder",
    "liver",
    "stomach",
    "aorta",
    "inferior_vena_cava",
    "portal_vein_and_splenic_vein",
    "pancreas",
    "adrenal_gland_right",
    "adrenal_gland_left",
    *_LUNG_LOBES,
    *_VERTEBRAE,
    "esophagus",
    "trachea",
    "heart_myocardium",
    "heart_atrium_left",
    "heart_ventricle_left",
    "heart_atrium_right",
    "heart_ventricle_right",
    "pulmonary_artery",
    "brain",
    *_both("iliac_artery", "iliac_vena"),
    "small_bowel",
    "duodenum",
    "colon",
    *_RIBS,
    *_both("humerus", "scapula", "clavicula", "femur", "hip"),
    "sacrum",
    "face",
    *_both(*_GLUTEI, "autochthon", "iliopsoas"),
    "urinary_bladder",
)
_TOTALSEGMENTATOR_V2 = (
    "spleen",
    "kidney_right",
    "kidney_left",
    "gallbladder",
    "liver",
    "stomach",
    "pancreas",
    "adrenal_gland_right",
    "adrenal_gland_left",
    *_LUNG_LOBES,
    "esophagus",
    "trachea",
    "thyroid_gland",
    "small_bowel",
    "duodenum",
    "colon",
    "urinary_bladder",
    "prostate",
    *_both("kidney_cyst"),
    "sacrum",
    "vertebrae_S1",
    *_VERTEBRAE,
    "heart",
    "aorta",
    "pulmonary_vein",
    "brachiocephalic_trunk",
    "subclavian_artery_right",
    "subclavian_artery_left",
    "common_carotid_artery_right",
    "common_carotid_artery_left",
    *_both("brachiocephalic_vein"),
    "atrial_appendage_left",
    "superior_vena_cava",
    "inferior_vena_cava",
    "portal_vein_and_splenic_vein",
    *_both("iliac_artery", "iliac_vena", "humerus", "scapula", "clavicula", "femur", "hip"),
    "spinal_cord",
    *_both(*_GLUTEI, "autochthon", "iliopsoas"),
    "brain",
    "skull",
    *_RIBS,
    "sternum",
    "costal_cartilages",
)

_ALL = (
    LabelProtocol("voxsiam", "VoxSiam's own label maps and predictions", _numbered(*ORGANS)),
    LabelProtocol(
        "zenodo", "multi-organ references of Zenodo 1169361", _numbered(*_BTCV, "duodenum")
    ),
    LabelProtocol("btcv", "BTCV as the challenge published it", _numbered(*_BTCV)),
    LabelProtocol("amos22", "AMOS 2022", _numbered(*_AMOS22)),
    LabelProtocol("flare22", "FLARE 2022", _numbered(*_FLARE22)),
    LabelProtocol(
        "totalsegmentator-v1", "TotalSegmentator 1, 'total'", _numbered(*_TOTALSEGMENTATOR_V1)
    ),
    LabelProtocol(
        "totalsegmentator-v2", "TotalSegmentator 2, 'total'", _numbered(*_TOTALSEGMENTATOR_V2)
    ),
    LabelProtocol("word", "WORD", _numbered(*_WORD)),
)

PROTOCOLS: Mapping[str, LabelProtocol] = {one.name: one for one in _ALL}
