import base64
import io

import numpy as np
import pytest
from matplotlib.image import imread

from tests.voxsiam_dashboards.prepared_store import prepared_set
from tests.voxsiam_dashboards.study_store import SHAPE, SPACING_MM, body_image, ellipsoids
from voxsiam.errors import UserError
from voxsiam.types import PAPER_ORGANS
from voxsiam_dashboards.browser.pages.data import WIDTH, draw_tile, tiles_of_runs, tiles_of_set


def image_of(tile):
    return tile.children[0]


def picture_of(tile):
    kind, _, encoded = image_of(tile).src.partition(",")
    assert kind == "data:image/png;base64"
    return imread(io.BytesIO(base64.b64decode(encoded)))[..., :3]


def told(tile):
    return str(tile.children[1].children)


@pytest.fixture
def case():
    label = ellipsoids(SHAPE)
    return body_image(label, np.random.default_rng(0)).astype(np.float32), label


def test_a_tile_is_the_slice_through_the_most_organs_turned_for_a_reader(case):
    image, label = case
    tile = draw_tile("000", image, label, SPACING_MM, PAPER_ORGANS)
    organs = [len(np.unique(one)) for one in label]
    name, _, index = told(tile).partition(", slice ")
    assert name == "000"
    assert organs[int(index)] == max(organs)
    picture = picture_of(tile)
    outside = label[int(index)][::-1, ::-1] == 0
    grey = np.clip(image[int(index)][::-1, ::-1], 0, 1)
    np.testing.assert_allclose(picture[outside][:, 0], grey[outside], atol=1 / 255)
    assert np.ptp(picture[~outside], axis=-1).max() > 0.2, "organs have colours"
    assert image_of(tile).height == WIDTH


def test_other_intensities_are_brought_to_grey(case):
    image, label = case
    first, second = (
        picture_of(draw_tile("000", volume, label, SPACING_MM, PAPER_ORGANS))
        for volume in (image * 2 - 1, image * 200 - 100)
    )
    np.testing.assert_allclose(first, second, atol=2 / 255)
    assert first.max() == 1


def test_without_the_set_what_the_runs_have_kept_is_drawn(results):
    assert [told(tile).partition(",")[0] for tile in tiles_of_runs(results)] == ["000"]


def test_cases_of_a_prepared_set(tmp_path):
    prepared = prepared_set(tmp_path, arrays=True)
    first, second = tiles_of_set(prepared, ["000", "c1"])
    assert told(first).startswith("000, ")
    assert told(second).startswith("c1, ")
    assert picture_of(first).shape == (*SHAPE[1:], 3)
    assert image_of(first).src != image_of(second).src
    with pytest.raises(UserError, match="no case 'zz'"):
        tiles_of_set(prepared, ["zz"])
