"""The structures of each data set and tool in the order of their label values, from 1.

BTCV (Synapse syn3193805), to which Gibson et al. 2018 (Zenodo 1169361) add the duodenum; AMOS 2022;
FLARE 2022; WORD (Luo et al. 2022); the "total" task of TotalSegmentator, whose numbers changed with
version 2.
"""


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

BTCV = (
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
AMOS22 = (
    *BTCV[:9],
    *BTCV[10:],  # all but the portal vein
    "duodenum",
    "bladder",
    "prostate_or_uterus",
)
FLARE22 = (
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
WORD = (
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
TOTALSEGMENTATOR_V1 = (
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
TOTALSEGMENTATOR_V2 = (
    *TOTALSEGMENTATOR_V1[:6],  # to the stomach
    *TOTALSEGMENTATOR_V1[9:12],  # pancreas and adrenal glands
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
