"""Batch normalisation and whole networks on 2 and 3 gloo processes against one process."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import nn

from tests.voxsiam.training.gloo import group, run_ranks
from voxsiam.models.catalogue import build_network
from voxsiam.models.global_batch_norm import GlobalBatchNorm, uncounted
from voxsiam.models.network_config import NetworkConfig

FEATURES = 3
GRID = (2, 3, 2)
STEPS = 2


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def make_norm(case) -> Any:
    norm: Any = GlobalBatchNorm(FEATURES, affine=case["affine"], track=True).double()
    if case["affine"]:
        nn.init.uniform_(norm.scale, 0.5, 2, generator=torch.Generator().manual_seed(1))
        nn.init.normal_(norm.shift, generator=torch.Generator().manual_seed(2))
    return norm


def random_cases(world_size):
    """Uneven, empty and uncounted ranks; the first cases are the extremes."""
    generator = np.random.default_rng(world_size)
    drawn = generator.integers(0, 6, (60, world_size))
    drawn[:4] = [[0] * world_size, [3] * world_size, [0, *[1] * (world_size - 1)], [4] * world_size]
    uncounted_ranks = generator.random((60, world_size)) < 0.3
    uncounted_ranks[:4] = [[False], [True], [False], [False]]
    return [
        {
            "rows": rows.tolist(),
            "uncounted": blank.tolist(),
            "map": index % 3 > 0,
            "affine": index % 4 > 0,
            "offset": (0, 7, 300)[index % 5 % 3],
        }
        for index, (rows, blank) in enumerate(zip(drawn, uncounted_ranks, strict=True))
    ]


def counted_rows(case):
    cases = sum(n for n, blank in zip(case["rows"], case["uncounted"], strict=True) if not blank)
    return cases * (np.prod(GRID) if case["map"] else 1)


def rows_of(case, rank, step):
    shape = (case["rows"][rank], FEATURES, *(GRID if case["map"] else ()))
    return 3 * draw(*shape, seed=100 * step + rank) + case["offset"]


def weights_of(case, rank):
    return draw(*rows_of(case, rank, 0).shape, seed=50 + rank)


def literal(case):
    """The formula over all ranks' rows at once, differentiated by autograd."""
    ranks = range(len(case["rows"]))
    norm = make_norm(case)
    running = [torch.zeros(FEATURES).double(), torch.ones(FEATURES).double()]
    results = []
    for step in range(STEPS):
        leaves = [rows_of(case, rank, step).requires_grad_() for rank in ranks]
        flat = [leaf.movedim(1, -1).reshape(-1, FEATURES) for leaf in leaves]
        counted = torch.cat([f[:0] if case["uncounted"][r] else f for r, f in enumerate(flat)])
        mean, variance = torch.zeros(FEATURES).double(), torch.ones(FEATURES).double()
        if len(counted):
            mean = counted.mean(0)
            variance = (counted - mean).square().mean(0)
        if len(counted) > 1:
            unbiased = variance * len(counted) / (len(counted) - 1)
            found = (mean.detach(), unbiased.detach())
            running = [0.9 * old + 0.1 * new for old, new in zip(running, found, strict=True)]
        outputs, loss = [], torch.zeros(()).double()
        for rank, leaf in enumerate(leaves):
            y = (leaf.movedim(1, -1) - mean) / (variance + 1e-5).sqrt()
            if case["affine"]:
                y = y * norm.scale + norm.shift
            outputs.append(y.movedim(-1, 1))
            loss = loss + (outputs[-1] * weights_of(case, rank)).sum()
        loss.backward()
        results = [(y.detach(), x.grad) for y, x in zip(outputs, leaves, strict=True)]
    return results, running, [norm.scale.grad, norm.shift.grad] if case["affine"] else []


def parallel(case, rank):
    norm = make_norm(case)
    x: Any
    y: Any
    x = y = None
    for step in range(STEPS):
        x = rows_of(case, rank, step).requires_grad_()
        if case["uncounted"][rank]:
            with uncounted():
                y = norm(x)
        else:
            y = norm(x)
        (y * weights_of(case, rank)).sum().backward()
    found = {"y": y.detach(), "x_grad": x.grad}
    found |= {"running_mean": norm.running_mean, "running_variance": norm.running_variance}
    if case["affine"]:
        for name, parameter in (("scale_grad", norm.scale), ("shift_grad", norm.shift)):
            found[name] = parameter.grad.clone()
            dist.all_reduce(found[name])
    return found


NETWORK_CASES = [
    NetworkConfig(name="vnet", width=2),
    NetworkConfig(name="attention_unet3d", width=2),
    NetworkConfig(name="residual_unet3d", width=2, normalisation="batch_after_convolution"),
]
SHARES = {2: [(2, 3), (4, 0)], 3: [(1, 3, 1), (3, 0, 2)]}


def network_gradient(config, share, rank):
    """Gradient of a loss over all cases and features; a rank without cases runs a blank."""
    torch.manual_seed(5)
    network: Any = build_network(config).double()
    start, end = sum(share[:rank]), sum(share[: rank + 1])
    images = torch.rand(sum(share), 1, 16, 17, 16, generator=torch.Generator().manual_seed(6))
    mine = images[start:end].double()
    if len(mine):
        logits, features = network(mine)
    else:
        with uncounted():
            output = network(torch.zeros(1, 1, 16, 17, 16).double())
        logits, features = output.logits[:0], tuple(f[:0] for f in output.features)
    loss = logits.square().sum() + sum((f.square().sum() for f in features), torch.zeros(()))
    loss.backward()
    gradient = torch.cat([p.grad.flatten() for p in network.parameters()])
    buffers = torch.cat([b.flatten() for b in network.buffers()])
    return gradient, buffers


def compute(rank, world_size, folder):
    cases = json.loads((Path(folder) / "cases.json").read_text())
    found = {}
    with group(rank, world_size, folder):
        for index, case in enumerate(cases):
            found |= {f"{index}/{name}": t.contiguous() for name, t in parallel(case, rank).items()}
        for config in NETWORK_CASES:
            for share in SHARES[world_size]:
                gradient, buffers = network_gradient(config, share, rank)
                dist.all_reduce(gradient)
                found[f"{config.name}/{share}/gradient"] = gradient
                found[f"{config.name}/{share}/buffers"] = buffers
    save_file(found, f"{folder}/rank{rank}.safetensors")


@pytest.fixture(scope="module", params=[2, 3])
def ranks(request, tmp_path_factory):
    """All cases in one start of the processes; what each rank found."""
    folder = tmp_path_factory.mktemp(f"ranks{request.param}")
    (folder / "cases.json").write_text(json.dumps(random_cases(request.param)))
    run_ranks(compute, request.param, request.param, str(folder))
    return [load_file(folder / f"rank{rank}.safetensors") for rank in range(request.param)]


def test_ranks_together_equal_the_formula_over_all_rows(ranks):
    for index, case in enumerate(random_cases(len(ranks))):
        expected, running, affine = literal(case)
        # A single row has variance 0: differences to it are divided by eps.
        tolerance = 1e-7 if counted_rows(case) == 1 else 1e-12
        for rank, found in enumerate(ranks):
            part = {k.split("/")[1]: v for k, v in found.items() if k.startswith(f"{index}/")}
            y, gradient = expected[rank]
            pairs = [(part["y"], y), (part["x_grad"], gradient)]
            pairs += [(part["running_mean"], running[0]), (part["running_variance"], running[1])]
            if affine:
                pairs += [(part["scale_grad"], affine[0]), (part["shift_grad"], affine[1])]
            for ours, theirs in pairs:
                bound = tolerance * max([1, *theirs.abs().flatten().tolist()])
                assert torch.allclose(ours, theirs, rtol=0, atol=bound), case


def test_running_statistics_are_the_same_bits_on_all_ranks(ranks):
    first, *others = ranks
    names = [
        name for name in first if name.endswith(("running_mean", "running_variance", "buffers"))
    ]
    assert len(names) > 50
    assert all(other[name].equal(first[name]) for other in others for name in names)


@pytest.mark.parametrize("config", NETWORK_CASES, ids=lambda config: config.name)
def test_whole_networks_on_ranks_equal_one_process(ranks, config):
    for share in SHARES[len(ranks)]:
        gradient, buffers = network_gradient(config, (sum(share),), 0)
        for found in ranks:
            ours = found[f"{config.name}/{share}/gradient"]
            # At the deepest level there are five voxels in all: rounding is magnified.
            assert (ours - gradient).abs().max() <= 1e-11 * gradient.abs().max()
            assert torch.allclose(
                found[f"{config.name}/{share}/buffers"], buffers, rtol=0, atol=1e-12
            )
