import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.ndimage import affine_transform

from tests.voxsiam.training.toy import make_volume
from voxsiam.training.augmentation import Changes, apply_changes, augment_batch, draw_changes
from voxsiam.training.batch import read_batches
from voxsiam.training.recipe import AugmentationConfig

STRONG = AugmentationConfig(
    probability=1, zoom=(0.8, 1.25), intensity_factor=(0.9, 1.1), intensity_shift=0.1, noise=0.1
)


def tensors(case_id="a", shape=None):
    volume = make_volume(case_id)
    image, label = torch.from_numpy(volume.image), torch.from_numpy(volume.label)
    if shape is not None:
        d, h, w = shape
        image, label = image[:d, :h, :w].contiguous(), label[:d, :h, :w].contiguous()
    return image, label


def batch(cases="ab"):
    (read,) = read_batches([tuple(cases)], make_volume, 0, 1)
    return read


def test_no_change_is_no_change():
    image, label = tensors()
    changed = apply_changes(Changes(), image, label)
    assert torch.equal(changed[0], image)
    assert torch.equal(changed[1], label)


def test_a_full_turn_is_no_turn():
    image, label = tensors()
    turned = apply_changes(Changes(angle_degrees=360.0), image, label)
    torch.testing.assert_close(turned[0], image, atol=1e-4, rtol=0)
    assert torch.equal(turned[1], label)


def test_a_quarter_turn_moves_image_and_label_alike_in_the_axial_plane():
    image, label = tensors()
    turned = apply_changes(Changes(angle_degrees=90.0), image, label)
    torch.testing.assert_close(turned[0], image.rot90(1, (1, 2)), atol=1e-4, rtol=0)
    assert torch.equal(turned[1], label.rot90(1, (1, 2)))


@pytest.mark.parametrize("shape", [(16, 16, 16), (9, 16, 11), (16, 7, 16)])
@pytest.mark.parametrize(("angle", "zoom"), [(17.0, 1.0), (0.0, 1.3), (-30.0, 0.8)])
def test_a_turn_and_a_zoom_equal_scipys_in_voxels_also_on_oblong_grids(shape, angle, zoom):
    image, label = tensors(shape=shape)
    moved, moved_label = apply_changes(Changes(angle_degrees=angle, zoom=zoom), image, label)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    matrix = np.array([[1, 0, 0], [0, c, s], [0, -s, c]]) / zoom
    centre = (np.array(shape) - 1) / 2
    air = float(image.min())
    offset = centre - matrix @ centre
    above_air = image.numpy().astype(float) - air
    expected = affine_transform(above_air, matrix, offset, order=1, mode="grid-constant")
    torch.testing.assert_close(moved.double(), torch.from_numpy(expected + air), atol=1e-4, rtol=0)
    nearest = affine_transform(label.numpy(), matrix, offset, order=0, mode="grid-constant")
    # A place half-way between two voxels may round to either.
    assert (moved_label.numpy() != nearest).mean() < 0.02


def test_labels_keep_their_values_and_what_comes_in_is_air():
    image, label = tensors()
    for angle in (-30.0, 10.0, 45.0):
        moved, moved_label = apply_changes(Changes(angle_degrees=angle), image, label)
        assert set(moved_label.unique().tolist()) <= set(label.unique().tolist())
        assert moved.min() >= image.min() - 1e-6
        assert moved.max() <= image.max() + 1e-6
        assert moved_label.dtype == torch.uint8


@pytest.mark.parametrize(("axis", "dim"), [("d", 0), ("h", 1), ("w", 2)])
def test_mirrors(axis, dim):
    image, label = tensors()
    flipped = apply_changes(Changes(flip_axes=(axis,)), image, label)
    assert torch.equal(flipped[0], image.flip(dim))
    assert torch.equal(flipped[1], label.flip(dim))


def test_intensities_and_noise():
    image, label = tensors()
    changed, same = apply_changes(Changes(factor=1.5, shift=-0.25), image, label)
    torch.testing.assert_close(changed, 1.5 * image - 0.25)
    assert torch.equal(same, label)
    noisy, _ = apply_changes(Changes(noise=0.1, noise_seed=3), image, label)
    assert (noisy - image).std().item() == pytest.approx(0.1, rel=0.1)


def test_draws_stay_in_their_limits_and_reach_them():
    drawn = [draw_changes(STRONG, 0, epoch, "a") for epoch in range(300)]
    for name, low, high in (("zoom", 0.8, 1.25), ("factor", 0.9, 1.1), ("shift", -0.1, 0.1)):
        values = [getattr(changes, name) for changes in drawn]
        assert low <= min(values) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < max(values) <= high
    assert {changes.angle_degrees for changes in drawn} == {-30, -10, 10, 30}
    assert not any(changes.flip_axes for changes in drawn)


def test_the_probability_is_that_of_a_move():
    config = AugmentationConfig(probability=0.25, zoom=(1.1, 1.2))
    moved = [draw_changes(config, 0, epoch, "a") for epoch in range(800)]
    share = np.mean([changes.zoom != 1 for changes in moved])
    assert share == pytest.approx(0.25, abs=0.05)
    assert all((c.zoom == 1) == (c.angle_degrees == 0) for c in moved)


def test_only_the_named_axes_are_mirrored_in_half_of_the_draws():
    config = AugmentationConfig(flip_axes=("d", "h"))
    drawn = [draw_changes(config, 0, epoch, "a").flip_axes for epoch in range(400)]
    assert set(drawn) == {(), ("d",), ("h",), ("d", "h")}
    assert np.mean(["d" in axes for axes in drawn]) == pytest.approx(0.5, abs=0.1)


def test_a_case_is_changed_alike_again_and_whatever_its_company():
    images = augment_batch(batch("ab"), STRONG, 0, 3).images
    again = augment_batch(batch("ab"), STRONG, 0, 3).images
    assert torch.equal(images, again)
    assert torch.equal(augment_batch(batch("b"), STRONG, 0, 3).images[0], images[1])
    assert not torch.equal(augment_batch(batch("b"), STRONG, 0, 4).images[0], images[1])
    assert not torch.equal(augment_batch(batch("b"), STRONG, 1, 3).images[0], images[1])


def test_a_rank_without_cases_has_nothing_to_change():
    (empty,) = read_batches([("a",)], make_volume, 0, 2)
    assert augment_batch(empty, STRONG, 0, 0) is empty


@pytest.mark.parametrize(
    "fields",
    [
        {"zoom": (1.2, 0.8)}, {"zoom": (0, 1)}, {"intensity_factor": (2, 1)}, {"noise": -1},
        {"intensity_shift": -0.1}, {"probability": 1.1}, {"flip_axes": ("x",)}, {"shear": 1},
    ],
)  # fmt: skip
def test_bad_configurations_are_refused(fields):
    with pytest.raises(ValidationError):
        AugmentationConfig(**fields)
