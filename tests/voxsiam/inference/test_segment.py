import torch

from tests.voxsiam.training.toy import make_volume
from voxsiam.inference.segment import segment
from voxsiam.models.unet3d import UNet3D

CPU = torch.device("cpu")


def test_labels_lie_on_the_images_grid_and_repeat():
    torch.manual_seed(0)
    network = UNet3D(4, 9)
    image = make_volume("a").image[:, :, :11]
    labels = segment(network, image, autocast=False, device=CPU)
    assert labels.shape == image.shape
    assert labels.dtype == "uint8"
    assert (labels == segment(network, image, autocast=False, device=CPU)).all()
    expected = network(torch.from_numpy(image.copy())[None, None]).logits.argmax(1)[0]
    assert (torch.from_numpy(labels) == expected).all()


def test_views_of_shared_memory_are_read_without_being_written():
    image = make_volume("a").image
    image.flags.writeable = False
    segment(UNet3D(4, 9), image, autocast=True, device=CPU)
