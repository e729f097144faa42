import numpy as np
import pytest

from tests.voxsiam.training.toy import make_volume
from voxsiam.training.augmentation import augment, augmented
from voxsiam.training.config import AugmentationConfig

ALWAYS = AugmentationConfig(probability=1.0)


def generator(seed=0):
    return np.random.default_rng(seed)


def test_without_configuration_the_cases_are_as_they_are():
    assert augmented(make_volume, None, 0, 0) is make_volume


def test_zero_strength_changes_nothing():
    volume = make_volume("a")
    still = AugmentationConfig(probability=0.0)
    changed = augment(volume, still, generator())
    assert np.array_equal(changed.image, volume.image)
    assert np.array_equal(changed.label, volume.label)


def test_a_full_turn_is_no_turn():
    volume = make_volume("a")
    turned = augment(
        volume, AugmentationConfig(probability=1, rotations_degrees=(360.0,)), generator()
    )
    assert np.allclose(turned.image, volume.image, atol=1e-5)
    assert np.array_equal(turned.label, volume.label)


def test_a_quarter_turn_moves_image_and_label_alike_in_the_axial_plane():
    volume = make_volume("a")
    config = AugmentationConfig(probability=1, rotations_degrees=(90.0,))
    turned = augment(volume, config, generator())
    assert np.array_equal(turned.label, np.rot90(volume.label, 1, axes=(1, 2)))
    assert np.allclose(turned.image, np.rot90(volume.image, 1, axes=(1, 2)), atol=1e-5)


def test_labels_keep_their_values_and_intensities_their_range():
    volume = make_volume("a")
    for seed in range(5):
        changed = augment(volume, ALWAYS, generator(seed))
        assert set(np.unique(changed.label)) <= set(np.unique(volume.label))
        assert changed.image.min() >= volume.image.min() - 1e-6
        assert changed.image.max() <= volume.image.max() + 1e-6


def test_mirrors_and_noise():
    volume = make_volume("a")
    config = AugmentationConfig(probability=0, flip_axes=("d",), noise=0.1)
    seen = {augment(volume, config, generator(seed)).label.tobytes() for seed in range(12)}
    assert seen == {volume.label.tobytes(), np.flip(volume.label, 0).tobytes()}
    noisy = augment(volume, AugmentationConfig(probability=0, noise=0.1), generator())
    assert (noisy.image - volume.image).std() == pytest.approx(0.1, rel=0.1)


def test_a_case_is_changed_alike_again_and_otherwise_in_another_epoch():
    def image(epoch, case="a", seed=0):
        return augmented(make_volume, AugmentationConfig(noise=0.1), seed, epoch)(case).image

    assert np.array_equal(image(3), image(3))
    assert not np.array_equal(image(3), image(4))
    assert not np.array_equal(image(3), image(3, seed=1))
