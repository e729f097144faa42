"""Data sets that can be prepared: what to download, from where, under which terms, how large.

Terms and sizes are as published when this was written; "not checked" marks what could not be read
on the page itself. The page holds, not this table.
"""

from dataclasses import dataclass

from voxsiam_data.sources.layouts.zenodo_labels import BTCV, PANCREAS_CT


@dataclass(frozen=True)
class Download:
    """A file that anybody may fetch; `unpack` says whether it is a tar archive."""

    name: str
    url: str
    sha256: str
    unpack: bool = False


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """One data set.

    Attributes:
        registration: Whether one must register or agree to terms first.
        layout: Folders that `voxsiam data prepare` expects.
        protocol: What its label values follow; None where the data say it.
        reader: Module of this package that reads it; None for what is no data set by itself.
        downloads: Files that `voxsiam data fetch` gets.
    """

    name: str
    title: str
    download: str
    page: str
    terms: str
    size: str = "-"
    registration: bool = False
    layout: str
    protocol: str | None = None
    reader: str | None = None
    downloads: tuple[Download, ...] = ()


_ZENODO_SHA256 = {
    PANCREAS_CT.archive: "1790e252ba0732cc06ec727f00245c8d9c1d5f0bb9829fd3e9915863c5100c61",
    BTCV.archive: "bb080c7de1094cc0ee46a5e1bef5b66e635075f8e9a3080ca681086cd2723998",
    "cropping.csv": "d6503bda3d776c10698523aae14446409bc9d3722fb405b0025b4a5f59094f8f",
}

CATALOGUE = (
    CatalogueEntry(
        name="zenodo-labels",
        title="Multi-organ references for Pancreas-CT and BTCV (Gibson et al. 2018)",
        download=f"{PANCREAS_CT.archive}, {BTCV.archive}, cropping.csv",
        page="https://doi.org/10.5281/zenodo.1169361",
        terms="CC BY 4.0 (not checked on the page)",
        size="90 label maps, no images",
        layout="label_tcia_multiorgan/label####.nii.gz, label_btcv_multiorgan/label####.nii.gz",
        protocol="zenodo",
        downloads=tuple(
            Download(
                name,
                f"https://zenodo.org/records/1169361/files/{name}?download=1",
                sha256,
                unpack=name.endswith(".tar.gz"),
            )
            for name, sha256 in _ZENODO_SHA256.items()
        ),
    ),
    CatalogueEntry(
        name="pancreas-ct",
        title="Pancreas-CT of TCIA, labelled by zenodo-labels",
        download="collection Pancreas-CT with the NBIA Data Retriever, and zenodo-labels; "
        "not TCIA_pancreas_labels-02-05-2017",
        page="https://doi.org/10.7937/K9/TCIA.2016.tNB1kqBU",
        terms="CC BY 3.0",
        size="80 CTs of 181-466 slices in DICOM, about 10 GB; 42 of them labelled",
        layout="PANCREAS_####/<study>/<series>/*.dcm, label_tcia_multiorgan/label####.nii.gz",
        protocol="zenodo",
        reader="pancreas_ct",
    ),
    CatalogueEntry(
        name="btcv",
        title="BTCV, Multi-Atlas Labeling Beyond the Cranial Vault, abdomen; by zenodo-labels",
        download="Abdomen/RawData.zip, and zenodo-labels",
        page="https://www.synapse.org/Synapse:syn3193805",
        terms="Synapse account and data use terms; no redistribution",
        size="50 CTs in NIfTI; 47 of them labelled",
        registration=True,
        layout="RawData/{Training,Testing}/img/img####.nii.gz, "
        "label_btcv_multiorgan/label####.nii.gz",
        protocol="zenodo",
        reader="btcv",
    ),
    CatalogueEntry(
        name="btcv-original",
        title="BTCV with the challenge's own labels: seven of the organs, no duodenum",
        download="Abdomen/RawData.zip",
        page="https://www.synapse.org/Synapse:syn3193805",
        terms="Synapse account and data use terms; no redistribution",
        size="30 labelled CTs in NIfTI",
        registration=True,
        layout="RawData/Training/img/img####.nii.gz, RawData/Training/label/label####.nii.gz",
        protocol="btcv",
        reader="btcv",
    ),
    CatalogueEntry(
        name="amos22",
        title="AMOS 2022; its MRIs are left out",
        download="amos22.zip",
        page="https://doi.org/10.5281/zenodo.7262581",
        terms="see the page (not checked)",
        size="300 labelled CTs (200 training, 100 validation) in NIfTI; tens of GB",
        layout="imagesTr/amos_####.nii.gz, labelsTr/amos_####.nii.gz, imagesVa/, labelsVa/",
        protocol="amos22",
        reader="amos22",
    ),
    CatalogueEntry(
        name="flare22",
        title="FLARE 2022, the 50 labelled cases (scans of the Decathlon's pancreas task)",
        download="the labelled training cases",
        page="https://flare22.grand-challenge.org/Dataset/",
        terms="challenge rules; CC BY-NC-SA 4.0 by a redistributed copy",
        size="50 CTs in NIfTI",
        registration=True,
        layout="images/<case>_0000.nii.gz, labels/<case>.nii.gz, with --protocol flare22",
        protocol="flare22",
        reader="image_label_folders",
    ),
    CatalogueEntry(
        name="word",
        title="WORD, whole abdominal organs (Luo et al. 2022)",
        download="WORD-V0.1.0 by the links and password of its README",
        page="https://github.com/HiLab-git/WORD",
        terms="GPL-3.0 in its repository; academic use only",
        size="150 CTs in NIfTI (100 training, 20 validation, 30 test)",
        registration=True,
        layout="imagesTr/word_####.nii.gz, labelsTr/word_####.nii.gz, likewise Val and Ts",
        protocol="word",
        reader="word",
    ),
    CatalogueEntry(
        name="totalsegmentator",
        title="TotalSegmentator CT data set (Wasserthal et al. 2023); any body part",
        download="the CT data set",
        page="https://doi.org/10.5281/zenodo.6802613",
        terms="CC BY 4.0",
        size="1228 CTs at 1.5 mm in NIfTI (version 2); tens of GB",
        layout="<case>/ct.nii.gz, <case>/segmentations/<organ>.nii.gz or segmentations.nii.gz",
        protocol="totalsegmentator-v2",
        reader="totalsegmentator",
    ),
    CatalogueEntry(
        name="nnunet",
        title="Any data set of nnU-Net v2 or the Medical Segmentation Decathlon",
        download="your own, or a task of the Decathlon",
        page="http://medicaldecathlon.com",
        terms="those of the data set; the Decathlon: CC BY-SA 4.0",
        layout="dataset.json, imagesTr/<case>_0000.nii.gz, labelsTr/<case>.nii.gz",
        reader="nnunet",
    ),
    CatalogueEntry(
        name="case-folders",
        title="Your own scans, a folder for each case",
        download="your own",
        page="-",
        terms="your own",
        layout="<case>/image.nii.gz, <case>/label.nii.gz",
        protocol="voxsiam",
        reader="case_folders",
    ),
    CatalogueEntry(
        name="label-maps",
        title="Label maps without scans: to check, and to paint phantoms on",
        download="your own",
        page="-",
        terms="your own",
        layout="<name>.nii.gz in one folder",
        protocol="voxsiam",
        reader="label_maps",
    ),
)
