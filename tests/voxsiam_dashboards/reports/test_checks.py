import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from tests.voxsiam_data.checks.trunks import manifest_of, trunk, write_case
from voxsiam.errors import UserError
from voxsiam.types import PAPER_ORGANS
from voxsiam_dashboards.figures.look import organ_colours
from voxsiam_dashboards.reports.checks import write_check_page
from voxsiam_data.checks.data_set import check_manifest

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clinic")
    (image, label), (seen, drawn) = trunk(), trunk(seed=8, shift=9)
    cases = (
        write_case(folder, "sound", image, label),
        write_case(folder, "mirrored & <b>", seen, drawn[::-1]),
        write_case(folder, "alone", None, trunk(seed=5, shift=9)[1]),
    )
    report = check_manifest(manifest_of(folder, *cases), workers=2)
    page = write_check_page(report, folder / "page", f"voxsiam data check {HOSTILE}")
    return report, page


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def tags_of(page):
    parser = Tags()
    parser.feed(page.read_text())
    return parser.found


def test_the_page_is_whole_offline_and_escaped(written):
    _, page = written
    text = page.read_text()
    assert HOSTILE not in text
    assert "mirrored &amp; &lt;b&gt;" in text
    tags = tags_of(page)
    assert not [tag for tag, _ in tags if tag in ("script", "link", "iframe")]
    sources = [attributes["src"] for tag, attributes in tags if tag == "img"]
    assert len(sources) == 6
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "://" not in text


def test_every_link_leads_somewhere(written):
    _, page = written
    tags = tags_of(page)
    anchors = {attributes["id"] for _, attributes in tags if "id" in attributes}
    for tag, attributes in tags:
        if tag == "a":
            target = attributes["href"]
            assert target[1:] in anchors if target[0] == "#" else (page.parent / target).is_file()


def test_the_worst_case_comes_first(written):
    _, page = written
    headings = re.findall(r"<h3>(\S+)", page.read_text())
    assert headings == ["mirrored", "sound", "alone"]


def test_the_record_holds_the_same_findings(written):
    report, page = written
    record = json.loads((page.parent / "checks.json").read_text())
    assert record["counts"] == report.counts
    assert sum(len(case["findings"]) for case in record["cases"]) == len(report.findings)


def pictures(page, case):
    pattern = (
        rf'src="data:image/png;base64,([^"]+)" width="(\d+)" height="(\d+)" alt="[^"]* of {case}"'
    )
    found = re.findall(pattern, page.read_text())
    return [(imread(io.BytesIO(base64.b64decode(d))), int(w), int(h)) for d, w, h in found]


def test_pictures_show_the_organs_where_a_reader_expects_them(written):
    _, page = written
    axial, coronal = pictures(page, "sound")
    liver = np.array(to_rgb(organ_colours(PAPER_ORGANS)["liver"]))
    for picture, *_ in (axial, coronal):
        columns = np.flatnonzero((np.abs(picture[..., :3] - liver).max(-1) < 0.06).any(0))
        assert columns.mean() < picture.shape[1] / 2
    # 60 x 84 pixels of 4 mm, and 44 x 84 of 5 x 4 mm.
    assert [size[1:] for size in (axial, coronal)] == [(255, 182), (255, 167)]
    assert (axial[0].shape[:2], coronal[0].shape[:2]) == ((60, 84), (44, 84))


def test_a_label_map_alone_stands_on_black(written):
    axial, _ = pictures(written[1], "alone")
    picture = axial[0][..., :3]
    assert (picture[0] == 0).all()
    assert picture.max() > 0.3


def test_a_second_page_replaces_the_first_and_nothing_else(written):
    report, page = written
    write_check_page(report, page.parent, "again")
    assert "again" in page.read_text()
    (page.parent / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"thesis\.txt"):
        write_check_page(report, page.parent, "again")
    (page.parent / "thesis.txt").unlink()
