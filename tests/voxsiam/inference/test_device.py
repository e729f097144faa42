import pytest
import torch

from voxsiam.errors import UserError
from voxsiam.inference.device import choose_device
from voxsiam.models.bfloat16 import has_bfloat16


@pytest.fixture
def gpus(monkeypatch):
    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return pretend


@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        ("auto", 0, "cpu"),
        ("auto", 2, "cuda:0"),
        ("cpu", 2, "cpu"),
        ("cuda", 1, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_devices_by_name(gpus, name, count, expected):
    gpus(count)
    assert choose_device(name) == torch.device(expected)


@pytest.mark.parametrize(
    ("name", "count", "words"),
    [
        ("cuda", 0, "sees 0 GPUs here, so there is no cuda:0"),
        ("cuda:2", 2, "no cuda:2"),
        ("gpu", 1, "no device 'gpu'"),
        ("cuda:-1", 1, "no device"),
        ("cuda:99999999999999999999", 1, "no device"),
        ("", 1, "no device"),
    ],
)
def test_devices_that_are_not_there(gpus, name, count, words):
    gpus(count)
    with pytest.raises(UserError, match=words) as caught:
        choose_device(name)
    assert caught.value.where == "--device"


def test_bfloat16_is_asked_of_the_processor(monkeypatch):
    for fast in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda f=fast: f)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        assert has_bfloat16(torch.device("cpu")) is fast
