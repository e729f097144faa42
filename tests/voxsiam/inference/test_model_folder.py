import json
from typing import get_args

import numpy as np
import pytest
import torch

from tests.voxsiam.inference.small_models import (
    CPU,
    describe,
    random_network,
    reseal,
    write_random_model,
)
from voxsiam.errors import UserError
from voxsiam.inference.model_folder import (
    FORMAT_VERSION,
    ModelDescription,
    load_model,
    read_description,
    write_model,
)
from voxsiam.models.network_config import NetworkName


@pytest.fixture
def folder(tmp_path):
    return write_random_model(tmp_path / "model")


@pytest.mark.parametrize("name", get_args(NetworkName))
def test_every_network_comes_back_as_it_was_written(tmp_path, name):
    description = describe(name)
    network = random_network(description.network)
    network.train()
    with torch.no_grad():
        network(torch.rand(2, 1, 32, 32, 32))  # moves running statistics
    write_model(tmp_path / "model", description, network)
    loaded = load_model(tmp_path / "model", CPU)
    assert loaded.description == description
    expected = network.eval().state_dict()
    found = loaded.network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    image = torch.rand(1, 1, 32, 32, 32)
    with torch.inference_mode():
        assert torch.equal(loaded.network(image).logits, network(image).logits)
    assert not loaded.network.training
    assert not any(p.requires_grad for p in loaded.network.parameters())


def test_a_network_in_another_memory_layout_is_written_the_same(tmp_path, folder):
    description = describe()
    network = random_network(description.network)
    for parameter in network.parameters():
        if parameter.dim() == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
    write_model(tmp_path / "again", description, network)
    for name in ("model.safetensors", "model.json"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_writing_again_replaces_the_model(folder):
    write_random_model(folder, seed=1)
    expected = random_network(describe().network, seed=1).state_dict()
    found = load_model(folder, CPU).network.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.safetensors"]


def test_bfloat16_is_used_where_the_model_and_the_processor_have_it(tmp_path, monkeypatch):
    write_random_model(tmp_path / "m", describe(autocast="bfloat16"))
    for has_it in (True, False):
        monkeypatch.setattr("voxsiam.inference.model_folder.has_bfloat16", lambda _, h=has_it: h)
        assert load_model(tmp_path / "m", CPU).autocast is has_it
    monkeypatch.setattr("voxsiam.inference.model_folder.has_bfloat16", lambda _: True)
    assert not load_model(write_random_model(tmp_path / "f"), CPU).autocast


def test_a_seal_does_not_depend_on_fields_that_later_versions_add(folder):
    """A field that the file does not have takes its default, as it had when it was written."""
    path = folder / "model.json"
    description, sha256 = read_description(folder)
    content = json.loads(path.read_text())
    del content["description"]["preparation"]["anti_alias"]
    reseal(path, content)
    assert read_description(folder) == (description, sha256)


def test_any_flipped_byte_is_noticed(folder):
    generator = np.random.default_rng(0)
    for name in ("model.json", "model.safetensors"):
        path = folder / name
        sound = path.read_bytes()
        for position in generator.integers(0, len(sound), 40):
            raw = bytearray(sound)
            raw[position] ^= 1 << int(generator.integers(0, 8))
            path.write_bytes(bytes(raw))
            # Only white space of the JSON may differ without being noticed.
            if name == "model.json" and sound[position : position + 1].isspace():
                continue
            with pytest.raises(UserError):
                load_model(folder, CPU)
        path.write_bytes(sound)
    load_model(folder, CPU)


def test_a_description_holds_no_more_than_it_names():
    assert FORMAT_VERSION == 1
    assert set(ModelDescription.model_fields) == {
        *("network", "autocast", "preparation", "classes", "taught", "method_version", "trained"),
    }
