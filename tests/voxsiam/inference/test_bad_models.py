import json
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.voxsiam.inference.small_models import CPU, describe, reseal, write_random_model
from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError
from voxsiam.inference.model_folder import load_model, write_description


@pytest.fixture
def folder(tmp_path):
    return write_random_model(tmp_path / "model")


def edited(change):
    def apply(folder):
        path = folder / "model.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return apply


def edited_and_sealed(change):
    def apply(folder):
        path = folder / "model.json"
        content = json.loads(path.read_text())
        change(content)
        reseal(path, content)

    return apply


def put(*keys, value):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def removed(name):
    return lambda folder: (folder / name).unlink()


def json_text(text):
    return lambda folder: (folder / "model.json").write_bytes(text)


def cut(part):
    def apply(folder):
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])

    return apply


def flipped(folder):
    path = folder / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-100] ^= 1
    path.write_bytes(bytes(raw))


def other_model(**changes):
    """Put the weights of another network here, with a description that accepts their checksum."""

    def apply(folder):
        other = write_random_model(folder.parent / "other", describe(**changes))
        shutil.copy(other / "model.safetensors", folder)
        write_description(folder, describe(), sha256_of(folder / "model.safetensors"))

    return apply


def weights_bytes(make):
    def apply(folder):
        path = folder / "model.safetensors"
        path.write_bytes(make(path))
        write_description(folder, describe(), sha256_of(path))

    return apply


def with_tensors(change):
    def make(path):
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)
        return path.read_bytes()

    return weights_bytes(make)


def header(content, data=b""):
    text = json.dumps(content).encode() if isinstance(content, dict) else content
    return weights_bytes(lambda _: struct.pack("<Q", len(text)) + text + data)


def tensor(*offsets, shape=(1,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


OVERLAPPING = {"a": tensor(0, 4), "b": tensor(2, 6)}
OVERFLOWING = {"a": tensor(0, 4, shape=(2**62, 2**62))}
MANY = {f"t{i}": tensor(4 * i, 4 * i + 4) for i in range(10**5)}
FIRST = r"tensor 'decoder.0[\w.]*' is [\dx]+ \(F32\), expected [\dx]+ \(F32\)"

BAD_MODELS = {
    "grid of terabytes": (
        edited_and_sealed(put("description", "preparation", "grid_dhw", value=[4096] * 3)),
        r"grid of 4096 x 4096 x 4096 voxels takes at least [\d,.]+ GiB of memory",
    ),
    "grid beyond all scans": (
        edited_and_sealed(put("description", "preparation", "grid_dhw", value=[10**30] * 3)),
        "preparation.grid_dhw",
    ),
    "no json": (removed("model.json"), "not a model folder"),
    "no weights": (removed("model.safetensors"), "weights cannot be read"),
    "empty json": (json_text(b""), "description cannot be read"),
    "json list": (json_text(b"[]"), "description cannot be read"),
    "not utf-8": (json_text(b"\xff\xfe{}"), "description cannot be read"),
    "nested json": (json_text(b'{"a":' * 10**5), "description cannot be read"),
    "huge json": (json_text(b" " * 2**21), "it is too large"),
    "old format": (json_text(b'{"network": {}}'), "format version None"),
    "newer format": (edited(put("format_version", value=2)), "format version 2"),
    "long version": (edited(put("format_version", value="9" * 999)), "format version 9{20},"),
    "window altered": (
        edited(put("description", "preparation", "window_hu", value=[-100, 250])),
        "was altered",
    ),
    "checksum altered": (edited(put("weights_sha256", value="0" * 64)), "was altered"),
    "no seal": (edited(lambda content: content.pop("seal")), "was altered"),
    "unknown field": (
        edited_and_sealed(put("description", "temperature", value=1)),
        "does not know the model's temperature",
    ),
    "unknown network": (
        edited_and_sealed(put("description", "network", "name", value="os.system")),
        "the model's network.name",
    ),
    "unknown precision": (
        edited_and_sealed(put("description", "autocast", value="int8")),
        "the model's autocast",
    ),
    "no description": (edited_and_sealed(lambda c: c.pop("description")), "model's description"),
    "other classes": (
        edited_and_sealed(put("description", "classes", value=["background", "liver"])),
        "name the background and 8 organs",
    ),
    "fewer classes": (
        edited_and_sealed(put("description", "network", "num_classes", value=4)),
        "name the background and 3 organs",
    ),
    "width of a planet": (
        edited_and_sealed(put("description", "network", "width", value=10**9)),
        "network.width",
    ),
    "weights of zero bytes": (cut(0), "cut short or altered"),
    "weights cut in the header": (cut(0.001), "cut short or altered"),
    "weights cut at the end": (cut(0.99), "cut short or altered"),
    "one bit flipped": (flipped, "cut short or altered"),
    "other architecture": (other_model(name="vnet"), "tensor 'decoder.*absent"),
    "other width": (other_model(width=8), FIRST),
    "a tensor missing": (with_tensors(lambda t: t.pop("output.bias")), "'output.bias' is absent"),
    "a tensor of a head": (
        with_tensors(lambda t: t.update({"heads.0.weight": torch.zeros(3)})),
        r"'heads.0.weight' is 3 \(F32\), expected absent",
    ),
    "half precision": (
        with_tensors(lambda t: t.update({"output.bias": torch.zeros(9).half()})),
        r"'output.bias' is 9 \(F16\), expected 9 \(F32\)",
    ),
    "NaN": (with_tensors(lambda t: t["output.bias"].fill_(torch.nan)), "NaN or infinite"),
    "a pickle": (weights_bytes(lambda _: b"\x80\x04cos\nsystem\n(S'true'\ntR."), "weights"),
    "header claims 1 EB": (
        weights_bytes(lambda _: struct.pack("<Q", 2**60) + b"{}"),
        "header claims 1152921504606846976 bytes",
    ),
    "header of 2 MB": (header(b" " * 2**21), "header claims"),
    "10^5 tensors": (header(MANY, bytes(4 * 10**5)), "header claims"),
    "header is no JSON": (header(b"[]" * 50), "weights cannot be read"),
    "offsets overlap": (header(OVERLAPPING, bytes(6)), "weights cannot be read"),
    "shape overflows": (header(OVERFLOWING, bytes(4)), "weights cannot be read"),
    "offsets outside": (header({"a": tensor(0, 400, shape=(100,))}, bytes(4)), "cannot be read"),
    "unknown type": (header({"a": tensor(0, 4, dtype="Q1")}, bytes(4)), "cannot be read"),
}


@pytest.mark.parametrize("name", BAD_MODELS)
def test_bad_models_are_refused_by_name(folder, name):
    change, words = BAD_MODELS[name]
    change(folder)
    with pytest.raises(UserError, match=words) as caught:
        load_model(folder, CPU)
    assert caught.value.where.startswith(str(folder))
    assert caught.value.fix
