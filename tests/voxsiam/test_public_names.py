"""What the science offers to other programs: the names, and the loss in a loop of one's own."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

README = Path(__file__).resolve().parents[2] / "README.md"
STRIDE, CLASSES = 2, 3


@pytest.fixture
def own_loop() -> dict[str, Any]:
    """Run the README's lines, with the width that this test has."""
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    torch.manual_seed(0)
    exec(block.replace("in_channels=256", "in_channels=6"), names)  # noqa: S102
    return names


def batch():
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(2, 6, 4, 3, 5, generator=generator, requires_grad=True)
    logits = torch.randn(2, CLASSES, 8, 7, 10, generator=generator)
    labels = torch.randint(0, CLASSES, (2, 8, 7, 10), generator=generator)
    return features, logits, labels


def test_the_loss_of_the_readme_is_the_mean_over_all_pairs_of_a_class(own_loop):
    features, logits, labels = batch()
    loss = own_loop["feature_loss"](features, logits, labels, STRIDE, step=0)
    # 120 voxels are fewer than the budgets: all are drawn, whatever was predicted.
    wanted = labels[:, ::2, :6:2, ::2].flatten()
    with torch.no_grad():
        prediction, target = own_loop["heads"](features.movedim(1, -1).flatten(0, -2))
    cosine = functional.normalize(prediction) @ functional.normalize(target).T
    present = [c for c in range(CLASSES) if (wanted == c).any()]
    weight = torch.tensor([1 / (wanted == c).sum() for c in present])
    within = torch.stack([cosine[wanted == c][:, wanted == c].mean() for c in present])
    assert loss.item() == pytest.approx(-(weight / weight.sum() * within).sum().item(), abs=1e-6)


def test_the_loss_of_the_readme_reaches_the_features(own_loop):
    features, logits, labels = batch()
    own_loop["feature_loss"](features, logits, labels, STRIDE, step=0).backward()
    assert features.grad is not None
    assert features.grad.abs().sum() > 0


@pytest.mark.parametrize("package", ["losses", "models", "metrics"])
def test_every_public_name_is_there_and_documented(package):
    module = importlib.import_module(f"voxsiam.{package}")
    assert len(module.__all__) > 9
    assert all(getattr(module, name).__doc__ for name in module.__all__)
    assert set(module.__all__) <= set(dir(module))


def test_a_name_that_is_a_function_and_a_file_is_the_function():
    lines = "import voxsiam.losses.coarse_labels; from voxsiam.losses import coarse_labels"
    subprocess.run([sys.executable, "-c", f"{lines}; assert callable(coarse_labels)"], check=True)


def test_whoever_reads_a_configuration_does_not_load_pytorch():
    lines = "import sys, voxsiam.losses.config, voxsiam.models.network_config, voxsiam.metrics"
    subprocess.run(
        [sys.executable, "-c", f"{lines}; assert 'torch' not in sys.modules"], check=True
    )
